"""Pieces of audio, and when each came, in; where they lie on the source clock out, for stacks that tell of no pause.

Where nobody calls `pause`, a pause is audio that does not come. Pure: `now` is handed in.
"""

from __future__ import annotations

PAUSE_AFTER_S = 2.0
"""Audio that comes so much later than the audio before it was captured after a pause; anything less is delay."""


class Capture:
    """The source clock of one line, told from when its audio came."""

    def __init__(self, bytes_per_second: float, *, pause_after_s: float = PAUSE_AFTER_S) -> None:
        """`pause_after_s` infinite: no pause is ever seen, and source time counts samples alone."""
        self._bytes_per_second = bytes_per_second
        self._pause_after_s = pause_after_s
        self._seconds = 0.0
        """Source seconds of the next piece."""
        self._ready_at: float | None = None
        """Since when the next piece could have come."""

    def place(self, size: int, *, now: float) -> float | None:
        """A piece of `size` bytes came. The source seconds it begins at; None: it follows on the piece before."""
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
        """Whoever brings the audio was held up by us until now: that is no pause."""
        self._ready_at = now
