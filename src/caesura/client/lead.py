"""Measures how far a source's audio is ahead of the clock, which distinguishes recordings from live audio. Pure."""

from __future__ import annotations

from collections import deque

LEAD_S = 2.0
"""Audio further ahead of the clock than this cannot be live: it is a recording, and can wait."""
DELAY_S = 2.0
"""Longest time that a gap in the audio counts: an idle minute is not a minute of credit."""
WINDOW_S = 30.0
"""Only the newest audio counts: a live source may begin with a pre-roll captured before it was sent."""
_STEP_S = 1.0


class Lead:
    """Lead of one source of audio; `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._audio_s = 0.0
        self._clock_s = 0.0
        """Time in which the audio can have been captured."""
        self._last_at: float | None = None
        self._held = False
        self._marks: deque[tuple[float, float]] = deque([(0.0, 0.0)])
        """Clock and audio positions, a second apart, from the start of the window on."""

    def add(self, seconds: float, *, now: float) -> None:
        """Account for `seconds` of audio that arrived now."""
        self._clock_s += self._passed(seconds, now)
        self._audio_s += seconds
        self._last_at, self._held = now, False
        if self._clock_s - self._marks[-1][0] >= _STEP_S:
            self._marks.append((self._clock_s, self._audio_s))
        while len(self._marks) > 1 and self._clock_s - self._marks[1][0] >= WINDOW_S:
            self._marks.popleft()

    def hold(self) -> None:
        """The source is being held: it captures nothing until its next audio."""
        self._held = True

    def outruns_clock(self, seconds: float = 0.0, *, now: float) -> bool:
        """Would the source be further ahead than live audio can be with `seconds` more?"""
        clock_s, audio_s = self._marks[0]
        lead_s = self._audio_s + seconds - audio_s - (self._clock_s + self._passed(seconds, now) - clock_s)
        return lead_s > LEAD_S

    def _passed(self, seconds: float, now: float) -> float:
        """Time since the last audio, as far as it counts when `seconds` of audio arrive now."""
        if self._last_at is None:
            return min(seconds, DELAY_S)
        return 0.0 if self._held else min(now - self._last_at, seconds + DELAY_S)
