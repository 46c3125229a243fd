"""Listening socket of a fake server: accepts or refuses upgrades, runs a session for each, and applies faults."""

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
from caesura.testing.connection import Connection, UpgradeRequest
from caesura.testing.fake_recognizer import FakeRecognizer, RecognizerTiming
from caesura.testing.fake_session import FakeSession, SessionContext, cut
from caesura.testing.faults import ServerFaults
from caesura.testing.voice import Voice

HOST = "127.0.0.1"
LARGEST_MESSAGE = 16 * 1024 * 1024
GRACE_S = 1.0
"""How long connections may take to close gracefully."""


@dataclass(frozen=True, slots=True)
class SpeechSettings:
    """Settings of the fake recognizer; durations as in FakeServer."""

    voice: Voice
    interim_s: float
    endpoint_s: float
    longest_s: float
    languages: Sequence[str]

    def recognizer(self, options: ListenOptions) -> FakeRecognizer:
        """Recognizer for a stream with these options."""
        endpointing, gap = options.endpointing_ms, options.utterance_end_ms
        timing = RecognizerTiming(
            longest_s=self.longest_s,
            endpoint_s=None if endpointing is None else max(endpointing / 1000, self.endpoint_s),
            interim_s=self.interim_s if options.interim_results else None,
            gap_s=None if gap is None else gap / 1000,
        )
        return FakeRecognizer(
            self.voice, timing, options.sample_rate or 0, options.channels, split=options.multichannel
        )


class Listener:
    """Sockets and sessions of one fake server. All methods run on one loop."""

    def __init__(self, speech: SpeechSettings, context: SessionContext) -> None:
        """Opens no socket yet."""
        self.connections: list[Connection] = []
        self.refused: list[UpgradeRequest] = []
        self.port = 0
        """0 until the first `start`."""
        self.faults: ServerFaults = context.faults
        self._speech = speech
        self._context = context
        self._server: Server | None = None
        self._up = False
        """Are connections accepted?"""
        self._lock = asyncio.Lock()
        self._sockets: set[ServerConnection] = set()
        self._requests: dict[ServerConnection, tuple[UpgradeRequest, ListenOptions | None]] = {}
        self._sessions: dict[ServerConnection, FakeSession] = {}
        self._numbers = 0
        self._grace: asyncio.TimerHandle | None = None

    # ---- lifetime ----

    async def start(self) -> None:
        """Listen: the first time on a free port, later always on the same one.

        Raises OSError if another process uses it.
        """
        async with self._lock:
            if not self._up:
                await self._closed()
                await self._open()

    def stop(self, *, in_order: bool) -> None:
        """Stop listening, and reset the connections or, with `in_order`, close them; `wait_stopped` awaits that."""
        if self._server is None or not self._up:
            return
        self._up = False
        self._server.close(close_connections=False)
        if in_order:
            self._end_in_order()
        else:
            self.cut()

    async def wait_stopped(self) -> None:
        """Wait until a stopped server has no connections left."""
        async with self._lock:
            if not self._up:
                await self._closed()

    def _end_in_order(self) -> None:
        for socket in tuple(self._sockets):
            session = self._sessions.get(socket)
            session.stop() if session is not None else cut(socket)
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
            process_request=self._process_request,
            process_response=self._process_response,
            select_subprotocol=upgrade.select_subprotocol,
            create_connection=_socket_class(self._socket_opened, self._socket_lost),
            compression=None,
            open_timeout=None,
            ping_interval=None,
            max_size=LARGEST_MESSAGE,
            max_queue=None,  # with a bound it would read on after a stall; a FakeSession consumes messages at once
        )

    # ---- faults ----

    def cut(self) -> None:
        """Reset all sockets."""
        for socket in tuple(self._sockets):
            session = self._sessions.get(socket)
            session.cut() if session is not None else cut(socket)

    def hang_up(self) -> None:
        """End all connections without a close frame."""
        for session in self._sessions.values():
            session.hang_up()

    def close(self, code: int, reason: str) -> None:
        """Send a close frame on all connections."""
        for session in self._sessions.values():
            session.close(code, reason)

    def stall(self, stalled: bool) -> None:
        """Stop or resume reading and sending, also on new sockets."""
        self.faults.stalled = stalled
        for session in self._sessions.values():
            session.stall() if stalled else session.unstall()
        for socket in self._sockets:
            socket.transport.pause_reading() if stalled else socket.transport.resume_reading()

    def mute(self, muted: bool) -> None:
        """Stop or resume sending messages, also on new sockets."""
        self.faults.muted = muted
        for session in self._sessions.values():
            session.mute() if muted else session.unmute()

    # ---- a socket ----

    def _socket_opened(self, socket: ServerConnection) -> None:
        self._sockets.add(socket)
        if not self._up:
            cut(socket)
        elif self.faults.stalled:
            socket.transport.pause_reading()

    def _socket_lost(self, socket: ServerConnection) -> None:
        self._sockets.discard(socket)
        self._requests.pop(socket, None)

    def _process_request(self, socket: ServerConnection, head: Head) -> Response | None:
        """Refuse the upgrade (a response), or accept it (None)."""
        self._numbers += 1
        request_id = f"{self.port:08x}-0000-7000-8000-{self._numbers:012x}"
        request = upgrade.read(head, request_id, asyncio.get_running_loop().time())
        self._requests[socket] = request, None
        if self.faults.answers:
            return upgrade.answered(socket, self.faults.answers.popleft(), request_id)
        checked = upgrade.check(head, self._speech.languages) if self._up else SERVICE_UNAVAILABLE
        if isinstance(checked, Refusal):
            return upgrade.refused(socket, checked, request_id)
        self._requests[socket] = request, checked
        return None

    def _process_response(self, socket: ServerConnection, _: Head, response: Response) -> None:
        """Add the request id to the response, and register the connection before the client can read 101."""
        request, options = self._requests.pop(socket)
        response.headers["dg-request-id"] = request.request_id
        if response.status_code == 101 and options is not None:
            self._accept(socket, request, options)
        else:
            self.refused.append(request)
        self._context.changed()

    def _accept(self, socket: ServerConnection, request: UpgradeRequest, options: ListenOptions) -> None:
        connection = Connection(request, options, asyncio.get_running_loop().time())
        self._sessions[socket] = FakeSession(socket, connection, self._speech.recognizer(options), self._context)
        self.connections.append(connection)

    async def _serve(self, socket: ServerConnection) -> None:
        try:
            await self._sessions[socket].run()
        finally:
            del self._sessions[socket]


def _socket_class(
    opened: Callable[[ServerConnection], None], lost: Callable[[ServerConnection], None]
) -> type[ServerConnection]:
    """A connection class that reports opened and lost sockets, upgraded or not."""

    class Socket(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            opened(self)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost(self)

    return Socket
