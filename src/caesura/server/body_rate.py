"""How fast the body of a recording comes, so that one that hardly comes at all does not keep its place from others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, TypeVar

LEAST_PER_S: Final = 64
"""Bytes a second that a body must bring, over the time that it may bring nothing: silence in the thriftiest codecs."""
SLOW_PER_S: Final = 8_000
"""Bytes a second below which a body gives way to another recording: telephone audio as it is spoken."""
SLOW_AFTER_S: Final = 5.0
"""Over so long."""
_MARKS: Final = 8

T = TypeVar("T")


class BodyTooSlow(Exception):
    """The body brings too little for the place that it takes."""


class Throughput:
    """Bytes over the last `window_s` of the time that they were waited for. Pure; `now` is seconds of waiting."""

    def __init__(self, window_s: float) -> None:
        """Begins at 0."""
        self._window_s = window_s
        self._size = 0
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)])
        """When there were how many bytes; of those older than the window only the newest."""

    def add(self, size: int, now: float) -> None:
        """So many bytes more have come."""
        if now - self._marks[-1][0] >= self._window_s / _MARKS:
            self._marks.append((now, self._size))
            self._forget(now)
        self._size += size

    def per_s(self, now: float) -> float | None:
        """Bytes a second; None before the window is full."""
        self._forget(now)
        at, size = self._marks[0]
        return (self._size - size) / (now - at) if now - at >= self._window_s else None

    def _forget(self, now: float) -> None:
        while len(self._marks) > 1 and now - self._marks[1][0] >= self._window_s:
            self._marks.popleft()


class BodyRate:
    """Watches one body. Only the time counts in which it is waited for: who is not read from is not slow."""

    def __init__(self, stall_timeout_s: float) -> None:
        """`stall_timeout_s`: how long a body may bring nothing, and over how long it must bring `LEAST_PER_S`."""
        self._least = Throughput(stall_timeout_s)
        self._slow = Throughput(SLOW_AFTER_S)
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self._limit: asyncio.Timeout | None = None
        self._cut = False

    async def wait(self, coming: Awaitable[T]) -> T:
        """What is coming of the body. Raises BodyTooSlow when it is cut meanwhile, and whatever `coming` raises."""
        self._waiting_since = asyncio.get_running_loop().time()
        limit = self._limit = asyncio.timeout(0.0 if self._cut else None)
        try:
            async with limit:
                return await coming
        except TimeoutError:
            if limit.expired():
                raise BodyTooSlow from None
            raise
        finally:
            self._waited_s, self._waiting_since, self._limit = self._now, None, None

    def came(self, size: int) -> None:
        """So many bytes came of it. Raises BodyTooSlow when those are too few for the time that they took."""
        for each in (self._least, self._slow):
            each.add(size, self._waited_s)
        least = self._least.per_s(self._waited_s)
        if least is not None and least < LEAST_PER_S:
            raise BodyTooSlow

    @property
    def slow(self) -> bool:
        """Whether it is waited for and comes so slowly that it should give way to others."""
        per_s = self._slow.per_s(self._now)
        return self._waiting_since is not None and not self._cut and per_s is not None and per_s < SLOW_PER_S

    def cut(self) -> None:
        """Wait for it no longer."""
        self._cut = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def _now(self) -> float:
        """Seconds for which it has been waited for."""
        if self._waiting_since is None:
            return self._waited_s
        return self._waited_s + asyncio.get_running_loop().time() - self._waiting_since
