"""uvicorn's HTTP and WebSocket protocols, hardened: deadlines, fair turns, bounded frames, clear refusals."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State

from caesura.protocol.closing import NOT_UTF8, TOO_MANY_FRAMES, Close, Refusal, refusal_body
from caesura.server.request_id import new_request_id
from caesura.server.transport.frame_budget import SMALL_FRAGMENT_BYTES, FrameBudget
from caesura.server.transport.message_source import EXTENSION, Deliver, MessageQueue
from caesura.server.transport.turns import TurnTakingTransport
from caesura.server.transport.whole_message import FrameBoundaryProtocol, whole_message

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

MAX_LINE = 8190
"""Longest request line or header that the WebSocket library reads."""
MAX_HEADERS = 128
"""Most headers that the WebSocket library reads."""
MAX_HEAD = 64 * 1024
"""Most bytes of an incomplete request head that are kept."""
HEAD_S = 10.0
"""How long a client may take to send a request head, counted from its connection or from the last response."""
CLOSE_S = 5.0
"""How long a client may take to answer a close frame.

Closing the socket while its audio still arrives would reset the connection, and the client would lose what it has not
read yet.
"""
TOO_MANY = Refusal(431, "TOO_MANY_HEADERS", f"The request has more than {MAX_HEADERS} headers.")
HAS_BODY = Refusal(400, "BAD_REQUEST", "A request for a WebSocket has no body: send it without Content-Length.")
HEAD_TOO_LONG = Refusal(431, "HEAD_TOO_LONG", f"The head of the request is longer than {MAX_HEAD} bytes.")
BAD_REQUEST = Refusal(400, "BAD_REQUEST", "The request is not valid HTTP/1.1.")
TOO_LONG = Refusal(414, "URI_TOO_LONG", f"The request line or a header is longer than {MAX_LINE} bytes.")


class HeadProtocol(H11Protocol):
    """HTTP/1.1 in fair turns, with a deadline for each request head and for a body that no response waits for."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(TurnTakingTransport(transport, self.loop))
        self._expect_request()

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket."""
        self._turns.feed(data)

    def receive_turn(self, data: bytes) -> None:
        """Parse one piece of what was received."""
        super().data_received(data)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Switch to the WebSocket protocol, which also gets the bytes that the client sent behind its head."""
        super().handle_websocket_upgrade(event)
        rest, _ = self.conn.trailing_data
        if rest:
            self._turns.push_back(rest)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP, unless another response is just being sent."""
        if self.conn.our_state is h11.IDLE:
            kept, _ = self.conn.trailing_data
            self.transport.write(_answer(HEAD_TOO_LONG if len(kept) > MAX_HEAD else BAD_REQUEST))
        self.transport.close()

    def on_response_complete(self) -> None:
        """A response is complete: set a deadline for the rest of the request's body and for the next head."""
        self._expect_request()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is closed."""
        if self._deadline is not None:
            self._deadline.cancel()
        super().connection_lost(exc)

    @property
    def _turns(self) -> TurnTakingTransport:
        assert isinstance(self.transport, TurnTakingTransport)
        return self.transport

    def _expect_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(HEAD_S, self._close_if_idle)

    def shutdown(self) -> None:
        """The server stops: abort a connection without a request, close an idle one, and let the others be answered."""
        # The base class declares `cycle` as never None, but begins without one.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            self.transport.abort()
        elif cycle.response_complete:
            self.transport.close()
        else:
            cycle.keep_alive = False

    def _close_if_idle(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        busy = cycle is not None and not cycle.response_complete
        if not busy and self.transport.get_protocol() is self and not self.transport.is_closing():
            self.transport.close()


class HandshakeProtocol(WebSocketsSansIOProtocol):
    """WebSocket in fair turns: refuses heads that the library does not read, and closes floods of empty frames.

    When the server stops, the session itself ends the connection.
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.close_timeout = CLOSE_S
        self._budget = FrameBudget(now=self.loop.time())
        self._messages = MessageQueue(self.loop)
        self.queue = self._messages  # type: ignore[assignment]
        self.conn: FrameBoundaryProtocol = FrameBoundaryProtocol(max_size=config.ws_max_size, logger=self.logger)

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket: first the complete head of the request, then whatever follows."""
        if self.handshake_initiated:
            assert isinstance(self.transport, TurnTakingTransport)
            self.transport.feed(data)
        else:
            self._receive_head(data)

    def receive_turn(self, data: bytes) -> None:
        """Parse one piece of what was received."""
        if self.conn.between_frames and self._takes_messages:
            message = whole_message(data, max_size=self.config.ws_max_size)
            if message is not None:
                self._messages.put_nowait(message)
                return
        self.conn.receive_data(data)
        now = self.loop.time()
        if not self._budget.spend(sum(map(_carries_no_message, self.conn.events)), now=now):
            self._fail(TOO_MANY_FRAMES)
            return
        self.handle_events()
        if self.conn.parser_exc is not None and not self.transport.is_closing():
            self.handle_parser_exception()

    @property
    def _takes_messages(self) -> bool:
        """Whether the next data frame begins a message, and there is a subscriber for it."""
        return self._messages.subscribed and not self.frames and not self.close_sent and self.conn.state is State.OPEN

    def handle_connect(self, event: Request) -> None:
        """Begin the request, with its message source among the extensions of its scope."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            extensions: dict[str, object] = self.scope["extensions"]  # type: ignore[assignment]
            extensions[EXTENSION] = self

    def subscribe(self, deliver: Deliver) -> None:
        """Pass all messages to `deliver`, from the next turn of the loop on."""
        # The base class stops reading after each message that it queues, unless it has already.
        self.read_paused = True
        self._messages.subscribe(deliver, self.transport)

    def pause(self) -> None:
        """Deliver nothing and read nothing until `resume`."""
        self._messages.pause()

    def resume(self) -> None:
        """Resume delivering and reading."""
        self._messages.resume()

    def handle_ping(self) -> None:
        """Send a pong, unless the client does not read; then a later ping is answered."""
        if self.writable.is_set() and not self.transport.is_closing():
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """Pass on a whole message; text that is not UTF-8 ends the connection."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_utf8(b"".join(self.frames)):
            self.frames = []
            self._fail(NOT_UTF8)
        else:
            super().send_receive_event_to_app()

    def handle_parser_exception(self) -> None:
        """The client broke the protocol: send a close frame where that is possible, and close."""
        if self.conn.close_sent is not None:
            super().handle_parser_exception()
        else:
            self.queue.put_nowait({"type": "websocket.disconnect", "code": 1006})
            self.transport.close()

    def shutdown(self) -> None:
        """The server stops: do nothing, since the service stops the session; the base class would abort it.

        An upgrade that the WebSocket library has refused is already over, and the base class fails on it.
        """

    def _receive_head(self, data: bytes) -> None:
        refusal = _unreadable(data.split(b"\r\n"))
        if refusal is None:
            super().data_received(data)
            if not self.handshake_initiated:
                refusal = BAD_REQUEST
        if refusal is not None:
            self.transport.write(_answer(refusal))
            self.transport.close()
        elif not self.transport.is_closing():
            # Frames wait until the upgrade is answered. Reading resumes when the application accepts the request.
            self.read_paused = True
            self.transport.pause_reading()

    def _fail(self, close: Close) -> None:
        self.conn.events_received()
        self.conn.fail(close.code, close.reason)
        self.handle_parser_exception()


def _carries_no_message(event: object) -> bool:
    """Whether a frame counts against the budget: a control frame, or a small fragment that is not the last."""
    if not isinstance(event, Frame):
        return False
    if event.opcode in (Opcode.PING, Opcode.PONG):
        return True
    return not event.fin and len(event.data) < SMALL_FRAGMENT_BYTES


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


class RefusalLogFilter(logging.Filter):
    """Drops the error that uvicorn logs for each upgrade that was properly refused."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return "without completing handshake" not in record.msg


def _unreadable(lines: list[bytes]) -> Refusal | None:
    """The reason for which the WebSocket library would reject this head; None if it would not."""
    if max(map(len, lines)) > MAX_LINE:
        return TOO_LONG
    # The request line and the two empty lines are not headers.
    if len(lines) - 3 > MAX_HEADERS:
        return TOO_MANY
    return HAS_BODY if any(map(_announces_body, lines[1:])) else None


def _announces_body(line: bytes) -> bool:
    name, _, value = line.lower().partition(b":")
    return name == b"transfer-encoding" or (name == b"content-length" and value.strip() != b"0")


def _answer(refusal: Refusal) -> bytes:
    request_id = new_request_id()
    body = refusal_body(refusal, request_id)
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\ndg-request-id: {request_id}\r\ndg-error: {refusal.err_msg}\r\n\r\n"
    )
    return (head + body).encode("ascii")
