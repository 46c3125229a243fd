"""Infers pauses from when audio arrives, for stacks that never call `pause`, and keeps the source clock. Pure.

Such stacks send no audio in a pause. The caller passes the time as `now`.
"""

from __future__ import annotations

PAUSE_AFTER_S = 2.0
"""Shortest gap between two chunks that counts as a pause; a shorter one is network or scheduling delay."""


class Capture:
    """Source clock of one line, inferred from when its audio arrives."""

    def __init__(self, bytes_per_second: float, *, pause_after_s: float = PAUSE_AFTER_S) -> None:
        """With an infinite `pause_after_s` no gap is a pause, and source time counts samples only."""
        self._bytes_per_second = bytes_per_second
        self._pause_after_s = pause_after_s
        self._seconds = 0.0
        """Source seconds of the next chunk."""
        self._ready_at: float | None = None
        """Time since which the next chunk could have arrived."""

    def place(self, size: int, *, now: float) -> float | None:
        """Record the arrival of `size` bytes.

        Returns the source seconds at which they start; None if they continue the last chunk.
        """
        seconds = size / self._bytes_per_second
        pause = 0.0 if self._ready_at is None else now - seconds - self._ready_at
        paused = pause > self._pause_after_s
        if paused:
            self._seconds += pause
        at = self._seconds
        self._seconds += seconds
        self._ready_at = now
        return at if paused else None

    def released(self, *, now: float) -> None:
        """Record that this client blocked the caller until `now`: the time that passed is not a pause."""
        self._ready_at = now
