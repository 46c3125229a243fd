"""Reads the body of an HTTP request piece by piece, bounded in size and speed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from starlette.requests import Request
from starlette.types import Message

from caesura.server.prerecorded.body_rate import BodyRate


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
