"""One Recovery in, driven on the client's loop: open, read, write, one timer; events to an inbox out.

The machine is told from two sides, the user's thread (`send`, `pause`, ...) and the loop, so a lock guards each step;
none of them waits for anything. What a step leads to is carried out on the loop.
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
from caesura.client.recovery import Action, Phase, Recovery
from caesura.client.transport import Opener, Transport, TransportClosed, close_quietly
from caesura.errors import CaesuraError, InternalError

_log = logging.getLogger("caesura.client")

_SHORT_OF_ROOM = (
    "Live audio is being lost, the oldest first: all the room for audio that waits, or that no final covers yet, is "
    "taken. Gap events say which audio; Tuning(keep_s=...) keeps more."
)

T = TypeVar("T")
Step = Callable[[Recovery, float], T]


class Driver:
    """Drives one line from `begin` to its end; `done` has the transcript then, `opened` knows how it began."""

    def __init__(
        self, machine: Recovery, opener: Opener, deliver: Callable[[Event], None], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._machine = machine
        self._opener = opener
        self._deliver = deliver
        self._loop = loop
        self._lock = threading.Lock()
        self._settling = False
        self._short_of_room = False
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._attempt: asyncio.Task[Transport] | None = None
        self._connect_wanted = False
        self._orderly = False
        self._changed = asyncio.Event()
        self._writable = asyncio.Event()
        self._ping_wanted = asyncio.Event()
        self._waiters: list[tuple[Step[bool], concurrent.futures.Future[None]]] = []
        self._running: concurrent.futures.Future[None] | None = None
        self.opened: concurrent.futures.Future[None] = concurrent.futures.Future()
        """Resolved by the first connection; fails with what stood in its way."""
        self.done: concurrent.futures.Future[Transcript] = concurrent.futures.Future()

    # ---- from any thread ----

    def begin(self) -> None:
        """Start, once."""
        self.tell(lambda machine, now: machine.start(now=now))
        self._running = asyncio.run_coroutine_threadsafe(self._run(), self._loop)

    def tell(self, step: Step[T]) -> T:
        """Take one step of the machine now; what follows from it happens on the loop."""
        with self._lock:
            answer = step(self._machine, time.monotonic())
            if not self._settling:
                self._loop.call_soon_threadsafe(self._settle)
                self._settling = True  # in this order: Ctrl-C in between must not leave a line that never settles
        return answer

    def ask(self, question: Step[T]) -> T:
        """Look at the machine without changing it."""
        with self._lock:
            return question(self._machine, time.monotonic())

    def until(self, condition: Step[bool]) -> concurrent.futures.Future[None]:
        """Resolved as soon as `condition` holds, or the line is closed."""
        future: concurrent.futures.Future[None] = concurrent.futures.Future()
        with self._lock:
            self._waiters.append((condition, future))
        self.tell(lambda machine, now: None)
        return future

    # ---- on the loop ----

    async def _run(self) -> None:
        try:
            while await self._next_attempt():
                transport = await self._open()
                if transport is not None:
                    await self._carry(transport)
        except Exception as error:  # noqa: BLE001
            self._broke(error)
        finally:
            self._settle()

    def _broke(self, error: Exception) -> None:
        """Our own mistake, or that of a transport: the user hears of it, and so does the log."""
        _log.error("the client broke", exc_info=error)
        broke = InternalError(f"The client broke: {error!r}")
        broke.__cause__ = error
        self.tell(lambda machine, now: machine.abandon(now=now, error=broke))

    async def _next_attempt(self) -> bool:
        """Wait until the machine wants a connection; False when it wants none any more."""
        while not self._connect_wanted:
            if self.ask(lambda machine, now: machine.phase is Phase.CLOSED):
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
            self.tell(lambda machine, now: machine.failed(failure, now=now))
            return None
        except asyncio.CancelledError:
            if self._attempt.cancelled():
                return None
            raise
        finally:
            self._attempt = None
        request_id = transport.request_id
        if not self.tell(lambda machine, now: _is_open(machine, request_id, now)):
            transport.abort()  # nobody wanted it any more when it was there
            return None
        return transport

    async def _carry(self, transport: Transport) -> None:
        """Read and write until the connection is gone, or is to go."""
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
                self.tell(lambda machine, now, text=text: machine.receive_text(text, now=now))  # type: ignore[misc]
        except TransportClosed as closed:
            code, reason = closed.code, closed.reason
            self.tell(lambda machine, now: machine.closed(code, reason, now=now))

    async def _write(self, transport: Transport) -> None:
        try:
            while True:
                self._writable.clear()
                frame, deadline = self.ask(lambda machine, now: (machine.next_frame(now=now), machine.next_deadline()))
                if frame is None:
                    await self._writable.wait()
                    continue
                self._arm(deadline)  # the socket may take it never
                await transport.send(frame)
                self.tell(lambda machine, now: machine.frame_taken(now=now))
                await asyncio.sleep(0)  # a socket that has room does not wait, and would let nobody read meanwhile
        except TransportClosed:
            await asyncio.Event().wait()  # the reader sees it too, and tells how it ended

    async def _ping(self, transport: Transport) -> None:
        self._ping_wanted.clear()
        try:
            while True:
                await self._ping_wanted.wait()
                self._ping_wanted.clear()
                await transport.ping()
                self.tell(lambda machine, now: machine.receive_pong(now=now))
        except TransportClosed:
            await asyncio.Event().wait()

    # ---- what follows from a step ----

    def _settle(self) -> None:
        with self._lock:
            self._settling = False
            actions, events = self._machine.actions(), self._machine.events()
            deadline, phase = self._machine.next_deadline(), self._machine.phase
            ready = self._ready_waiters(phase)
            was_short, self._short_of_room = self._short_of_room, self._machine.short_of_room
        if self._short_of_room and not was_short:
            _log.warning(_SHORT_OF_ROOM)
        for event in events:
            self._deliver(event)
        for action in actions:
            self._carry_out(action)
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

    def _carry_out(self, action: Action) -> None:
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
        """Keep the timer if it fires early anyway: a frame of audio then costs no timer at all."""
        if self._timer is not None:
            if deadline is not None and self._timer.when() <= deadline:
                return
            self._timer.cancel()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._time_passed)

    def _time_passed(self) -> None:
        self._timer = None
        try:
            self.tell(lambda machine, now: machine.handle_deadline(now=now))
        except Exception as error:  # noqa: BLE001
            self._broke(error)

    def _resolve(self, phase: Phase) -> None:
        if phase is Phase.OPEN and not self.opened.done():
            self.opened.set_result(None)
        if phase is not Phase.CLOSED or self.done.done():
            return
        transcript = self.ask(lambda machine, now: machine.transcript(now=now))
        if not self.opened.done():
            if transcript.error is not None:
                self.opened.set_exception(transcript.error)
            else:
                self.opened.set_result(None)
        self.done.set_result(transcript)


def _is_open(machine: Recovery, request_id: str, now: float) -> bool:
    """Tell of a connection; is it wanted?"""
    machine.opened(request_id, now=now)
    return machine.phase is Phase.OPEN
