"""The body of one HTTP request in; its bytes as they come, or why there are no more of them, out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from caesura.server.body_rate import BodyRate

LINGER_S: Final = 5.0
LINGER_BYTES: Final = 64 * 1024 * 1024
"""So long, and for so much, a refused body is read on: most clients look for the answer when they have sent it all."""


class ClientGone(Exception):
    """The client has hung up; `reading` is whether it had not sent all of its request."""

    def __init__(self, *, reading: bool) -> None:
        super().__init__()
        self.reading = reading


class BodyStalled(Exception):
    """Nothing came for as long as one may wait."""


class BodyTooLarge(Exception):
    """There is more of it than is taken."""


class Upload:
    """One request's body, and afterwards its connection. Nothing is read before it is asked for."""

    def __init__(self, request: Request, *, most_bytes: int, stall_timeout_s: float, rate: BodyRate) -> None:
        self._request = request
        self._most_bytes = most_bytes
        self._stall_timeout_s = stall_timeout_s
        self._rate = rate
        self._read = asyncio.Event()
        self.size = 0
        """Bytes that have come."""

    @property
    def complete(self) -> bool:
        """All of it has been read."""
        return self._read.is_set()

    def check_length(self) -> None:
        """Judge what the head says of the body. Raises BodyTooLarge."""
        length = self._request.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._most_bytes:
            raise BodyTooLarge

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body, as it comes. Raises BodyStalled, BodyTooLarge, BodyTooSlow and ClientGone."""
        while not self.complete:
            message = await self._receive()
            body: bytes = message.get("body", b"")
            self.size += len(body)
            if self.size > self._most_bytes:
                raise BodyTooLarge
            if not message.get("more_body", False):
                self._read.set()
            else:
                self._rate.came(len(body))
            if body:
                yield body

    async def whole(self, most_bytes: int) -> bytes:
        """All of it, when there is little. Raises as `pieces` does."""
        body = bytearray()
        async for piece in self.pieces():
            body += piece
            if len(body) > most_bytes:
                raise BodyTooLarge
        return bytes(body)

    async def hung_up(self) -> None:
        """Return when the client has gone, once its request is read: until then `pieces` tells."""
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
            raise ClientGone(reading=True)
        return message


class EarlyResponse(Response):
    """An answer to a request whose body was not read to its end; says that the connection ends with it.

    The rest of the body is read for a while and dropped. Were it not, the client's system might throw the answer
    away, for it learns that what it sent was not taken.
    """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all of it, read on, then end it."""
        headers = [*self.raw_headers, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        # Who asks before sending (Expect: 100-continue) has sent nothing, and reading would invite it.
        if not any(name == b"expect" for name, _ in scope["headers"]):
            try:
                async with asyncio.timeout(LINGER_S):
                    await _drop(receive)
            except TimeoutError:
                pass
        await send({"type": "http.response.body", "body": b""})


async def _drop(receive: Receive) -> None:
    dropped = 0
    while dropped < LINGER_BYTES:
        message = await receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return
        dropped += len(message.get("body", b""))
