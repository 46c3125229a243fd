"""Sockets in, one Line for each that is granted: all of a fake server that lives on its loop, faults included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request as Head
from websockets.http11 import Response

from caesura.protocol.closing import SERVICE_UNAVAILABLE, Refusal
from caesura.protocol.options import ListenOptions
from caesura.testing import upgrade
from caesura.testing.connection import Connection, Request
from caesura.testing.ear import Ears, Pace
from caesura.testing.faults import Faults
from caesura.testing.line import Line, Setting, cut
from caesura.testing.voice import Voice

HOST = "127.0.0.1"
LARGEST_MESSAGE = 16 * 1024 * 1024
GRACE_S = 1.0
"""How long connections that are ended in order may take for their close."""


@dataclass(frozen=True, slots=True)
class Speech:
    """How a server hears: `voice` says which words there are, the lengths are those of FakeServer."""

    voice: Voice
    interim_s: float
    endpoint_s: float
    longest_s: float
    languages: Sequence[str]

    def ears(self, options: ListenOptions) -> Ears:
        """Ears for what a stream was asked to do."""
        endpointing, gap = options.endpointing_ms, options.utterance_end_ms
        pace = Pace(
            longest_s=self.longest_s,
            endpoint_s=None if endpointing is None else max(endpointing / 1000, self.endpoint_s),
            interim_s=self.interim_s if options.interim_results else None,
            gap_s=None if gap is None else gap / 1000,
        )
        return Ears(self.voice, pace, options.sample_rate or 0, options.channels, split=options.multichannel)


class House:
    """The sockets of one fake server. Everything is called on one loop."""

    def __init__(self, speech: Speech, setting: Setting) -> None:
        """Nothing is listened to yet."""
        self.connections: list[Connection] = []
        self.refused: list[Request] = []
        self.port = 0
        """0 until the first `start`."""
        self.faults: Faults = setting.faults
        self._speech = speech
        self._setting = setting
        self._server: Server | None = None
        self._up = False
        """Whether connections are wanted."""
        self._turn = asyncio.Lock()
        self._sockets: set[ServerConnection] = set()
        self._asked: dict[ServerConnection, tuple[Request, ListenOptions | None]] = {}
        self._lines: dict[ServerConnection, Line] = {}
        self._numbers = 0
        self._grace: asyncio.TimerHandle | None = None

    # ---- life ----

    async def start(self) -> None:
        """Listen: at first on a free port, then always on that one. Raises OSError when somebody else took it."""
        async with self._turn:
            if not self._up:
                await self._closed()
                await self._open()

    def stop(self, *, in_order: bool) -> None:
        """Stop listening, and cut the connections or have them end in order; `gone` waits for that."""
        if self._server is None or not self._up:
            return
        self._up = False
        self._server.close(close_connections=False)
        if in_order:
            self._end_in_order()
        else:
            self.cut()

    async def gone(self) -> None:
        """Wait until nothing is left of a server that was stopped."""
        async with self._turn:
            if not self._up:
                await self._closed()

    def _end_in_order(self) -> None:
        for socket in tuple(self._sockets):
            line = self._lines.get(socket)
            line.stop() if line is not None else cut(socket)
        self._grace = asyncio.get_running_loop().call_later(GRACE_S, self.cut)

    async def _closed(self) -> None:
        if self._server is not None:
            self._server.close(close_connections=False)
            await self._server.wait_closed()
        if self._grace is not None:
            self._grace.cancel()

    async def _open(self) -> None:
        self._up = True
        try:
            self._server = await self._listen()
        except OSError:
            self._up = False
            raise
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def _listen(self) -> Server:
        return await serve(
            self._serve,
            HOST,
            self.port,
            process_request=self._judge,
            process_response=self._sign,
            select_subprotocol=upgrade.select_subprotocol,
            create_connection=_socket_class(self._came, self._left),
            compression=None,
            open_timeout=None,
            ping_interval=None,
            max_size=LARGEST_MESSAGE,
            max_queue=None,  # it would read on after a stall; a Line takes what comes at once
        )

    # ---- faults ----

    def cut(self) -> None:
        """Reset all sockets."""
        for socket in tuple(self._sockets):
            line = self._lines.get(socket)
            line.cut() if line is not None else cut(socket)

    def hang_up(self) -> None:
        """End all connections without a close frame."""
        for line in self._lines.values():
            line.hang_up()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame on all connections."""
        for line in self._lines.values():
            line.close(code, reason)

    def stall(self, stalled: bool) -> None:
        """Stop reading and sending, or begin again, also on new sockets."""
        self.faults.stalled = stalled
        for line in self._lines.values():
            line.stall() if stalled else line.unstall()
        for socket in self._sockets:
            socket.transport.pause_reading() if stalled else socket.transport.resume_reading()

    def mute(self, muted: bool) -> None:
        """Stop sending messages, or begin again, also on new sockets."""
        self.faults.muted = muted
        for line in self._lines.values():
            line.mute() if muted else line.unmute()

    # ---- a socket ----

    def _came(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        if not self._up:
            cut(socket)
        elif self.faults.stalled:
            socket.transport.pause_reading()

    def _left(self, socket: ServerConnection) -> None:
        self._sockets.discard(socket)
        self._asked.pop(socket, None)

    def _judge(self, socket: ServerConnection, head: Head) -> Response | None:
        """Refuse, or let the upgrade go on."""
        self._numbers += 1
        request_id = f"{self.port:08x}-0000-7000-8000-{self._numbers:012x}"
        request = upgrade.read(head, request_id, asyncio.get_running_loop().time())
        self._asked[socket] = request, None
        if self.faults.answers:
            return upgrade.answered(socket, self.faults.answers.popleft(), request_id)
        verdict = upgrade.judge(head, self._speech.languages) if self._up else SERVICE_UNAVAILABLE
        if isinstance(verdict, Refusal):
            return upgrade.refused(socket, verdict, request_id)
        self._asked[socket] = request, verdict
        return None

    def _sign(self, socket: ServerConnection, _: Head, response: Response) -> None:
        """Every answer has an id. Who reads 101 can rely on the connection being there already."""
        request, options = self._asked.pop(socket)
        response.headers["dg-request-id"] = request.request_id
        if response.status_code == 101 and options is not None:
            self._grant(socket, request, options)
        else:
            self.refused.append(request)
        self._setting.changed()

    def _grant(self, socket: ServerConnection, request: Request, options: ListenOptions) -> None:
        connection = Connection(request, options, asyncio.get_running_loop().time())
        self._lines[socket] = Line(socket, connection, self._speech.ears(options), self._setting)
        self.connections.append(connection)

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            await self._lines[socket].run()
        finally:
            del self._lines[socket]


def _socket_class(
    came: Callable[[ServerConnection], None], left: Callable[[ServerConnection], None]
) -> type[ServerConnection]:
    """Sockets that say when they come and when they are gone, upgraded or not."""

    class Socket(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            came(self)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            left(self)

    return Socket
