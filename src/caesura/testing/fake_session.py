"""One accepted connection of the fake server: the real server's session state machine with a fake recognizer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from caesura.events import StreamEvent
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    EndAudio,
    FeedAudio,
    FlushAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
    StopAudio,
    Warn,
)
from caesura.protocol.closing import Close
from caesura.protocol.messages import ModelInfo
from caesura.protocol.session import Identity, Session, State, Timers
from caesura.testing.connection import Connection, ReceivedText
from caesura.testing.fake_recognizer import FakeRecognizer
from caesura.testing.faults import PlannedFault, ServerFaults

MODEL = ModelInfo("00000000-0000-4000-8000-00000000fa4e", "fake", "2026-01-01.0", "fake")
CREATED = "2026-01-01T00:00:00.000Z"
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER of 0 s: closing the socket sends a reset."""


@dataclass(frozen=True, slots=True)
class SessionContext:
    """State that all sessions of one server share."""

    faults: ServerFaults
    idle_s: float
    answers_finalize: Callable[[], bool]
    """Whether the next Finalize is answered if nothing is pending; called once for each."""
    changed: Callable[[], None]
    """Called when a Connection has changed."""


class FakeSession:
    """One accepted connection; `run` returns when it has ended. Call the other methods on its loop, at any time."""

    def __init__(
        self, peer: ServerConnection, connection: Connection, recognizer: FakeRecognizer, context: SessionContext
    ) -> None:
        """Only this session updates `connection`."""
        self._peer = peer
        self._connection = connection
        self._recognizer = recognizer
        self._context = context
        self._faults = context.faults
        self._loop = asyncio.get_running_loop()
        identity = Identity(connection.request_id, CREATED, MODEL, biases=True)
        timers = Timers(idle_s=context.idle_s)
        self._session = Session(connection.options, identity, timers, now=connection.opened_at)
        self._received = 0
        self._queue: asyncio.Queue[str | CloseSocket] = asyncio.Queue()
        """Queued messages. Unbounded: a test that unmutes the server expects all of them, and tests are short."""
        self._reading = asyncio.Event()
        self._unmuted = asyncio.Event()
        self._reading.set()
        if not self._faults.muted:
            self._unmuted.set()
        self._closing: asyncio.Task[None] | None = None
        self._over = False

    async def run(self) -> None:
        """Serve the client until the socket is closed."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reader, writer = tasks.create_task(self._read()), tasks.create_task(self._write())
                reader.add_done_callback(lambda _: writer.cancel())
                await self._peer.wait_closed()
                self._socket_closed(reader)
        finally:
            self._ended()

    def _socket_closed(self, reader: asyncio.Task[None]) -> None:
        """The socket was closed: process what was read before, unless the session is stalled."""
        self._over = True
        self._unmuted.set()
        if not self._reading.is_set():
            reader.cancel()

    # ---- faults ----

    def cut(self) -> None:
        """Reset the TCP connection; bytes that were read but not processed are dropped."""
        self._session.receive_disconnect(1006, now=self._loop.time())
        cut(self._peer)

    def hang_up(self) -> None:
        """End our half of the TCP connection; the client still reads what was sent before."""
        self._abandon(1006)
        self._peer.transport.write_eof()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame at once; nothing queued is sent before it."""
        self._abandon(code)
        self._closing = self._loop.create_task(self._peer.close(code, reason))

    def stall(self) -> None:
        """Read nothing more from the socket, and send nothing."""
        if not self._over:
            self._reading.clear()
            self._peer.transport.pause_reading()

    def unstall(self) -> None:
        """Resume reading; the idle window starts anew."""
        if not self._reading.is_set():
            self._reading.set()
            self._session.resume_idle(now=self._loop.time())
            self._peer.transport.resume_reading()

    def mute(self) -> None:
        """Send no messages; they stay queued."""
        if not self._over:
            self._unmuted.clear()

    def unmute(self) -> None:
        """Send what was queued."""
        self._unmuted.set()

    def stop(self) -> None:
        """Close gracefully: send the finals, then Metadata, then 1012."""
        self._session.stop(now=self._loop.time())
        self._run_actions()

    def _abandon(self, code: int) -> None:
        """Process and send nothing more, but still read until the client's end of the connection."""
        self._session.receive_disconnect(code, now=self._loop.time())
        while not self._queue.empty():
            self._queue.get_nowait()
            self._queue.task_done()
        self.unstall()

    # ---- in ----

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await self._next()
                await self._reading.wait()
                if message is None:
                    self._session.handle_deadline(now=self._loop.time())
                    self._run_actions()
                elif self._session.state is State.OPEN:
                    await self._receive(message)

    async def _next(self) -> str | bytes | None:
        """The next message; None if the deadline has passed and no message is queued."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._session.next_deadline()):
                return await self._peer.recv()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                return await self._peer.recv()
        return None

    async def _receive(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._receive_text(message)
        elif message:
            await self._receive_audio(message)
        else:
            self._session.receive_audio(b"", now=self._loop.time())
            self._run_actions()

    def _receive_text(self, text: str) -> None:
        now = self._loop.time()
        self._connection.texts.append(ReceivedText(_type(text), text, now))
        self._context.changed()
        self._session.receive_text(text, now=now)
        self._run_actions()

    async def _receive_audio(self, data: bytes) -> None:
        """Process audio up to the sample at which a fault is planned, trigger the fault, and continue."""
        rate = self._connection.bytes_per_second
        while (planned := self._faults.take_due((self._received + len(data)) / rate)) is not None:
            due = max(0, self._bytes(planned.seconds) - self._received)
            self._feed_audio(data[:due])
            data = data[due:]
            await self._trigger(planned)
            if self._session.state is not State.OPEN:
                return
        self._feed_audio(data)

    async def _trigger(self, planned: PlannedFault) -> None:
        """Trigger a fault. Words recognized before it are sent before it, unless the session is muted or stalled."""
        if self._unmuted.is_set():
            await self._queue.join()
        planned.fault()
        await self._reading.wait()

    def _feed_audio(self, data: bytes) -> None:
        if not data:
            return
        self._received += len(data)
        self._connection.chunks.append(data)
        self._context.changed()
        self._session.receive_audio(data, now=self._loop.time())
        self._run_actions()

    def _bytes(self, seconds: float) -> int:
        frame = self._recognizer.frame_bytes
        return round(seconds * self._connection.bytes_per_second / frame) * frame

    # ---- actions of the session ----

    def _run_actions(self) -> None:
        while actions := self._session.actions():
            for action in actions:
                self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case FeedAudio(data):
                self._report(self._recognizer.feed(data))
            case FlushAudio(channel):
                if self._context.answers_finalize() or self._recognizer.pending:
                    self._report(self._recognizer.flush(channel))
            case EndAudio() | StopAudio():
                self._report(self._recognizer.end())
            case Send(text):
                self._queue.put_nowait(text)
            case CloseSocket():
                self._queue.put_nowait(action)
            case Reconfigure() | ReleaseHeldFinals() | Warn():
                pass  # words are read from the samples and never formatted or held
            case _:
                assert_never(action)

    def _report(self, events: list[StreamEvent]) -> None:
        for event in events:
            self._session.engine_event(event, now=self._loop.time())

    # ---- out ----

    async def _write(self) -> None:
        while True:
            item = await self._queue.get()
            await self._reading.wait()
            await self._unmuted.wait()
            with contextlib.suppress(ConnectionClosed):
                await self._send(item)
            self._queue.task_done()

    async def _send(self, item: str | CloseSocket) -> None:
        if isinstance(item, CloseSocket):
            await self._peer.close(item.code, item.reason)
        else:
            await self._peer.send(self._faults.broken_or_whole(item))

    def _ended(self) -> None:
        sent, received = self._peer.protocol.close_sent, self._peer.protocol.close_rcvd
        first = received if self._peer.protocol.close_rcvd_then_sent or sent is None else sent
        self._connection.closed = Close(1006, "") if first is None else Close(first.code, first.reason)
        self._context.changed()


def cut(peer: ServerConnection) -> None:
    """Reset a TCP connection."""
    raw = peer.transport.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    peer.transport.abort()


def _type(text: str) -> str:
    try:
        return str(json.loads(text)["type"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
