"""Meter of how far a stream's audio is ahead of real time, so that streams on time can go first."""

from __future__ import annotations

from typing import Final

MAX_AHEAD_S: Final = 10.0
"""Cap of the meter: a stream that has pushed an hour and then speaks is on time again after so long."""


class PaceMeter:
    """Seconds of audio decoded beyond the time that passed. Pure; `now` is monotonic seconds."""

    __slots__ = ("_ahead_s", "_at", "_channels")

    def __init__(self) -> None:
        self._ahead_s = 0.0
        self._at = 0.0
        self._channels = 1

    def add(self, audio_s: float, channels: int, now: float) -> None:
        """Count `audio_s` decoded seconds, of all `channels` together; `channels` may be 0 when there was no audio."""
        self._channels = max(channels, self._channels)
        self._ahead_s = min(self.ahead_s(now) * self._channels + audio_s, MAX_AHEAD_S * self._channels) / self._channels
        self._at = now

    def ahead_s(self, now: float) -> float:
        """Seconds of stream time by which the audio is ahead at `now`; 0 when it is on time or late."""
        return max(0.0, self._ahead_s - (now - self._at))
