"""The HTTP routes on a real socket, served by a thread."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn

from caesura.server.rest.request_body import BodyLimits
from caesura.server.run import uvicorn_config
from tests.server.rest.api import SCRIPTED, management_api

WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Served:
    """Where the routes are, and the secret of a key that owns the default project."""

    address: tuple[str, int]
    secret: str

    @property
    def url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"


@contextmanager
def served(*, limits: BodyLimits | None = None, location: str | None = None) -> Iterator[Served]:
    """The routes while inside."""
    # With its protocol named, asyncio sends answers at once (TCP_NODELAY).
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    ready, found = threading.Event(), list[tuple[uvicorn.Server, str]]()

    async def serve() -> None:
        async with management_api(limits=limits, location=location) as api:
            config = uvicorn_config(api.app, SCRIPTED)
            config.lifespan = "off"
            server = uvicorn.Server(config)
            found.append((server, await api.secret("owner")))
            ready.set()
            await server.serve(sockets=[listener])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    try:
        assert ready.wait(WITHIN_S)
        yield Served(listener.getsockname()[:2], found[0][1])
    finally:
        if found:
            found[0][0].should_exit = True
        thread.join(WITHIN_S)
        listener.close()
        assert not thread.is_alive()
