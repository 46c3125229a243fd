"""A whole server on a thread of its own, for clients that post recordings, with the web servers that it talks to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from caesura.ledger.requests import RequestRecord
from caesura.server.service import Service
from caesura.server.settings import Settings
from tests.in_process_server import in_process_server
from tests.server.outbound.remote import Answer, WebServer, web_server


@dataclass
class RecordingServer:
    """A running server; `url` is http://127.0.0.1:PORT."""

    service: Service
    url: str
    remote: WebServer
    """Where recordings can be fetched from; a test says what it answers."""
    receiver: WebServer
    """Takes what is sent to callbacks."""
    ended_before: int = 0

    @property
    def records(self) -> list[RequestRecord]:
        """What went into the ledger since `begin_test`."""
        return list(self.service.session_log)[self.ended_before :]

    @property
    def delivered(self) -> list[str]:
        """What callbacks got."""
        return self.receiver.bodies

    def begin_test(self) -> None:
        """Forget what tests before this one left."""
        self.ended_before = len(self.service.session_log)
        self.receiver.requests.clear()
        self.receiver.answers[:] = [Answer()]


@contextmanager
def recording_server(engine: str = "scripted", **settings: object) -> Iterator[RecordingServer]:
    """A server for recordings, ready inside; callbacks and URLs may name this machine."""
    chosen = Settings(**{"engines": (engine,), "workers": 1, "allow_private_urls": True, **settings})  # type: ignore[arg-type]
    ready = threading.Event()
    running: list[tuple[RecordingServer, asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def serve() -> None:
        async with in_process_server(chosen) as server, web_server() as remote, web_server() as receiver:
            stopping = asyncio.Event()
            running.append(
                (RecordingServer(server.service, server.http, remote, receiver), asyncio.get_running_loop(), stopping)
            )
            ready.set()
            await stopping.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=run)
    thread.start()
    assert ready.wait(30)
    assert running, "the server did not start"
    found, loop, stopping = running[0]
    try:
        yield found
    finally:
        loop.call_soon_threadsafe(stopping.set)
        thread.join(30)
        assert not thread.is_alive()
