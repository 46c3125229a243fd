"""A server in the test's own event loop, with a real address and a service that tests can inspect."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from caesura.server.app import create_app
from caesura.server.drain import DrainLimits
from caesura.server.run import uvicorn_config
from caesura.server.service import Service
from caesura.server.settings import Settings
from caesura.server.shutdown import DrainingServer
from caesura.workers.base import NewWorker
from caesura.workers.thread_worker import ThreadWorker


@dataclass(frozen=True, slots=True)
class InProcessServer:
    """A running server: `url` begins with ws://, `http` with http://."""

    service: Service
    address: tuple[str, int]

    @property
    def url(self) -> str:
        """The live endpoint."""
        return f"ws://{self.address[0]}:{self.address[1]}/v1/listen"

    @property
    def http(self) -> str:
        """The root of the HTTP routes."""
        return f"http://{self.address[0]}:{self.address[1]}"


@contextlib.asynccontextmanager
async def in_process_server(
    settings: Settings | None = None,
    *,
    new_worker: NewWorker = ThreadWorker,
    measured: bool = False,
    drains: bool = False,
) -> AsyncIterator[InProcessServer]:
    """A running server; by default with the scripted engine and one worker.

    Workers are threads, which start at once, unless a test is about processes and gives `ProcessWorker`. How many
    streams it can hold is measured only if `measured`: that takes longer than many a test. In the end it waits for
    pauses of its streams, as the settings say, only if it `drains`.
    """
    settings = settings or Settings(engines=("scripted",), workers=1)
    if not measured and not settings.capacity:
        settings = replace(settings, capacity=settings.max_sessions)
    service = Service(settings, new_worker=new_worker)
    ready = asyncio.Event()
    failures: list[Exception] = []

    def failed(error: Exception) -> None:
        failures.append(error)
        ready.set()

    app = create_app(service, on_ready=ready.set, on_failure=failed)
    listener = socket.create_server((settings.host, 0), backlog=1024)
    waits = (settings.drain_delay_s, settings.drain_within_s) if drains else (0.0, 0.0)
    limits = DrainLimits(*waits, settings.drain_timeout_s)
    server = DrainingServer(uvicorn_config(app, settings), service, limits=limits)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await ready.wait()
        if failures:
            raise failures[0]
        yield InProcessServer(service, listener.getsockname()[:2])
    finally:
        server.should_exit = True
        await running
        listener.close()
