"""The bytes of an upgrade request in; uvicorn's WebSocket protocol out, which answers where it would hang."""

from __future__ import annotations

import logging

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from caesura.protocol.closing import Refusal, refusal_body
from caesura.server.request_id import new_request_id

MAX_LINE = 8190
"""Longest request line or header that the WebSocket library reads."""
TOO_LONG = Refusal(414, "URI_TOO_LONG", f"The request line or a header is longer than {MAX_LINE} bytes.")


class HandshakeProtocol(WebSocketsSansIOProtocol):
    """Refuses a head with a line that is too long, which the base class leaves without an answer."""

    def data_received(self, data: bytes) -> None:
        """Take bytes from the socket; the head of the request comes first and whole."""
        if not self.handshake_initiated and max(len(line) for line in data.split(b"\r\n")) > MAX_LINE:
            self.transport.write(_answer(TOO_LONG))
            self.transport.close()
            return
        super().data_received(data)


class RefusalsAreAnswers(logging.Filter):
    """Drops the error that uvicorn logs for each upgrade that was properly refused."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        return "without completing handshake" not in record.msg


def _answer(refusal: Refusal) -> bytes:
    request_id = new_request_id()
    body = refusal_body(refusal, request_id)
    head = (
        f"HTTP/1.1 {refusal.status} URI Too Long\r\ncontent-type: application/json\r\nconnection: close\r\n"
        f"content-length: {len(body)}\r\ndg-request-id: {request_id}\r\ndg-error: {refusal.err_msg}\r\n\r\n"
    )
    return (head + body).encode("ascii")
