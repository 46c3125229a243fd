"""A server in a child process: ready inside the context, stopped after it, its last log lines kept."""

from __future__ import annotations

import asyncio
import os

import pytest

from caesura.cli.child import ServerFailed, ServerProcess, running_server


async def visit(engine: str, *flags: str, ready_s: float = 60.0) -> ServerProcess:
    async with running_server(engine, flags=flags, ready_s=ready_s) as server:
        os.kill(server.pid, 0)
        return server


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_the_server_runs_inside_the_context_and_has_ended_after_it() -> None:
    server = asyncio.run(visit("scripted"))
    assert server.url.startswith("ws://127.0.0.1:")
    assert not is_running(server.pid)


@pytest.mark.slow
def test_variables_of_ours_do_not_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAESURA_PORT", "http")
    assert not is_running(asyncio.run(visit("scripted")).pid)


@pytest.mark.slow
def test_a_server_that_does_not_start_is_reported_with_its_last_lines() -> None:
    with pytest.raises(ServerFailed, match=r"(?s)ended before it was ready.*--workers.*-1 is not a whole number"):
        asyncio.run(visit("scripted", "--workers", "-1"))


@pytest.mark.slow
def test_a_server_that_is_late_is_stopped() -> None:
    with pytest.raises(ServerFailed, match=r"not ready after 0\.01 s"):
        asyncio.run(visit("scripted", ready_s=0.01))
