"""Backlog of a recording: captured audio that the replay buffer has no room for yet. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from caesura.client.replay_buffer import Range

MAX_WAITING = 100
"""Most sends that may wait at once; a sender has one, unless it does not await its sends."""


@dataclass(frozen=True, slots=True)
class WaitingAudio:
    """What is left of the audio of one `send`: data, first source sample, and when the last sample was captured."""

    data: memoryview
    source: int
    wall: float


class Backlog:
    """Queue of whole sends that are taken in parts, in order; a sample has `frame_bytes` bytes."""

    def __init__(self, frame_bytes: int, *, whole: bool = False) -> None:
        """`whole`: each send is a packet and is never taken in part."""
        self._frame_bytes = frame_bytes
        self._whole = whole
        self._queue: deque[WaitingAudio] = deque()
        self.samples = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Ranges of the waiting audio, in order."""
        return tuple(Range(each.source, each.source + self._samples(each)) for each in self._queue)

    @property
    def start(self) -> int | None:
        """First waiting source sample; None when nothing waits."""
        return self._queue[0].source if self._queue else None

    def append(self, data: bytes, source: int, wall: float) -> None:
        """Append whole samples, the first of them `source`, the last captured at `wall`."""
        entry = WaitingAudio(memoryview(data), source, wall)
        self._queue.append(entry)
        self.samples += self._samples(entry)

    def take(self, room: int) -> WaitingAudio | None:
        """Remove and return the oldest audio, at most `room` samples; None when there is none that fits."""
        if not self._queue:
            return None
        entry = self._queue[0]
        if room <= 0 or (self._whole and room < self._samples(entry)):
            return None
        size = room * self._frame_bytes
        taken = WaitingAudio(entry.data[:size], entry.source, entry.wall)
        self.samples -= self._samples(taken)
        if size < len(entry.data):
            self._queue[0] = WaitingAudio(entry.data[size:], entry.source + room, entry.wall)
        else:
            self._queue.popleft()
        return taken

    def clear(self) -> None:
        """Drop everything."""
        self._queue.clear()
        self.samples = 0

    def _samples(self, entry: WaitingAudio) -> int:
        return len(entry.data) // self._frame_bytes
