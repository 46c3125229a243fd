"""Backlog of a recording: audio that was sent and that the replay buffer has no room for yet. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from caesura.client.tape import Range

MOST_WAITING = 100
"""Sends whose audio waits here at once; each sender has one, unless it goes on without waiting for it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Audio of one `send`, or what is left of it: its first source sample, and when its last one was captured."""

    data: memoryview
    source: int
    wall: float


class Backlog:
    """A queue of whole sends, taken bit by bit in their order; a sample has `frame_bytes` bytes."""

    def __init__(self, frame_bytes: int, *, whole: bool = False) -> None:
        """`whole`: what was sent at once is a packet, and is never taken in part."""
        self._frame_bytes = frame_bytes
        self._whole = whole
        self._queue: deque[Waiting] = deque()
        self.samples = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What waits, in order."""
        return tuple(Range(each.source, each.source + self._samples(each)) for each in self._queue)

    @property
    def start(self) -> int | None:
        """First source sample that waits; None when none does."""
        return self._queue[0].source if self._queue else None

    def append(self, data: bytes, source: int, wall: float) -> None:
        """Add audio behind what waits: whole samples, the first of them `source`, the last captured at `wall`."""
        entry = Waiting(memoryview(data), source, wall)
        self._queue.append(entry)
        self.samples += self._samples(entry)

    def take(self, room: int) -> Waiting | None:
        """The oldest audio, at most `room` samples of it; None when there is none, or none that fits."""
        if not self._queue:
            return None
        entry = self._queue[0]
        if room <= 0 or (self._whole and room < self._samples(entry)):
            return None
        size = room * self._frame_bytes
        taken = Waiting(entry.data[:size], entry.source, entry.wall)
        self.samples -= self._samples(taken)
        if size < len(entry.data):
            self._queue[0] = Waiting(entry.data[size:], entry.source + room, entry.wall)
        else:
            self._queue.popleft()
        return taken

    def clear(self) -> None:
        """Nothing waits any more."""
        self._queue.clear()
        self.samples = 0

    def _samples(self, entry: Waiting) -> int:
        return len(entry.data) // self._frame_bytes
