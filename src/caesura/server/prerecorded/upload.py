"""Reads the body of an HTTP request piece by piece, bounded in size and speed; responses may be sent before its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from caesura.server.prerecorded.body_rate import BodyRate

LINGER_S: Final = 5.0
LINGER_BYTES: Final = 64 * 1024 * 1024
"""Bounds on reading on after a refusal: most clients read the response only once they have sent everything."""


class ClientGone(Exception):
    """The client disconnected before it had sent its whole request."""


class BodyStalled(Exception):
    """No bytes arrived for the stall timeout."""


class BodyTooLarge(Exception):
    """The body is larger than the limit."""


class Upload:
    """The body of one request, and afterwards its connection. It reads only when it is iterated."""

    def __init__(self, request: Request, *, max_bytes: int, stall_timeout_s: float, rate: BodyRate) -> None:
        self._request = request
        self._max_bytes = max_bytes
        self._stall_timeout_s = stall_timeout_s
        self._rate = rate
        self._read = asyncio.Event()
        self.size = 0
        """Bytes received so far."""

    @property
    def complete(self) -> bool:
        """Whether the whole body has been read."""
        return self._read.is_set()

    def check_length(self) -> None:
        """Check the declared length of the body. Raises BodyTooLarge."""
        length = self._request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise BodyTooLarge

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The parts of the body, as they arrive. Raises BodyStalled, BodyTooLarge, BodyTooSlow and ClientGone."""
        while not self.complete:
            message = await self._receive()
            body: bytes = message.get("body", b"")
            self.size += len(body)
            if self.size > self._max_bytes:
                raise BodyTooLarge
            if not message.get("more_body", False):
                self._read.set()
            else:
                self._rate.received(len(body))
            if body:
                yield body

    async def read_all(self, max_bytes: int) -> bytes:
        """Read the whole of a small body. Raises as `pieces` does."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > max_bytes:
                raise BodyTooLarge
        return bytes(body)

    async def disconnected(self) -> None:
        """Return when the client disconnects after its whole body was read; until then `pieces` raises ClientGone."""
        await self._read.wait()
        while (await self._request.receive())["type"] != "http.disconnect":
            pass

    async def _receive(self) -> Message:
        try:
            async with asyncio.timeout(self._stall_timeout_s):
                message = await self._rate.wait(self._request.receive())
        except TimeoutError:
            raise BodyStalled from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        return message


class EarlyResponse(Response):
    """A response to a request whose body was not read to its end; closes the connection.

    The rest of the body is read for a while and discarded. Otherwise the kernel would reset the connection because of
    the unread bytes, and the client might lose the response.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response except its end, discard the rest of the request, then end the response."""
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # A client that sent Expect: 100-continue has sent no body yet, and reading would make it send one.
        if not any(name == b"expect" for name, _ in scope["headers"]):
            try:
                async with asyncio.timeout(LINGER_S):
                    await _discard(receive)
            except TimeoutError:
                pass
        await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    discarded = 0
    while discarded < LINGER_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        discarded += len(message.get("body", b""))
