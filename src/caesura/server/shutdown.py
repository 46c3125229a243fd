"""Orderly stop of a server: every client gets the rest of its transcript, bounded by the drain cap."""

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
"""Time for the responses to requests that could not be finished within the drain cap."""
CLOSE_HANDSHAKE_S: Final = 2.0
"""How long a client that has been sent everything may take to answer the close frame. Closing the socket while its
audio still comes in would reset the connection, and what it has not read yet would be lost with it."""
CUT_S: Final = 1.0
"""How long the handlers of cut connections may take to end."""


class Shutdown:
    """State of the stop of a server; shared by everything that has to end in order."""

    def __init__(self) -> None:
        self.begun = False
        """New requests are refused. Set from a signal handler, so it is a plain attribute."""
        self.given_up = asyncio.Event()
        """The drain cap has passed: requests that are not finished are answered with an error."""
        self._unfinished = 0

    @property
    def unfinished(self) -> bool:
        """Whether a stop has to wait for work outside any open request."""
        return self._unfinished > 0

    @contextlib.contextmanager
    def hold_open(self) -> Iterator[None]:
        """Make a stop wait for the block, within the drain cap: work that goes on after its request was answered."""
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
        """The drain cap has passed: answer unfinished requests with an error."""


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a stop of its own.

    uvicorn closes the listener, waits a fixed time for all connections together, and then cancels them: one client that
    hangs costs all others the end of their transcript. Here the first SIGINT or SIGTERM ends new work (503; the
    listener stays open, so that balancers see it), waits for requests under way up to `within_s`, and then cuts only
    those that are left. The application, and with it the engines, is shut down after that. A second signal skips the
    waiting.

    A stop in order is a success: the signal is not raised again, and the process ends with code 0.
    """

    def __init__(self, config: uvicorn.Config, service: Stoppable, *, within_s: float) -> None:
        """Starts nothing.

        Args:
            config: uvicorn's.
            service: The service to stop; called when the stop begins and when the drain cap has passed.
            within_s: The drain cap.
        """
        super().__init__(config)
        self._service = service
        self._within_s = within_s

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM (SIGBREAK on Windows): the first stops in order, the next one at once."""
        if self._service.shutdown.begun:
            # uvicorn raises these signals again in the end: this stop was not in order.
            super().handle_exit(sig, frame)
            self.force_exit = True
        self._service.shutdown.begun = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, cut what is left, shut the application down."""
        self._service.begin_stop()
        for connection in list(self.server_state.connections):
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
        """Wait until every request has its whole response, for `within_s` at most."""
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


def _awaits_close(connection: object) -> bool:
    """Whether a WebSocket close frame was sent on it that the client has not answered."""
    return getattr(connection, "close_timer", None) is not None
