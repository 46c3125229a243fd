"""Endpointing: follows voice activity to find where speech begins and how long it has been silent. A pure machine.

A frame is voiced when its probability reaches `ONSET`, or `RELEASE` while speech is going on (hysteresis, so that a
soft syllable does not end it). Speech is confirmed by `CONFIRM` voiced frames in a row, which a click does not have.
All positions are samples at 16 kHz from the first sample of the stream.
"""

from __future__ import annotations

from caesura.speech.vad import FRAME

ONSET = 0.5
RELEASE = 0.35
CONFIRM = 3


class Endpointer:
    """Follows one channel's voice activity within the current segment; `segment()` begins the next one."""

    __slots__ = ("_run", "_run_at", "_speaking", "_voice_end", "onset", "speech_end", "voiced", "voiced_frames")

    def __init__(self) -> None:
        self.voiced = 0
        """Samples of all frames fed so far."""
        self.onset: int | None = None
        """Position at which the first confirmed speech of this segment began; None before there is any."""
        self.speech_end = 0
        """Position at which the newest voiced frame of this segment ended; valid once `onset` is set."""
        self.voiced_frames = 0
        """Number of voiced frames in this segment, confirmed or not."""
        self._run = 0
        self._run_at = 0
        self._speaking = False
        self._voice_end = 0

    def feed(self, probability: float) -> int | None:
        """Feed the next frame. Returns where speech began if the frame confirms the first speech of the segment."""
        at = self.voiced
        self.voiced += FRAME
        if probability < (RELEASE if self._speaking else ONSET):
            self._run = 0
            self._speaking = False
            return None
        self.voiced_frames += 1
        self._voice_end = self.voiced
        if self._run == 0:
            self._run_at = at
        self._run += 1
        if self._run < CONFIRM:
            return None
        self._speaking = True
        self.speech_end = self.voiced
        if self.onset is not None:
            return None
        self.onset = self._run_at
        return self.onset

    @property
    def speaking(self) -> bool:
        """Whether the newest frame belongs to confirmed speech."""
        return self._speaking

    @property
    def silence(self) -> int:
        """Number of samples of silence since the last confirmed speech of this segment; 0 before there is any."""
        return 0 if self.onset is None else self.voiced - self.speech_end

    @property
    def unvoiced(self) -> int:
        """Number of samples since the newest voiced frame of the stream, confirmed or not."""
        return self.voiced - self._voice_end

    @property
    def possible_onset(self) -> int | None:
        """Position at which speech began that is not confirmed yet."""
        return self._run_at if 0 < self._run < CONFIRM else None

    def segment(self) -> None:
        """Begin the next segment. Speech that continues has its onset at the next voiced frame."""
        self.onset = None
        self.voiced_frames = 0
        self._run = 0
        self._speaking = False

    def carry(self, at: int) -> None:
        """Begin the next segment at position `at`, inside confirmed speech that continues after it."""
        if self.onset is not None:
            self.onset = max(self.onset, at)
