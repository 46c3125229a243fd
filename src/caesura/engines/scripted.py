"""Scripted engine for tests: returns, for each job, the words of a script at the job's stream time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, SegmentJob
from caesura.errors import UsageError
from caesura.words import LanguageTally, Word

INFO: Final = EngineInfo(
    name="scripted",
    version="1",
    arch="script",
    languages=("en",),
    min_endpointing_s=0.01,
    max_segment_s=10.0,
)

_TEXT: Final = (
    "The line goes on after the pause. "
    "Nobody has to say it twice, and no word is lost. "
    "When Anna comes back from the other room, the clock still tells the time of every sound. "
    "Is anybody there? Yes, we can hear you well."
)
_STEP_S: Final = 0.4
_WORD_S: Final = 0.3
# Half a sample: stream times are sums of floats, and a word that ends with the audio is inside it.
_SLACK_S: Final = 0.5 / SAMPLE_RATE


def _timed(text: str) -> tuple[Word, ...]:
    """Time the words of a text: one every 0.4 s, 0.3 s long, with different but constant confidences."""
    return tuple(
        Word(word, round(at * _STEP_S, 3), round(at * _STEP_S + _WORD_S, 3), round(0.9 + at * 7 % 10 / 100, 2))
        for at, word in enumerate(text.split())
    )


SCRIPT: Final = _timed(_TEXT)
"""Script that `load()` repeats; its times count from the start of one round."""

PERIOD_S: Final = round(len(SCRIPT) * _STEP_S, 3)


class ScriptedEngine:
    """Transcribes any audio as the words of a script, which is repeated endlessly.

    A job that covers the stream seconds `at` .. `at + len(audio) / 16000` yields exactly those words
    that lie wholly inside, timed from its first sample. It keeps no state, so the same job has the
    same answer in any process, and tokens and drafts play no part.
    """

    def __init__(self, script: Sequence[Word] = SCRIPT, period_s: float = PERIOD_S) -> None:
        """Repeat `script`, whose times lie in 0..`period_s`, every `period_s` seconds.

        Raises:
            UsageError: a period that is not positive, or a word outside it or out of order.
        """
        if not 0 < period_s < math.inf:
            raise UsageError(f"period_s: {period_s}; give a positive length in seconds")
        before = 0.0
        for word in script:
            if not before <= word.start <= word.end <= period_s:
                raise UsageError(f"script: {word} is out of order, or outside of the {period_s} s that are repeated")
            before = word.end
        self._script = tuple(script)
        self._period_s = period_s

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe each job, in order. A hypothesis is in the language of most of its words, if they have one."""
        return [self._transcribe_one(job.at, job.at + len(job.audio) / SAMPLE_RATE) for job in jobs]

    def _transcribe_one(self, begin: float, end: float) -> Hypothesis:
        words = tuple(self._words(begin, end))
        tally = LanguageTally()
        for word in words:
            tally.add(word.language, word.language_confidence)
        detected = tally.dominant()
        words = tuple(replace(word, language=None, language_confidence=None) for word in words)
        if detected is None:
            return Hypothesis(words)
        return Hypothesis(words, language=detected.language, language_confidence=detected.confidence)

    def _words(self, begin: float, end: float) -> Iterator[Word]:
        period = self._period_s
        for turn in range(math.floor(begin / period), math.floor(end / period) + 1):
            for word in self._script:
                placed = word.shifted(turn * period)
                if begin - _SLACK_S <= placed.start and placed.end <= end + _SLACK_S:
                    start = max(round(placed.start - begin, 6), 0.0)
                    yield replace(word, start=start, end=max(round(placed.end - begin, 6), start))


def load() -> ScriptedEngine:
    """Make the engine with the default script; costs nothing."""
    return ScriptedEngine()
