"""Bounded buffer of captured audio that no final covers yet, from which any part can be sent again. Pure.

Positions are source samples, so a pause is a gap between two chunks. When the buffer is full, its oldest audio is
evicted and returned as ranges; the caller decides whether that loses anything.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

CHUNK_BYTES = 16 * 1024
"""Captured audio is joined to chunks of about this size, so that tiny frames cost no more than large ones."""


@dataclass(frozen=True, slots=True)
class Range:
    """Captured samples `start` to `end`, half-open."""

    start: int
    end: int

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.end - self.start

    def split(self, at: int) -> tuple[Range | None, Range | None]:
        """The parts before and after `at`; None for an empty one."""
        before, after = Range(self.start, min(self.end, at)), Range(max(self.start, at), self.end)
        return (before if before.samples > 0 else None), (after if after.samples > 0 else None)


class ReplayBuffer:
    """The newest audio, at most `limit` samples of `frame_bytes` bytes each."""

    def __init__(self, frame_bytes: int, limit: int, *, gather: bool = True) -> None:
        """`gather` False: each `append` stays a chunk of its own, and `read` never joins two of them."""
        self._frame_bytes = frame_bytes
        self._limit = limit
        self._gather = gather
        self._starts: list[int] = []
        self._chunks: list[bytearray] = []
        self._samples = 0

    @property
    def samples(self) -> int:
        """Number of samples kept."""
        return self._samples

    @property
    def ranges(self) -> tuple[Range, ...]:
        """Ranges of the kept audio, in order."""
        return tuple(Range(start, self._end(index)) for index, start in enumerate(self._starts))

    def append(self, source: int, data: bytes | memoryview) -> tuple[Range, ...]:
        """Keep `data`, whole samples captured from `source` on; returns the ranges that were evicted for it.

        When `data` alone is longer than the buffer, its own beginning is evicted too. Raises ValueError when `source`
        lies before the end of what is kept.
        """
        if self._starts and source < self._end(-1):
            raise ValueError(f"source must not go back: {source} lies before {self._end(-1)}")
        if not data:
            return ()
        contiguous = bool(self._starts) and source == self._end(-1)
        if self._gather and contiguous and len(self._chunks[-1]) + len(data) <= CHUNK_BYTES:
            self._chunks[-1] += data
        else:
            self._starts.append(source)
            self._chunks.append(bytearray(data))
        self._samples += len(data) // self._frame_bytes
        return self._evict(self._samples - self._limit)

    def forget(self, until: int) -> None:
        """Drop audio captured before sample `until`."""
        index = max(bisect_right(self._starts, until) - 1, 0)
        self._samples -= sum(self._length(each) for each in range(index))
        del self._starts[:index], self._chunks[:index]
        if self._starts and self._starts[0] < until:
            self._drop_oldest(min(until, self._end(0)) - self._starts[0])

    def read(self, source: int, samples: int) -> tuple[int, bytes]:
        """The position and data of up to `samples` contiguous samples, the first kept at or after `source`.

        b"" at `source` when there are none.
        """
        index = max(bisect_right(self._starts, source) - 1, 0)
        if index < len(self._starts) and source >= self._end(index):
            index += 1
        if index >= len(self._starts):
            return source, b""
        start = max(source, self._starts[index])
        skip = (start - self._starts[index]) * self._frame_bytes
        return start, bytes(self._chunks[index][skip : skip + samples * self._frame_bytes])

    def waiting(self, source: int) -> int:
        """Number of samples kept at and after `source`."""
        index = max(bisect_right(self._starts, source) - 1, 0)
        behind = sum(self._length(each) for each in range(index, len(self._starts)))
        if index < len(self._starts):
            behind -= min(max(source - self._starts[index], 0), self._length(index))
        return behind

    def _evict(self, excess: int) -> tuple[Range, ...]:
        out: list[Range] = []
        while excess > 0:
            start, samples = self._starts[0], min(excess, self._length(0))
            out.append(Range(start, start + samples))
            self._drop_oldest(samples)
            excess -= samples
        return merged(out)

    def _drop_oldest(self, samples: int) -> None:
        if samples >= self._length(0):
            self._samples -= self._length(0)
            del self._starts[0], self._chunks[0]
            return
        del self._chunks[0][: samples * self._frame_bytes]
        self._starts[0] += samples
        self._samples -= samples

    def _length(self, index: int) -> int:
        return len(self._chunks[index]) // self._frame_bytes

    def _end(self, index: int) -> int:
        return self._starts[index] + self._length(index)


def merged(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """The same samples with adjacent ranges joined; `ranges` are in order."""
    if not ranges:
        return ()
    cuts = [after for before, after in pairwise(ranges) if before.end != after.start]
    starts = [ranges[0], *cuts]
    ends = [before for before, after in pairwise(ranges) if before.end != after.start] + [ranges[-1]]
    return tuple(Range(first.start, last.end) for first, last in zip(starts, ends, strict=True))
