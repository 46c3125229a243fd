"""Captured audio in, kept until a final covers it; the pieces to be sent, from any place on, out. Pure.

Places are source samples, so a pause is a gap between two pieces. The tape is bounded: what is pushed out at its old
end is handed back as ranges, for whoever keeps the ledger to say whether that loses anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

PIECE_BYTES = 16 * 1024
"""Captured audio is gathered into pieces of about this size, so that tiny frames cost no more than large ones."""


@dataclass(frozen=True, slots=True)
class Range:
    """Captured samples `start` to `end`, half-open."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """How many they are."""
        return self.end - self.start


class Tape:
    """The newest audio, at most `limit` samples of `frame_bytes` bytes each."""

    def __init__(self, frame_bytes: int, limit: int, *, gather: bool = True) -> None:
        """`gather` False: each `append` stays a piece of its own, and `read` never joins two of them."""
        self._frame_bytes = frame_bytes
        self._limit = limit
        self._gather = gather
        self._starts: list[int] = []
        self._pieces: list[bytearray] = []
        self._samples = 0

    @property
    def samples(self) -> int:
        """How many samples are kept."""
        return self._samples

    @property
    def ranges(self) -> tuple[Range, ...]:
        """What is kept, in order."""
        return tuple(Range(start, self._end(index)) for index, start in enumerate(self._starts))

    def append(self, source: int, data: bytes | memoryview) -> tuple[Range, ...]:
        """Keep `data`, whole samples captured from `source` on; returns what was pushed out for it.

        When `data` alone is longer than the tape, its own beginning is among that. Raises ValueError when `source`
        goes back behind what is kept.
        """
        if self._starts and source < self._end(-1):
            raise ValueError(f"source must not go back: {source} lies before {self._end(-1)}")
        if not data:
            return ()
        contiguous = bool(self._starts) and source == self._end(-1)
        if self._gather and contiguous and len(self._pieces[-1]) + len(data) <= PIECE_BYTES:
            self._pieces[-1] += data
        else:
            self._starts.append(source)
            self._pieces.append(bytearray(data))
        self._samples += len(data) // self._frame_bytes
        return self._push_out(self._samples - self._limit)

    def forget(self, until: int) -> None:
        """Nobody needs what was captured before sample `until` any more."""
        index = max(bisect_right(self._starts, until) - 1, 0)
        self._samples -= sum(self._length(each) for each in range(index))
        del self._starts[:index], self._pieces[:index]
        if self._starts and self._starts[0] < until:
            self._cut(min(until, self._end(0)) - self._starts[0])

    def read(self, source: int, samples: int) -> tuple[int, bytes]:
        """Up to `samples` samples without a gap, the first kept ones at or behind `source`, and where they start.

        Empty when there are none; the place is then `source`.
        """
        index = max(bisect_right(self._starts, source) - 1, 0)
        if index < len(self._starts) and source >= self._end(index):
            index += 1
        if index >= len(self._starts):
            return source, b""
        start = max(source, self._starts[index])
        skip = (start - self._starts[index]) * self._frame_bytes
        return start, bytes(self._pieces[index][skip : skip + samples * self._frame_bytes])

    def waiting(self, source: int) -> int:
        """How many samples are kept at and behind `source`."""
        index = max(bisect_right(self._starts, source) - 1, 0)
        behind = sum(self._length(each) for each in range(index, len(self._starts)))
        if index < len(self._starts):
            behind -= min(max(source - self._starts[index], 0), self._length(index))
        return behind

    def _push_out(self, excess: int) -> tuple[Range, ...]:
        out: list[Range] = []
        while excess > 0:
            start, samples = self._starts[0], min(excess, self._length(0))
            out.append(Range(start, start + samples))
            self._cut(samples)
            excess -= samples
        return merged(out)

    def _cut(self, samples: int) -> None:
        if samples >= self._length(0):
            self._samples -= self._length(0)
            del self._starts[0], self._pieces[0]
            return
        del self._pieces[0][: samples * self._frame_bytes]
        self._starts[0] += samples
        self._samples -= samples

    def _length(self, index: int) -> int:
        return len(self._pieces[index]) // self._frame_bytes

    def _end(self, index: int) -> int:
        return self._starts[index] + self._length(index)


def merged(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The same samples, with ranges that touch made one; `ranges` are in order."""
    if not ranges:
        return ()
    cuts = [after for before, after in pairwise(ranges) if before.end != after.start]
    starts = [ranges[0], *cuts]
    ends = [before for before, after in pairwise(ranges) if before.end != after.start] + [ranges[-1]]
    return tuple(Range(first.start, last.end) for first, last in zip(starts, ends, strict=True))
