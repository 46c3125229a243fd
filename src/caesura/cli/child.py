"""Starts a server in a child process, waits until it is ready, and stops it."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from caesura.errors import CaesuraError

READY_S = 120.0
"""How long a server may take to load its models; a cold disk is slow."""

STOP_S = 10.0
POLL_S = 0.1
LAST_LINES = 20


class ServerFailed(CaesuraError):
    """The server did not start; `str()` has the last lines of its log."""


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A running server: its URL and process id."""

    url: str
    pid: int


@asynccontextmanager
async def running_server(
    engine: str, *, flags: Sequence[str] = (), ready_s: float = READY_S
) -> AsyncIterator[ServerProcess]:
    """Run a server with `engine` on a free loopback port inside the context.

    CAESURA_... variables are not passed on to it. Raises ServerFailed when it ends or is not ready after `ready_s`.
    """
    port = _free_port()
    folder = tempfile.TemporaryDirectory(prefix="caesura-")
    ledger = os.path.join(folder.name, "ledger.db")
    command = [sys.executable, "-m", "caesura", "serve", "--port", str(port), "--engine", engine]
    process = await asyncio.create_subprocess_exec(
        *command,
        "--database",
        ledger,
        # Nothing but this process asks whether it is ready.
        "--drain-delay",
        "0",
        *flags,
        env={name: value for name, value in os.environ.items() if not name.startswith("CAESURA_")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    lines: deque[str] = deque(maxlen=LAST_LINES)
    reading = asyncio.create_task(_keep_last_lines(process, lines))
    try:
        await _until_ready(process, port, lines, ready_s)
        yield ServerProcess(f"ws://127.0.0.1:{port}", process.pid)
    finally:
        await _stop(process)
        await reading
        folder.cleanup()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def _keep_last_lines(process: asyncio.subprocess.Process, lines: deque[str]) -> None:
    """Read everything that the process writes, so that it never blocks, and keep the last lines."""
    assert process.stderr is not None
    while chunk := await process.stderr.read(4096):
        lines.extend(chunk.decode(errors="replace").splitlines())


async def _until_ready(process: asyncio.subprocess.Process, port: int, lines: deque[str], ready_s: float) -> None:
    try:
        async with asyncio.timeout(ready_s):
            while not await _is_ready(port):
                if process.returncode is not None:
                    await asyncio.sleep(POLL_S)
                    raise ServerFailed(_with_log("The server ended before it was ready.", lines))
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        raise ServerFailed(_with_log(f"The server was not ready after {ready_s:g} s.", lines)) from None


def _with_log(sentence: str, lines: deque[str]) -> str:
    return "\n".join([sentence, *(["Its last lines were:", *lines] if lines else [])])


async def _is_ready(port: int) -> bool:
    """Whether GET /readyz answers 200."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        writer.write(b"GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        await writer.drain()
        status = await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return status.split()[1:2] == [b"200"]


async def _stop(process: asyncio.subprocess.Process) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
