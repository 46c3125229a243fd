"""Queue of work for the audio thread: streams on time first, those ahead of real time with what is left."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, Generic, TypeVar

REST_FACTOR: Final = 1
"""A turn of a stream ahead is followed by so many times its length without another one, even when no other waits."""
YIELD_FACTOR: Final = 9
"""While streams on time wait, by so many times its length for those."""

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """Two queues of work that waits. Pure; `now` is monotonic seconds.

    Streams on time go first, in the order in which they came. The others get half of the time at most, because the
    cores are the engine's too, and a tenth at least.
    """

    def __init__(self) -> None:
        """Nothing waits."""
        self._on_time: deque[T] = deque()
        self._ahead: deque[T] = deque()
        self._began: float | None = None
        """When the turn of a stream ahead began that was the last to be taken."""
        self._rested_at = self._due_at = -math.inf

    def add(self, work: T, *, ahead: bool) -> None:
        """Let `work` wait for its turn; `ahead`: of real time."""
        (self._ahead if ahead else self._on_time).append(work)

    def next(self, now: float) -> T | None:
        """The work whose turn it is; the one before is done. None when nothing waits, or only for a later time."""
        if self._began is not None:
            spent, self._began = now - self._began, None
            self._rested_at, self._due_at = now + REST_FACTOR * spent, now + YIELD_FACTOR * spent
        if self._ahead and now >= (self._due_at if self._on_time else self._rested_at):
            self._began = now
            return self._ahead.popleft()
        return self._on_time.popleft() if self._on_time else None

    @property
    def next_at(self) -> float | None:
        """When the next turn begins if no more work comes; None when nothing waits."""
        return self._rested_at if self._ahead else None

    def drain(self) -> T | None:
        """Any work that waits, regardless of turns; None when none does."""
        for waiting in (self._on_time, self._ahead):
            if waiting:
                return waiting.popleft()
        return None
