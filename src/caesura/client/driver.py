"""Drives one Recovery machine on the background loop: opens, reads and writes connections, and delivers events.

Both the user's thread (`send`, `pause`, ...) and the loop step the machine, so a lock guards each step, and no step
waits for anything. Actions and events that follow from a step are carried out on the loop.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar, assert_never

from caesura.client.events import Event, Transcript
from caesura.client.line_actions import Action, Phase
from caesura.client.recovery import Recovery
from caesura.client.transport import Opener, Transport, TransportClosed, close_quietly
from caesura.errors import CaesuraError, InternalError

_log = logging.getLogger("caesura.client")

_OVERFLOW_WARNING = (
    "Live audio is being lost, the oldest first: the buffer for audio that waits, or that no final covers yet, is "
    "full. Gap events say which audio; Tuning(keep_s=...) keeps more."
)

T = TypeVar("T")
MachineStep = Callable[[Recovery, float], T]


class Driver:
    """Drives one line to its end: `opened` resolves with the first connection, `done` with the transcript."""

    def __init__(
        self, machine: Recovery, opener: Opener, deliver: Callable[[Event], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._machine = machine
        self._opener = opener
        self._deliver = deliver
        self._loop = loop
        self._lock = threading.Lock()
        self._apply_pending = False
        self._is_overflowing = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt: asyncio.Task[Transport] | None = None
        self._connect_wanted = False
        self._orderly = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._ping_wanted = asyncio.Event()
        self._waiters: list[tuple[MachineStep[bool], concurrent.futures.Future[None]]] = []
        self._running: concurrent.futures.Future[None] | None = None
        self.opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        """Resolved by the first connection; fails with the error that prevented it."""
        self.done: concurrent.futures.Future[Transcript] = concurrent.futures.Future()

    # ---- from any thread ----

    def start(self) -> None:
        """Start, once."""
        self.step(lambda machine, now: machine.start(now=now))
        self._running = asyncio.run_coroutine_threadsafe(self._run(), self._loop)

    def step(self, step: MachineStep[T]) -> T:
        """Step the machine now; the resulting actions and events are carried out on the loop."""
        with self._lock:
            result = step(self._machine, time.monotonic())
            if not self._apply_pending:
                self._loop.call_soon_threadsafe(self._apply)
                self._apply_pending = True  # in this order, so that Ctrl-C in between loses no action
        return result

    def query(self, look: MachineStep[T]) -> T:
        """Query the machine without changing it."""
        with self._lock:
            return look(self._machine, time.monotonic())

    def when(self, condition: MachineStep[bool]) -> concurrent.futures.Future[None]:
        """A future that is resolved as soon as `condition` holds or the line is closed."""
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        with self._lock:
            self._waiters.append((condition, future))
        self.step(lambda machine, now: None)
        return future

    # ---- on the loop ----

    async def _run(self) -> None:
        try:
            while await self._next_attempt():
                transport = await self._open()
                if transport is not None:
                    await self._run_connection(transport)
        except Exception as error:  # noqa: BLE001
            self._fail(error)
        finally:
            self._apply()

    def _fail(self, error: Exception) -> None:
        """A bug in this package or in a transport: log it, and close the line with an InternalError."""
        _log.error("internal error in the client", exc_info=error)
        failure = InternalError(f"Internal error in the client: {error!r}")
        failure.__cause__ = error
        self.step(lambda machine, now: machine.abandon(now=now, error=failure))

    async def _next_attempt(self) -> bool:
        """Wait until the machine wants a connection; False when the line is closed."""
        while not self._connect_wanted:
            if self.query(lambda machine, now: machine.phase is Phase.CLOSED):
                return False
            self._changed.clear()
            await self._changed.wait()
        self._connect_wanted = False
        return True

    async def _open(self) -> Transport | None:
        self._attempt = asyncio.ensure_future(self._opener())
        try:
            transport = await self._attempt
        except CaesuraError as error:
            failure = error
            self.step(lambda machine, now: machine.failed(failure, now=now))
            return None
        except asyncio.CancelledError:
            if self._attempt.cancelled():
                return None
            raise
        finally:
            self._attempt = None
        request_id = transport.request_id
        if not self.step(lambda machine, now: _report_opened(machine, request_id, now)):
            transport.abort()  # the machine was closed or abandoned meanwhile
            return None
        return transport

    async def _run_connection(self, transport: Transport) -> None:
        """Read and write until the connection is lost or is to be closed."""
        self._orderly = False
        try:
            async with asyncio.TaskGroup() as group:
                reader = group.create_task(self._read(transport))
                writer = group.create_task(self._write(transport))
                pinger = group.create_task(self._ping(transport))
                self._tasks = {reader, writer, pinger}
                for task in self._tasks:
                    task.add_done_callback(lambda _: self._stop())
        finally:
            self._tasks = set()
            if self._orderly:
                await close_quietly(transport)
            else:
                transport.abort()

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _read(self, transport: Transport) -> None:
        try:
            while True:
                text = await transport.receive()
                self.step(lambda machine, now, text=text: machine.receive_text(text, now=now))  # type: ignore[misc]
        except TransportClosed as closed:
            code, reason = closed.code, closed.reason
            self.step(lambda machine, now: machine.closed(code, reason, now=now))

    async def _write(self, transport: Transport) -> None:
        try:
            while True:
                self._writable.clear()
                frame, deadline = self.query(
                    lambda machine, now: (machine.next_frame(now=now), machine.next_deadline())
                )
                if frame is None:
                    await self._writable.wait()
                    continue
                self._arm(deadline)  # the socket may never accept the frame
                await transport.send(frame)
                self.step(lambda machine, now: machine.frame_sent(now=now))
                await asyncio.sleep(0)  # sending does not suspend while there is room, and would starve the reader
        except TransportClosed:
            await asyncio.Event().wait()  # the reader sees it too, and reports how it ended

    async def _ping(self, transport: Transport) -> None:
        self._ping_wanted.clear()
        try:
            while True:
                await self._ping_wanted.wait()
                self._ping_wanted.clear()
                await transport.ping()
                self.step(lambda machine, now: machine.receive_pong(now=now))
        except TransportClosed:
            await asyncio.Event().wait()

    # ---- actions and events of a step ----

    def _apply(self) -> None:
        with self._lock:
            self._apply_pending = False
            actions, events = self._machine.actions(), self._machine.events()
            deadline, phase = self._machine.next_deadline(), self._machine.phase
            ready = self._ready_waiters(phase)
            was_short, self._is_overflowing = self._is_overflowing, self._machine.is_overflowing
        if self._is_overflowing and not was_short:
            _log.warning(_OVERFLOW_WARNING)
        for event in events:
            self._deliver(event)
        for action in actions:
            self._perform(action)
        for future in ready:
            future.set_result(None)
        self._arm(deadline)
        self._writable.set()
        self._changed.set()
        self._resolve(phase)

    def _ready_waiters(self, phase: Phase) -> list[concurrent.futures.Future[None]]:
        now = time.monotonic()
        ready = [each for each in self._waiters if phase is Phase.CLOSED or each[0](self._machine, now)]
        self._waiters = [each for each in self._waiters if each not in ready]
        return [future for _, future in ready if future.set_running_or_notify_cancel()]

    def _perform(self, action: Action) -> None:
        match action:
            case Action.CONNECT:
                self._connect_wanted = True
            case Action.PING:
                self._ping_wanted.set()
            case Action.ABORT | Action.CLOSE:
                self._orderly = action is Action.CLOSE
                if self._attempt is not None:
                    self._attempt.cancel()
                self._stop()
            case _:
                assert_never(action)

    def _arm(self, deadline: float | None) -> None:
        """A timer that fires too early is kept: most frames then cost no timer at all."""
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._deadline_reached)

    def _deadline_reached(self) -> None:
        self._timer = None
        try:
            self.step(lambda machine, now: machine.handle_deadline(now=now))
        except Exception as error:  # noqa: BLE001
            self._fail(error)

    def _resolve(self, phase: Phase) -> None:
        if phase is Phase.OPEN and not self.opened.done():
            self.opened.set_result(None)
        if phase is not Phase.CLOSED or self.done.done():
            return
        transcript = self.query(lambda machine, now: machine.transcript(now=now))
        if not self.opened.done():
            if transcript.error is not None:
                self.opened.set_exception(transcript.error)
            else:
                self.opened.set_result(None)
        self.done.set_result(transcript)


def _report_opened(machine: Recovery, request_id: str, now: float) -> bool:
    """Report an open connection; True when the machine uses it."""
    machine.opened(request_id, now=now)
    return machine.phase is Phase.OPEN


def _next_frame(machine: Recovery, now: float) -> tuple[bytes | str | None, float | None]:
    """The frame to write now, and the deadline, which may be about the socket that is to take it."""
    return machine.next_frame(now=now), machine.next_deadline()
