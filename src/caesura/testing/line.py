"""One accepted WebSocket in, driven by the real server's Session over fake ears; what it did goes into a Connection."""

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
    Warn,
)
from caesura.protocol.closing import Close
from caesura.protocol.messages import ModelInfo
from caesura.protocol.session import Identity, Session, State, Timers
from caesura.testing.connection import Connection, Text
from caesura.testing.ear import Ears
from caesura.testing.faults import Faults, Plan

MODEL = ModelInfo("00000000-0000-4000-8000-00000000fa4e", "fake", "2026-01-01.0", "fake")
CREATED = "2026-01-01T00:00:00.000Z"
_RESET = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""A linger of 0 s: to close is to reset."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What a line is part of."""

    faults: Faults
    idle_s: float
    answers_finalize: Callable[[], bool]
    """Whether the next Finalize is answered when nothing is pending; asked once for each."""
    changed: Callable[[], None]
    """Told when a Connection shows something new."""


class Line:
    """One accepted connection; `run` returns when it is over. Everything else is called on its loop, at any time."""

    def __init__(self, peer: ServerConnection, connection: Connection, ears: Ears, setting: Setting) -> None:
        """`connection` is filled in by this line and by nobody else."""
        self._peer = peer
        self._connection = connection
        self._ears = ears
        self._setting = setting
        self._faults = setting.faults
        self._loop = asyncio.get_running_loop()
        identity = Identity(connection.request_id, CREATED, MODEL, biases=True)
        timers = Timers(idle_s=setting.idle_s)
        self._session = Session(connection.options, identity, timers, now=connection.opened_at)
        self._received = 0
        self._outbox: asyncio.Queue[str | CloseSocket] = asyncio.Queue()
        """Without a bound: who mutes a server may want everything afterwards, and a test is over soon."""
        self._reading = asyncio.Event()
        self._speaking = asyncio.Event()
        self._reading.set()
        if not self._faults.muted:
            self._speaking.set()
        self._closing: asyncio.Task[None] | None = None
        self._over = False

    async def run(self) -> None:
        """Serve the client until the socket is closed."""
        try:
            async with asyncio.TaskGroup() as tasks:
                reader, writer = tasks.create_task(self._read()), tasks.create_task(self._write())
                reader.add_done_callback(lambda _: writer.cancel())
                await self._peer.wait_closed()
                self._let_go(reader)
        finally:
            self._ended()

    def _let_go(self, reader: asyncio.Task[None]) -> None:
        """The socket is closed: what was read from it before is still heard, but not by who is stalled."""
        self._over = True
        self._speaking.set()
        if not self._reading.is_set():
            reader.cancel()

    # ---- faults ----

    def cut(self) -> None:
        """Reset the TCP connection; what was read from it and not heard yet is not heard."""
        self._session.receive_disconnect(1006, now=self._loop.time())
        cut(self._peer)

    def hang_up(self) -> None:
        """End our half of the TCP connection; what was sent before is read before."""
        self._forget(1006)
        self._peer.transport.write_eof()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame in the middle of everything; nothing that waited is sent before it."""
        self._forget(code)
        self._closing = self._loop.create_task(self._peer.close(code, reason))

    def stall(self) -> None:
        """Read nothing more from the socket, and send nothing."""
        if not self._over:
            self._reading.clear()
            self._peer.transport.pause_reading()

    def unstall(self) -> None:
        """Read again; the idle window begins anew."""
        if not self._reading.is_set():
            self._reading.set()
            self._session.resume_idle(now=self._loop.time())
            self._peer.transport.resume_reading()

    def mute(self) -> None:
        """Send no messages: they wait."""
        if not self._over:
            self._speaking.clear()

    def unmute(self) -> None:
        """Send what waited."""
        self._speaking.set()

    def stop(self) -> None:
        """End in order: what was heard is told, then Metadata, then 1012."""
        self._session.stop(now=self._loop.time())
        self._act()

    def _forget(self, code: int) -> None:
        """Nothing more is heard, and what waits is not sent; the client's own end of the connection is read."""
        self._session.receive_disconnect(code, now=self._loop.time())
        while not self._outbox.empty():
            self._outbox.get_nowait()
            self._outbox.task_done()
        self.unstall()

    # ---- in ----

    async def _read(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while True:
                message = await self._next()
                await self._reading.wait()
                if message is None:
                    self._session.handle_deadline(now=self._loop.time())
                    self._act()
                elif self._session.state is State.OPEN:
                    await self._take(message)

    async def _next(self) -> str | bytes | None:
        """The next message; None when the deadline has passed and no message lies there."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._session.next_deadline()):
                return await self._peer.recv()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                return await self._peer.recv()
        return None

    async def _take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self._take_text(message)
        elif message:
            await self._take_audio(message)
        else:
            self._session.receive_audio(b"", now=self._loop.time())
            self._act()

    def _take_text(self, text: str) -> None:
        now = self._loop.time()
        self._connection.texts.append(Text(_type(text), text, now))
        self._setting.changed()
        self._session.receive_text(text, now=now)
        self._act()

    async def _take_audio(self, data: bytes) -> None:
        """Hear it up to the place at which a fault is planned, have the fault, and so on."""
        rate = self._connection.bytes_per_second
        while (plan := self._faults.take_plan((self._received + len(data)) / rate)) is not None:
            due = max(0, self._bytes(plan.seconds) - self._received)
            self._hear(data[:due])
            data = data[due:]
            await self._have(plan)
            if self._session.state is not State.OPEN:
                return
        self._hear(data)

    async def _have(self, plan: Plan) -> None:
        """Have a fault; what was heard before it is sent before it, unless somebody forbids."""
        if self._speaking.is_set():
            await self._outbox.join()
        plan.fault()
        await self._reading.wait()

    def _hear(self, data: bytes) -> None:
        if not data:
            return
        self._received += len(data)
        self._connection.chunks.append(data)
        self._setting.changed()
        self._session.receive_audio(data, now=self._loop.time())
        self._act()

    def _bytes(self, seconds: float) -> int:
        frame = self._ears.frame_bytes
        return round(seconds * self._connection.bytes_per_second / frame) * frame

    # ---- what the session wants ----

    def _act(self) -> None:
        while actions := self._session.actions():
            for action in actions:
                self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case FeedAudio(data):
                self._tell(self._ears.hear(data))
            case FlushAudio(channel):
                if self._setting.answers_finalize() or self._ears.pending:
                    self._tell(self._ears.flush(channel))
            case EndAudio():
                self._tell(self._ears.end())
            case Send(text):
                self._outbox.put_nowait(text)
            case CloseSocket():
                self._outbox.put_nowait(action)
            case Reconfigure() | ReleaseHeldFinals() | Warn():
                pass  # its words are in the samples, and written as they are there
            case _:
                assert_never(action)

    def _tell(self, events: list[StreamEvent]) -> None:
        for event in events:
            self._session.engine_event(event, now=self._loop.time())

    # ---- out ----

    async def _write(self) -> None:
        while True:
            item = await self._outbox.get()
            await self._reading.wait()
            await self._speaking.wait()
            with contextlib.suppress(ConnectionClosed):
                await self._send(item)
            self._outbox.task_done()

    async def _send(self, item: str | CloseSocket) -> None:
        if isinstance(item, CloseSocket):
            await self._peer.close(item.code, item.reason)
        else:
            await self._peer.send(self._faults.broken_or_whole(item))

    def _ended(self) -> None:
        sent, received = self._peer.protocol.close_sent, self._peer.protocol.close_rcvd
        first = received if self._peer.protocol.close_rcvd_then_sent or sent is None else sent
        self._connection.closed = Close(1006, "") if first is None else Close(first.code, first.reason)
        self._setting.changed()


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
