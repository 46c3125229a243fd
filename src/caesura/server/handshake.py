"""The bytes of a request in; uvicorn's protocols out, which answer, or hang up, where they would wait for ever."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from caesura.protocol.closing import Refusal, refusal_body
from caesura.server.request_id import new_request_id

MAX_LINE = 8190
"""Longest request line or header that the WebSocket library reads."""
MAX_HEADERS = 128
"""And how many headers."""
HEAD_S = 10.0
"""How long a client may take to send the head of its first request."""
TOO_MANY = Refusal(431, "TOO_MANY_HEADERS", f"The request has more than {MAX_HEADERS} headers.")
TOO_LONG = Refusal(414, "URI_TOO_LONG", f"The request line or a header is longer than {MAX_LINE} bytes.")


class HeadProtocol(H11Protocol):
    """Hangs up on who connects and does not send a request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(transport)
        self.loop.call_later(HEAD_S, self._judge)

    def shutdown(self) -> None:
        """The server stops: cut a connection without a request, close an idle one, let the others be answered."""
        # The base class declares that there always is a cycle, and begins without one.
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is None:
            self.transport.abort()
        elif cycle.response_complete:
            self.transport.close()
        else:
            cycle.keep_alive = False

    def _judge(self) -> None:
        cycle: object | None = self.cycle
        asked = cycle is not None or not isinstance(self.transport.get_protocol(), HeadProtocol)
        if not asked and not self.transport.is_closing():
            self.transport.close()


class HandshakeProtocol(WebSocketsSansIOProtocol):
    """Refuses heads that the WebSocket library does not read, and leaves the end of a session to the session."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket; the head of the request comes first and whole."""
        refusal = None if self.handshake_initiated else _unreadable(data.split(b"\r\n"))
        if refusal is not None:
            self.transport.write(_answer(refusal))
            self.transport.close()
        else:
            super().data_received(data)

    def shutdown(self) -> None:
        """The server stops. The session is told by the service and closes by itself; the base class would cut it off.

        An upgrade that the WebSocket library has refused is already over, and the base class fails on it.
        """


class RefusalsAreAnswers(logging.Filter):
    """Drops the error that uvicorn logs for each upgrade that was properly refused."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return "without completing handshake" not in record.msg


def _unreadable(lines: list[bytes]) -> Refusal | None:
    """Why the WebSocket library would not read this head, if it would not."""
    if max(map(len, lines)) > MAX_LINE:
        return TOO_LONG
    # The request line and two empty ones are no headers.
    return TOO_MANY if len(lines) - 3 > MAX_HEADERS else None


def _answer(refusal: Refusal) -> bytes:
    request_id = new_request_id()
    body = refusal_body(refusal, request_id)
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}\r\n"
        "content-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\ndg-request-id: {request_id}\r\ndg-error: {refusal.err_msg}\r\n\r\n"
    )
    return (head + body).encode("ascii")
