"""Measures the speed of a recording's body, so that a very slow one does not keep a slot from others."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from typing import Final, TypeVar

MIN_BYTES_PER_S: Final = 64
"""Slowest body that is accepted, averaged over the stall timeout: the rate of silence in the most economical codecs."""
SLOW_BYTES_PER_S: Final = 8_000
"""Speed below which a body gives way to another recording: that of telephone audio in real time."""
SLOW_AFTER_S: Final = 5.0
"""Time over which `SLOW_BYTES_PER_S` is measured."""
_MARKS: Final = 8

T = TypeVar("T")


class BodyTooSlow(Exception):
    """The body arrives too slowly to keep its slot."""


class Throughput:
    """Bytes per second over a sliding window. Pure; `now` counts only the time in which bytes were awaited."""

    def __init__(self, window_s: float) -> None:
        """Start with an empty window of `window_s` seconds; time begins at 0."""
        self._window_s = window_s
        self._size = 0
        self._marks: deque[tuple[float, int]] = deque([(0.0, 0)])
        """Times and total byte counts, oldest first; of those older than the window only the newest."""

    def add(self, size: int, now: float) -> None:
        """Count `size` more bytes."""
        if now - self._marks[-1][0] >= self._window_s / _MARKS:
            self._marks.append((now, self._size))
            self._forget(now)
        self._size += size

    def per_s(self, now: float) -> float | None:
        """Bytes per second; None before the window is full."""
        self._forget(now)
        at, size = self._marks[0]
        return (self._size - size) / (now - at) if now - at >= self._window_s else None

    def _forget(self, now: float) -> None:
        while len(self._marks) > 1 and now - self._marks[1][0] >= self._window_s:
            self._marks.popleft()


class BodyRate:
    """Speed of one body. Only time spent waiting for bytes counts: a body that is not being read is not slow."""

    def __init__(self, stall_timeout_s: float) -> None:
        """`stall_timeout_s` is how long no bytes may arrive, and the time over which `MIN_BYTES_PER_S` is measured."""
        self._minimum = Throughput(stall_timeout_s)
        self._slow = Throughput(SLOW_AFTER_S)
        self._waited_s = 0.0
        self._waiting_since: float | None = None
        self._limit: asyncio.Timeout | None = None
        self._cut = False

    async def wait(self, part: Awaitable[T]) -> T:
        """Await the next part of the body.

        Raises BodyTooSlow if `cut` is called meanwhile, and whatever `part` raises.
        """
        self._waiting_since = asyncio.get_running_loop().time()
        limit = self._limit = asyncio.timeout(0.0 if self._cut else None)
        try:
            async with limit:
                return await part
        except TimeoutError:
            if limit.expired():
                raise BodyTooSlow from None
            raise
        finally:
            self._waited_s, self._waiting_since, self._limit = self._now, None, None

    def received(self, size: int) -> None:
        """Count `size` bytes. Raises BodyTooSlow if the body has been too slow for too long."""
        for each in (self._minimum, self._slow):
            each.add(size, self._waited_s)
        per_s = self._minimum.per_s(self._waited_s)
        if per_s is not None and per_s < MIN_BYTES_PER_S:
            raise BodyTooSlow

    @property
    def slow(self) -> bool:
        """Whether the body is being awaited and slow enough to give way to others."""
        per_s = self._slow.per_s(self._now)
        return self._waiting_since is not None and not self._cut and per_s is not None and per_s < SLOW_BYTES_PER_S

    def cut(self) -> None:
        """End the wait: `wait` raises BodyTooSlow."""
        self._cut = True
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    @property
    def _now(self) -> float:
        """Seconds spent waiting for it so far."""
        if self._waiting_since is None:
            return self._waited_s
        return self._waited_s + asyncio.get_running_loop().time() - self._waiting_since
