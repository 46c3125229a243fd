"""One channel's samples and voice probabilities in, the segments of speech to be heard out; nothing is heard here.

A pure machine for recordings, where all segments can be heard at once: unlike a live channel it never waits for the
words of one segment to decide about the next. A segment ends with `PAUSE` of silence. One that grows longer than the
engine likes is cut where it is quietest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.pipeline.memory import Memory
from caesura.speech.endpointer import Endpointer
from caesura.speech.vad import FRAME

PAUSE: Final = int(0.35 * SAMPLE_RATE)
"""Silence that ends a segment."""
PAD: Final = int(0.2 * SAMPLE_RATE)
"""Audio around speech that is heard with it."""
SCRAP: Final = int(0.16 * SAMPLE_RATE)
"""Less voiced audio than this is not speech: engines make up words from it."""
EARLIEST: Final = 0.4
"""Share of the longest segment before which none is cut: short pieces cost accuracy."""
LEFT: Final = int(0.4 * SAMPLE_RATE)
"""So much of it is carried on at least, so that no scrap is left."""
QUIET_FRAMES: Final = 5
"""Quiet is judged over so many frames, 160 ms: the stop inside a word is shorter than that."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Speech to be heard. `first` is the place of its first sample on the recording."""

    first: int
    samples: Samples
    breaks_off: bool
    """It ends in the middle of speech."""


class Segmenter:
    """Cuts one channel into segments, in order and without overlap; silence and scraps are in none of them."""

    def __init__(self, longest_s: float) -> None:
        """`longest_s`: no segment is longer, but for the padding at its end."""
        self._longest = round(longest_s * SAMPLE_RATE)
        self._memory = Memory()
        self._ear = Endpointer()
        self._floor = 0
        """No segment begins before this: what lies there is in an earlier one."""
        self._ready: list[Segment] = []

    def hear(self, samples: Samples, voice: Iterable[float]) -> list[Segment]:
        """Take the next samples, shape (n,), and the probabilities of the VAD frames that they completed.

        Returns the segments that are complete.
        """
        self._memory.append(samples)
        for probability in voice:
            self._ear.hear(float(probability))
            self._judge()
        self._memory.forget(self._first if self._ear.onset is not None else self._quiet - PAD)
        return self._taken()

    def end(self) -> list[Segment]:
        """The audio is over: returns the last segment, if there is one."""
        ear = self._ear
        if ear.onset is not None:
            self._close(ear.speech_end if ear.silence else self._memory.end)
        return self._taken()

    def _taken(self) -> list[Segment]:
        ready, self._ready = self._ready, []
        return ready

    @property
    def _first(self) -> int:
        """Where the segment that grows begins."""
        assert self._ear.onset is not None
        return max(self._ear.onset - PAD, self._floor)

    @property
    def _quiet(self) -> int:
        """Up to where there is no speech, not even some that waits for confirmation."""
        possible = self._ear.possible_onset
        return self._ear.voiced if possible is None else possible

    def _judge(self) -> None:
        ear = self._ear
        if ear.possible_onset is not None:
            return
        if ear.onset is None:
            # Clicks here and there must not add up to speech.
            if ear.voiced_frames:
                ear.segment()
        elif ear.silence >= PAUSE:
            self._close(ear.speech_end)
        elif ear.voiced - self._first >= self._longest:
            self._cut()

    def _close(self, speech_end: int) -> None:
        ear = self._ear
        first, onset = self._first, ear.onset
        assert onset is not None
        if min(ear.voiced_frames * FRAME, speech_end - max(onset, self._floor)) >= SCRAP:
            self._emit(first, min(speech_end + PAD, self._memory.end), breaks_off=False)
        ear.segment()

    def _cut(self) -> None:
        at = self._quietest(self._first)
        self._emit(self._first, at, breaks_off=True)
        self._ear.carry(at)

    def _quietest(self, first: int) -> int:
        """The middle of the quietest 160 ms between `EARLIEST` and `LEFT`."""
        begin = first + int(EARLIEST * self._longest)
        samples = self._memory.between(begin, self._ear.voiced - LEFT)
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        loud = np.convolve(np.einsum("ij,ij->i", frames, frames), np.ones(QUIET_FRAMES), "valid")
        # The last of equals: digital silence has many.
        quietest = len(loud) - 1 - int(np.argmin(loud[::-1]))
        return begin + quietest * FRAME + QUIET_FRAMES * FRAME // 2

    def _emit(self, first: int, last: int, *, breaks_off: bool) -> None:
        self._ready.append(Segment(first, self._memory.between(first, last), breaks_off))
        self._floor = last
