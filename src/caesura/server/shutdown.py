"""Graceful stop of a server: every client gets the rest of its transcript, within the limits of the drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Final, Protocol

import uvicorn

from caesura.server.drain import Drain, DrainLimits

_log = logging.getLogger("caesura.server")

POLL_S: Final = 0.05
ANSWERS_S: Final = 2.0
"""Time for sending error responses to requests that were not finished in time."""
CUT_S: Final = 1.0
"""How long the handlers of aborted connections may take to end."""
SIGNALS: Final = 2
"""Signals that stop gracefully, the second one without waiting for pauses."""


class Shutdown:
    """State of a server's stop, shared by everything that has to end cleanly."""

    def __init__(self) -> None:
        self.begun = False
        """The server is to stop, and is not ready. Set from a signal handler, so it is a plain attribute."""
        self.refusing = False
        """New requests are refused."""
        self.given_up = asyncio.Event()
        """Set when recordings have had their time: unfinished ones are then answered with an error."""
        self._unfinished = 0

    @property
    def unfinished(self) -> bool:
        """Whether a stop has to wait for work outside any open request."""
        return self._unfinished > 0

    @contextlib.contextmanager
    def hold_open(self) -> Iterator[None]:
        """Context for which a stop waits, within its bound: work that continues after its request was answered."""
        self._unfinished += 1
        try:
            yield
        finally:
            self._unfinished -= 1


class Stoppable(Protocol):
    """The service that a `DrainingServer` stops."""

    shutdown: Shutdown

    @property
    def is_polled(self) -> bool:
        """Whether something has been told lately that the server is ready, and may still send requests."""

    def refuse_requests(self) -> None:
        """Refuse new requests."""

    def end_streams(self, drain: Drain, *, now: float) -> None:
        """End the open streams that are due."""

    def give_up(self) -> None:
        """Answer unfinished requests with an error, because they have had their time. Idempotent."""


class DrainingServer(uvicorn.Server):
    """uvicorn's server with a different shutdown.

    uvicorn closes the listener, waits a fixed time for all connections together, and then cancels them: one client that
    hangs costs all others the end of their transcript. Here the first signal begins a `Drain`; the listener stays open,
    so that load balancers notice, and only what is left at the end of the drain is aborted. After that the application,
    and with it the engines, is shut down. A second signal skips the waiting for pauses, a third one all waiting.

    SIGTERM comes from whoever may have told a balancer about this server: where one polls, requests are admitted for a
    while. Other signals come from a terminal, and nothing is admitted after them.

    A graceful stop is a success: the signal is not raised again, and the process exits with code 0.
    """

    def __init__(self, config: uvicorn.Config, service: Stoppable, *, limits: DrainLimits) -> None:
        """Starts nothing.

        Args:
            config: Configuration of uvicorn.
            service: The service to stop; it is called as the drain proceeds.
            limits: How long the parts of the drain take at most.
        """
        super().__init__(config)
        self._service = service
        self._limits = limits
        self._signals: list[int] = []

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle SIGINT or SIGTERM (SIGBREAK on Windows): see the class."""
        self._signals.append(sig)
        if len(self._signals) > SIGNALS:
            # uvicorn raises these signals again at the end, because this stop was not graceful.
            super().handle_exit(sig, frame)
            self.force_exit = True
        self._service.shutdown.begun = True
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain, abort remaining connections, and shut the application down."""
        self._service.shutdown.begun = True
        delayed = self._signals[:1] == [signal.SIGTERM] and self._service.is_polled
        await self._drain(Drain(self._limits, delayed=delayed, now=asyncio.get_running_loop().time()))
        self._service.give_up()
        await self._wait(ANSWERS_S)
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._cut()
        await self.lifespan.shutdown()

    async def _drain(self, drain: Drain) -> None:
        loop = asyncio.get_running_loop()
        while not self.force_exit and (now := loop.time()) < drain.ends_at:
            if len(self._signals) == SIGNALS:
                drain.hurry(now=now)
            if drain.refuses(now=now) and not self._service.shutdown.refusing:
                self._refuse_requests()
            self._service.end_streams(drain, now=now)
            if drain.cuts(now=now):
                self._service.give_up()
            if self._service.shutdown.refusing and not self._busy:
                return
            await asyncio.sleep(POLL_S)

    def _refuse_requests(self) -> None:
        self._service.refuse_requests()
        for connection in list(self.server_state.connections):
            if not _awaits_request(connection):
                connection.shutdown()

    async def _wait(self, within_s: float) -> None:
        """Wait, for `within_s` at most, until every request has its whole response."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within_s
        while not self.force_exit and loop.time() < end:
            if not self._busy:
                return
            await asyncio.sleep(POLL_S)

    @property
    def _busy(self) -> bool:
        """Whether a request is in progress, a response not written, or a close frame not answered."""
        state = self.server_state
        return (
            bool(state.tasks)
            or self._service.shutdown.unfinished
            or any(
                connection.transport.get_write_buffer_size() or _awaits_close(connection)
                for connection in state.connections
            )
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
