"""Buffer of the audio that a channel keeps until a final covers it, addressed by position on the stream."""

from __future__ import annotations

import numpy as np

from caesura.engines.base import Samples

_FIRST = 4_000
_LATER = 160_000


class AudioBuffer:
    """Audio addressed by position on the stream; the caller bounds it by calling `discard`."""

    __slots__ = ("_base", "_buffer", "end")

    def __init__(self) -> None:
        self._buffer: Samples = np.empty(0, np.float32)
        self._base = 0
        self.end = 0
        """Position after the newest sample."""

    def append(self, samples: Samples) -> None:
        """Keep `samples`, shape (n,), as the next ones of the stream."""
        used = self.end - self._base
        if used + len(samples) > len(self._buffer):
            larger = np.empty(max(_FIRST, 2 * (used + len(samples))), np.float32)
            larger[:used] = self._buffer[:used]
            self._buffer = larger
        self._buffer[used : used + len(samples)] = samples
        self.end += len(samples)

    def between(self, start: int, end: int) -> Samples:
        """A copy of the samples from position `start` to `end`, clipped to what is kept."""
        first = max(start, self._base) - self._base
        return self._buffer[first : max(first, min(end, self.end) - self._base)].copy()

    def discard(self, before: int) -> None:
        """Drop everything before position `before`; memory shrinks when little is left."""
        drop = min(before, self.end) - self._base
        if drop <= 0:
            return
        kept = self._buffer[drop : self.end - self._base]
        # Moving the rest on each call would cost more than the few seconds it may lie there.
        if drop < len(kept) and drop < _LATER:
            return
        self._buffer = kept.copy()
        self._base += drop
