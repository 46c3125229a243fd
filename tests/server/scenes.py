"""Runs a test against a server in this process, with helpers to stream, wait and inspect."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from caesura.ledger.requests import RequestRecord
from caesura.server.settings import Settings
from caesura.workers.base import NewWorker
from caesura.workers.thread_worker import ThreadWorker
from tests.encodings import encode
from tests.in_process_server import InProcessServer, in_process_server
from tests.recordings import recording
from tests.waiting import until as until

LINEAR: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16_000}
WITHIN_S = 110.0
"""Nothing takes so long; the machine may be busy."""


def served(
    story: Callable[[InProcessServer], Awaitable[None]], *, new_worker: NewWorker = ThreadWorker, **settings: Any
) -> InProcessServer:
    """Run `story` against a new scripted server with one worker, and return the server."""

    async def main() -> InProcessServer:
        async with in_process_server(
            Settings(**{"engines": ("scripted",), "workers": 1, **settings}), new_worker=new_worker
        ) as server:
            await asyncio.wait_for(story(server), WITHIN_S)
            return server

    return asyncio.run(main())


def speech(name: str = "lv-0890") -> bytes:
    """A recording as linear16; by default 5.3 s long."""
    data, _ = encode(recording(name).samples[np.newaxis, :], 16_000, "linear16")
    assert isinstance(data, bytes)
    return data


async def record(server: InProcessServer, count: int = 1) -> RequestRecord:
    """The last of so many records, once there are that many."""
    await until(lambda: len(server.service.session_log) >= count)
    return list(server.service.session_log)[count - 1]


async def refusal(url: str, *, key: str | None = None) -> tuple[int, dict[str, str]]:
    """Status and body of an upgrade that must fail; checks that `dg-error` and `dg-request-id` agree with the body."""
    headers = {} if key is None else {"Authorization": f"Token {key}"}
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, additional_headers=headers):
            pass
    response = caught.value.response
    body: dict[str, str] = json.loads(response.body)
    assert response.headers["dg-error"] == body["err_msg"]
    assert response.headers["dg-request-id"] == body["request_id"]
    return response.status_code, body


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All log records except those of the test's own clients and receivers."""
    theirs = ("websockets.", "httpx2", "httpcore2")
    return "\n".join(entry.getMessage() for entry in caplog.records if not entry.name.startswith(theirs))
