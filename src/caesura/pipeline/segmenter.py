"""Segmentation: where speech is cut into the segments that an engine transcribes, and with how much audio around it.

`Segmenter` cuts recordings, all of whose segments can be transcribed at once: unlike the live recognizer it never waits
for the words of one segment to decide about the next. Speech is parted by the shortest silence that the engine allows;
parts that are close to each other become one segment, as long as the engine likes, because an engine recognizes more
of what it hears at once. Speech without a pause that grows longer is cut where it is quietest; a live segment between
two of its words, by `cut_between_words`. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Samples
from caesura.pipeline.audio_buffer import AudioBuffer
from caesura.pipeline.word_context import MAX_GAP_S
from caesura.speech.endpointer import CONFIRM, Endpointer
from caesura.speech.vad import FRAME
from caesura.words import Word

PADDING: Final = int(0.2 * SAMPLE_RATE)
"""Audio around speech that is transcribed with it."""
MIN_SPEECH: Final = CONFIRM * FRAME
"""Less voiced audio than this in a segment is not speech: as much as confirms an onset, so that short answers count."""
EARLIEST_CUT: Final = 0.4
"""Share of a segment before which it is not cut: short pieces cost accuracy."""
MIN_CARRIED_S: Final = 0.4
"""With less than that carried on, speech that ends right there would leave a scrap that no engine may be given."""
CONTEXT_S: Final = 1.0
"""The newest words of a live segment may still change, so that much is carried on where possible."""
SENTENCE_S: Final = 0.4
CLAUSE_S: Final = 0.2
"""Bonus of a full stop and of a comma, in seconds of gap."""
_MAX_GAP: Final = int(MAX_GAP_S * SAMPLE_RATE)
_MIN_CARRIED: Final = int(MIN_CARRIED_S * SAMPLE_RATE)
QUIET_FRAMES: Final = 5
"""Loudness is averaged over so many frames, 160 ms: the stop inside a word is shorter than that."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Speech to transcribe. `first` is the position of its first sample on the recording."""

    first: int
    samples: Samples


@dataclass(frozen=True, slots=True)
class _Span:
    # Speech between two pauses, which waits for what it may be joined with.
    first: int
    last: int


class Segmenter:
    """Cuts one channel of a recording into segments, in order and without overlap; silence and scraps are in none."""

    def __init__(self, longest_s: float, pause_s: float) -> None:
        """Make a segmenter of one channel.

        Args:
            longest_s: No segment is longer, but for the padding at its end.
            pause_s: Silence at which speech may be parted.
        """
        self._spans: list[_Span] = []
        self._longest = round(longest_s * SAMPLE_RATE)
        self._pause = round(pause_s * SAMPLE_RATE)
        self._audio = AudioBuffer()
        self._endpointer = Endpointer()
        self._floor = 0
        """No segment begins before this: what lies there is in an earlier one."""
        self._ready: list[Segment] = []

    def feed(self, samples: Samples, voice: Iterable[float]) -> list[Segment]:
        """Take the next samples, shape (n,), and the probabilities of the VAD frames that they completed.

        Returns the segments that are complete.
        """
        self._audio.append(samples)
        for probability in voice:
            self._endpointer.feed(float(probability))
            self._close_or_cut()
        self._release_far_spans()
        self._audio.discard(self._needed_from)
        return self._take_ready()

    def end(self) -> list[Segment]:
        """The audio is over: returns the last segment, if there is one."""
        endpointer = self._endpointer
        if endpointer.onset is not None:
            self._close(endpointer.speech_end if endpointer.silence else self._audio.end)
        self._release(len(self._spans))
        return self._take_ready()

    def _take_ready(self) -> list[Segment]:
        ready, self._ready = self._ready, []
        return ready

    @property
    def _first(self) -> int:
        """Where the segment that grows begins."""
        assert self._endpointer.onset is not None
        return max(self._endpointer.onset - PADDING, self._floor)

    @property
    def _needed_from(self) -> int:
        if self._spans:
            return self._spans[0].first
        return self._first if self._endpointer.onset is not None else self._quiet - PADDING

    @property
    def _quiet(self) -> int:
        """End of the audio without speech, not even speech that waits for confirmation."""
        possible = self._endpointer.possible_onset
        return self._endpointer.voiced if possible is None else possible

    def _close_or_cut(self) -> None:
        endpointer = self._endpointer
        if endpointer.possible_onset is not None:
            return
        if endpointer.onset is None:
            # Clicks here and there must not add up to speech.
            if endpointer.voiced_frames:
                endpointer.segment()
        elif endpointer.silence >= self._pause:
            self._close(endpointer.speech_end)
        elif endpointer.voiced - self._first >= self._longest:
            self._cut()

    def _close(self, speech_end: int) -> None:
        endpointer = self._endpointer
        first, onset = self._first, endpointer.onset
        assert onset is not None
        if min(endpointer.voiced_frames * FRAME, speech_end - max(onset, self._floor)) >= MIN_SPEECH:
            self._add(_Span(first, min(speech_end + PADDING, self._audio.end)))
        endpointer.segment()

    def _cut(self) -> None:
        at = self._quietest(self._first)
        self._add(_Span(self._first, at))
        self._endpointer.carry(at)

    def _quietest(self, first: int) -> int:
        """The middle of the quietest 160 ms between the earliest and the latest place for a cut."""
        begin = first + int(EARLIEST_CUT * self._longest)
        samples = self._audio.between(begin, self._endpointer.voiced - _MIN_CARRIED)
        frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
        loud = np.convolve(np.einsum("ij,ij->i", frames, frames), np.ones(QUIET_FRAMES), "valid")
        # The last of equals: digital silence has many.
        quietest = len(loud) - 1 - int(np.argmin(loud[::-1]))
        return begin + quietest * FRAME + QUIET_FRAMES * FRAME // 2

    def _add(self, span: _Span) -> None:
        self._floor = span.last
        if self._spans and span.first - self._spans[-1].last > _MAX_GAP:
            self._release(len(self._spans))
        self._spans.append(span)
        while self._spans[-1].last - self._spans[0].first > self._longest + PADDING and len(self._spans) > 1:
            self._release(_widest_gap(self._spans, self._longest))

    def _release_far_spans(self) -> None:
        """Whatever comes now is too far from the spans that wait to be joined with them."""
        if self._spans and self._endpointer.onset is None and self._quiet - self._spans[-1].last > _MAX_GAP + PADDING:
            self._release(len(self._spans))

    def _release(self, count: int) -> None:
        """The first `count` spans make one segment."""
        if not count:
            return
        first, last = self._spans[0].first, self._spans[count - 1].last
        self._ready.append(Segment(first, self._audio.between(first, last)))
        del self._spans[:count]


def _widest_gap(spans: list[_Span], longest: int) -> int:
    """How many of the spans come before the widest gap that is not too early; the last of equals."""
    gaps = [(after.first - before.last, count) for count, (before, after) in enumerate(pairwise(spans), 1)]
    late = [gap for gap in gaps if spans[gap[1] - 1].last - spans[0].first >= EARLIEST_CUT * longest]
    return max(late or gaps)[1]


def cut_between_words(words: tuple[Word, ...], start: float, end: float) -> tuple[tuple[Word, ...], float]:
    """Where to close the segment `start`..`end`, and the words that lie before.

    The place is the middle of a gap between two words, never inside one; the widest gap wins, with a bonus for the
    end of a sentence or clause, and the last of equals. Where there is no such place (fewer than two words, or all
    of them at the very end), the whole segment is closed.
    """
    places = [(i, (words[i - 1].end + words[i].start) / 2) for i in range(1, len(words))]
    early, late = start + EARLIEST_CUT * (end - start), end - CONTEXT_S
    allowed = [(i, at) for i, at in places if early <= at <= late]
    allowed = allowed or [(i, at) for i, at in places if at <= end - MIN_CARRIED_S]
    if not allowed:
        return words, end
    best, at = max(reversed(allowed), key=lambda place: _gap_score(words[place[0] - 1], words[place[0]]))
    return words[:best], at


def last_cut(words: tuple[Word, ...], start: float, end: float) -> tuple[tuple[Word, ...], float]:
    """Where to close `start`..`end` of speech that is stopped in the middle, and the words that lie before.

    The place is that of `cut_between_words`. Where there is none, it is `start`, and nothing is closed, since even the
    first word may not be over.
    """
    kept, at = cut_between_words(words, start, end)
    return (kept, at) if at < end else ((), start)


def _gap_score(before: Word, after: Word) -> float:
    bonus = SENTENCE_S if before.text.endswith((".", "?", "!")) else 0.0
    if before.text.endswith((",", ";", ":")):
        bonus = CLAUSE_S
    # Gaps of one length differ in their last bits.
    return round(after.start - before.end + bonus, 3)
