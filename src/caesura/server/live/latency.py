"""Arrival times of a stream's audio, from which the latency of its transcripts is measured."""

from __future__ import annotations

from bisect import bisect_left

KEPT = 8192
"""Messages that are kept: more than a stream may have waiting."""


class LatencyMeter:
    """The arrival times of one connection's audio. Reads no clock: `now` is seconds of any monotonic clock."""

    def __init__(self, bytes_per_second: float | None) -> None:
        """Start before the first message.

        Args:
            bytes_per_second: Of raw audio, whose position in the stream follows from its bytes. None for coded audio:
                its position is what was decoded when the next message came, so the time that a message spends in the
                decoder is not counted.
        """
        self._bytes_per_second = bytes_per_second
        self._bytes = 0
        self._latest: float | None = None
        self._seconds: list[float] = []
        self._at: list[float] = []

    def __len__(self) -> int:
        """Number of arrival times that are kept."""
        return len(self._at)

    def audio(self, size: int, decoded_s: float, *, now: float) -> None:
        """A message of `size` bytes came; of those before it, `decoded_s` seconds were decoded."""
        self._bytes += size
        if self._bytes_per_second is not None:
            self._note(self._bytes / self._bytes_per_second, now)
        elif self._latest is not None:
            self._note(decoded_s, self._latest)
        self._latest = now

    def arrival_of(self, second: float) -> float | None:
        """When the last of the audio before `second` of the stream came; None where there was none."""
        # Times of the stream are rounded to samples; the bytes that carry them may end a sample later.
        place = bisect_left(self._seconds, second - _ROUNDING_S)
        return self._at[place] if place < len(self._at) else self._latest

    def _note(self, seconds: float, at: float) -> None:
        if self._seconds and seconds <= self._seconds[-1]:
            return
        self._seconds.append(seconds)
        self._at.append(at)
        if len(self._at) >= 2 * KEPT:
            del self._seconds[:KEPT], self._at[:KEPT]


_ROUNDING_S = 0.001
