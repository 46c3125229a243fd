"""Downloads a recording from the URL that a client named, bounded in size and speed like an upload."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from caesura.server.outbound.fetch import open_download
from caesura.server.outbound.http import Outbound
from caesura.server.prerecorded.body_rate import BodyRate
from caesura.server.prerecorded.upload import BodyTooLarge


class Download:
    """The recording at one URL. Nothing is requested before `pieces` is iterated."""

    def __init__(self, url: str, *, outbound: Outbound, max_bytes: int, rate: BodyRate) -> None:
        self._url = url
        self._outbound = outbound
        self._max_bytes = max_bytes
        self._rate = rate
        self.size = 0
        """Bytes received so far."""

    async def pieces(self) -> AsyncGenerator[bytes, None]:
        """The parts of the recording, as they arrive. Raises BodyTooLarge, BodyTooSlow and NotFetched."""
        async with aclosing(self._fetched()) as parts:
            while (part := await self._rate.wait(anext(parts, None))) is not None:
                self.size += len(part)
                if self.size > self._max_bytes:
                    raise BodyTooLarge
                self._rate.received(len(part))
                yield part

    async def _fetched(self) -> AsyncGenerator[bytes, None]:
        async with open_download(self._url, outbound=self._outbound, max_bytes=self._max_bytes) as remote:
            async for part in remote.parts:
                yield part
