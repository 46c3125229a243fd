"""Simulated faults inside the client, so that users can watch their own code recover in front of any server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import inf
from typing import NoReturn

from caesura.client.reconnect import refusal
from caesura.client.transport import Opener, Transport, TransportClosed


@dataclass(frozen=True, slots=True)
class Faults:
    """Faults of a line's connections, in seconds since each was opened.

    The first `times` connections are affected, all later ones are not. The server notices as little of a fault as it
    would of a real one.
    """

    drop_after_s: float | None = None
    """The connection is cut."""
    stall_after_s: float | None = None
    """The connection stays open but neither accepts nor delivers anything."""
    corrupt_after_s: float | None = None
    """The next message of the server is cut in half."""
    refuse: tuple[int, ...] = ()
    """HTTP statuses with which the first attempts are refused, before any connection is made."""
    times: int = 1

    def around(self, opener: Opener) -> Opener:
        """Wraps `opener` with these faults."""
        refusals = iter(self.refuse)
        hit = 0

        async def open_one() -> Transport:
            nonlocal hit
            status = next(refusals, None)
            if status is not None:
                raise refusal(status, "simulated")
            transport = await opener()
            if hit >= self.times:
                return transport
            hit += 1
            return _FaultyTransport(transport, self, _now())

        return open_one


class _FaultyTransport:
    """A connection on which the faults occur."""

    def __init__(self, transport: Transport, faults: Faults, opened_at: float) -> None:
        self._transport = transport
        self._faults = faults
        self._opened_at = opened_at
        self._corrupted = False
        self.request_id = transport.request_id

    async def send(self, frame: bytes | str) -> None:
        await self._fail_if_due()
        await self._transport.send(frame)

    async def receive(self) -> str:
        await self._fail_if_due()
        timeout = asyncio.timeout_at(self._fails_at)
        try:
            async with timeout:
                text = await self._transport.receive()
        except TimeoutError:
            if not timeout.expired():
                raise
            await self._fail()
        if _now() >= self._at(self._faults.corrupt_after_s) and not self._corrupted:
            self._corrupted = True
            return text[: len(text) // 2]
        return text

    async def ping(self) -> None:
        await self._fail_if_due()
        await self._transport.ping()

    async def close(self) -> None:
        await self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    @property
    def _fails_at(self) -> float | None:
        """Time of the cut or stall, whichever comes first; None for neither."""
        at = min(self._at(self._faults.drop_after_s), self._at(self._faults.stall_after_s))
        return None if at == inf else at

    def _at(self, after_s: float | None) -> float:
        return inf if after_s is None else self._opened_at + after_s

    async def _fail_if_due(self) -> None:
        if self._fails_at is not None and _now() >= self._fails_at:
            await self._fail()

    async def _fail(self) -> NoReturn:
        if self._fails_at == self._at(self._faults.stall_after_s):
            await asyncio.Event().wait()
        self._transport.abort()
        raise TransportClosed(1006)


def _now() -> float:
    return asyncio.get_running_loop().time()
