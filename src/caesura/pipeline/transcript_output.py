"""Output of a recognizer: the events of one channel, whose finals tile the stream. Pure.

Positions are samples at 16 kHz; everything that leaves is in seconds.
"""

from __future__ import annotations

from dataclasses import replace

from caesura.engines.base import SAMPLE_RATE
from caesura.events import SpeechBegan, TranscriptSegment
from caesura.pipeline.recognizer import RecognizerEvent
from caesura.pipeline.utterance_gap import UtteranceGap
from caesura.words import Word


class TranscriptOutput:
    """Collects the events of channel `index`."""

    def __init__(self, index: int, utterance_gap: int | None) -> None:
        """`utterance_gap`: samples without a word after which UtteranceEnded is emitted; None: never."""
        self._index = index
        self._gap = UtteranceGap(index, utterance_gap)
        self._events: list[RecognizerEvent] = []
        self.covered = 0
        """End of the last final."""

    def take(self) -> list[RecognizerEvent]:
        """The events since the last call, in order."""
        events, self._events = self._events, []
        return events

    def emit_onset(self, at: int) -> None:
        """Speech was confirmed that began at `at`."""
        self._events.append(SpeechBegan(self._index, at / SAMPLE_RATE))

    def emit_interim(self, start: int, until: int, words: tuple[Word, ...]) -> None:
        """The segment from `start` on, as far as it is known at `until`; words are clipped to it."""
        words = _clipped(words, start, until)
        self.note_words(words)
        self._events.append(
            TranscriptSegment(self._index, start / SAMPLE_RATE, until / SAMPLE_RATE, words, final=False)
        )

    def emit_final(self, end: int, words: tuple[Word, ...], *, endpoint: bool, flushed: bool) -> None:
        """The segment from the end of the last final to `end`; words are clipped to it."""
        start, self.covered = self.covered, end
        words = _clipped(words, start, end)
        self.note_words(words)
        if endpoint:
            self._gap.close_utterance()
        self._events.append(
            TranscriptSegment(
                self._index,
                start / SAMPLE_RATE,
                end / SAMPLE_RATE,
                words,
                final=True,
                endpoint=endpoint,
                flushed=flushed,
            )
        )

    def note_words(self, words: tuple[Word, ...]) -> None:
        """Words were recognized, emitted or not: the gap after an utterance begins at its last word."""
        if words:
            self._gap.add_word(round(words[-1].end * SAMPLE_RATE))

    def emit_utterance_end(self, settled: int) -> None:
        """Emit the end of an utterance if none of the audio up to `settled` has further words, and that is a gap."""
        if self._gap.is_open and (event := self._gap.event(settled)) is not None:
            self._events.append(event)


def _clipped(words: tuple[Word, ...], start: int, end: int) -> tuple[Word, ...]:
    low, high = start / SAMPLE_RATE, end / SAMPLE_RATE
    return tuple(
        replace(word, start=min(max(word.start, low), high), end=min(max(word.end, low), high)) for word in words
    )
