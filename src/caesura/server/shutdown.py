"""Graceful stop of a server: every client gets the rest of its transcript, within the drain cap."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Final, Protocol

import uvicorn

_log = logging.getLogger("caesura.server")

POLL_S: Final = 0.05
ANSWERS_S: Final = 2.0
"""Time for sending error responses to requests that were not finished within the drain cap."""
CLOSE_HANDSHAKE_S: Final = 2.0
"""How long a client that has been sent everything may take to answer the close frame.

Closing the socket while its audio still arrives would reset the connection, and the client would lose what it has not
read yet.
"""
CUT_S: Final = 1.0
"""How long the handlers of aborted connections may take to end."""


class Shutdown:
    """State of a server's stop, shared by everything that has to end cleanly."""

    def __init__(self) -> None:
        self.begun = False
        """New requests are refused. Set from a signal handler, so it is a plain attribute."""
        self.given_up = asyncio.Event()
        """Set when the drain cap has passed: unfinished requests are then answered with an error."""
        self._unfinished = 0

    @property
    def unfinished(self) -> bool:
        """Whether a stop has to wait for work outside any open request."""
        return self._unfinished > 0

    @contextlib.contextmanager
    def hold_open(self) -> Iterator[None]:
        """Context for which a stop waits, within the drain cap: work that continues after its request was answered."""
        self._unfinished += 1
        try:
            yield
        finally:
            self._unfinished -= 1


class Stoppable(Protocol):
    """The service that a `DrainingServer` stops."""

    shutdown: Shutdown

    def begin_stop(self) -> None:
        """Refuse new requests, and end open streams."""

    def give_up(self) -> None:
        """Answer unfinished requests with an error, because the drain cap has passed."""


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a different shutdown.

    uvicorn closes the listener, waits a fixed time for all connections together, and then cancels them: one client that
    hangs costs all others the end of their transcript. Here, on the first SIGINT or SIGTERM, new requests are refused
    (503; the listener stays open, so that load balancers notice), requests in progress have up to `within_s`, and only
    those that are left are aborted. After that the application, and with it the engines, is shut down. A second signal
    skips the waiting.

    A graceful stop is a success: the signal is not raised again, and the process exits with code 0.
    """

    def __init__(self, config: uvicorn.Config, service: Stoppable, *, within_s: float) -> None:
        """Starts nothing.

        Args:
            config: Configuration of uvicorn.
            service: The service to stop; it is called when the stop begins and when the drain cap has passed.
            within_s: The drain cap, in seconds.
        """
        super().__init__(config)
        self._service = service
        self._within_s = within_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM (SIGBREAK on Windows): the first stops gracefully, the next one at once."""
        if self._service.shutdown.begun:
            # uvicorn raises these signals again at the end, because this stop was not graceful.
            super().handle_exit(sig, frame)
            self.force_exit = True
        self._service.shutdown.begun = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, abort remaining connections, and shut the application down."""
        self._service.begin_stop()
        for connection in list(self.server_state.connections):
            if not _awaits_request(connection):
                connection.shutdown()
        await self._drain(self._within_s)
        self._service.give_up()
        await self._drain(ANSWERS_S)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._cut()
        await self.lifespan.shutdown()

    async def _drain(self, within_s: float) -> None:
        """Wait, for `within_s` at most, until every request has its whole response."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        lingering_until: float | None = None
        while not self.force_exit and loop.time() < end:
            if self._busy:
                lingering_until = None
            elif not any(_awaits_close(connection) for connection in self.server_state.connections):
                return
            elif lingering_until is None:
                lingering_until = loop.time() + CLOSE_HANDSHAKE_S
            elif loop.time() >= lingering_until:
                return
            await asyncio.sleep(POLL_S)

    @property
    def _busy(self) -> bool:
        state = self.server_state
        return (
            bool(state.tasks)
            or self._service.shutdown.unfinished
            or any(connection.transport.get_write_buffer_size() for connection in state.connections)
        )

    async def _cut(self) -> None:
        if self.server_state.tasks:
            _log.warning("%d requests are cut: they did not end in time", len(self.server_state.tasks))
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await self._wait_for_tasks()
        for task in list(self.server_state.tasks):
            task.cancel()
        await self._wait_for_tasks()

    async def _wait_for_tasks(self) -> None:
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=CUT_S)


def _awaits_request(connection: object) -> bool:
    """Whether it is an HTTP connection on which no request has come yet; the one that comes is answered with 503."""
    return getattr(connection, "cycle", connection) is None


def _awaits_close(connection: object) -> bool:
    """Whether the connection waits for the client to answer a WebSocket close frame."""
    return getattr(connection, "close_timer", None) is not None
