"""Voices of one channel in, in their order; a number for each speaker out, from 0, in the order of their first words.

With each stretch of speech all that was heard so far is grouped anew. A speaker is a group; it has the number under
which most of it was told, so that numbers stay when groups change. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.pipeline.groups import LONG_S, MOST_SPEAKERS, SAME, TIGHT, Groups, believed, largest, merged
from caesura.speech.voice import WINDOW_S, Floats, Voice
from caesura.words import Word

KEPT: Final = 96
"""Groups that are remembered, 200 KiB: of more, those that are most alike become one and the smallest are forgotten."""
_NOBODY: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class _Heard:
    # Groups of voices, and how many of each were told under each number: shape (k, MOST_SPEAKERS).
    groups: Groups
    told: Floats

    @classmethod
    def fresh(cls, vectors: Floats, numbers: Sequence[int]) -> _Heard:
        told = np.zeros((len(vectors), MOST_SPEAKERS), np.float32)
        for row, number in zip(told, numbers, strict=True):
            if number != _NOBODY:
                row[number] = 1.0
        return cls(Groups.single(vectors), told)

    def joined(self, others: _Heard) -> _Heard:
        return _Heard(self.groups.joined(others.groups), np.concatenate((self.told, others.told)))

    def merged(self, alike: float) -> _Heard:
        groups, places = merged(self.groups, alike)
        told = np.zeros((len(groups.counts), MOST_SPEAKERS), np.float32)
        np.add.at(told, places, self.told)
        return _Heard(groups, told)

    def at(self, places: NDArray[np.int64]) -> _Heard:
        return _Heard(self.groups.at(places), self.told[places])


@dataclass(frozen=True, slots=True)
class _Answer:
    # The numbers of the words and of the voices, and how many numbers there are with those that are new.
    words: Sequence[int]
    voices: Sequence[int]
    count: int


class Speakers:
    """Who speaks on one channel. `label` only looks; `learn` remembers, once for each stretch of speech, in order."""

    def __init__(self) -> None:
        self._heard: _Heard | None = None
        self._count = 0

    def label(self, words: Sequence[Word], voices: Sequence[Voice]) -> tuple[Word, ...]:
        """The words with their speakers; unchanged where there are no voices. Times of both are on one clock."""
        if not voices or not words:
            return tuple(words)
        numbers = self._answer(words, voices).words
        return tuple(replace(word, speaker=number) for word, number in zip(words, numbers, strict=True))

    def learn(self, words: Sequence[Word], voices: Sequence[Voice]) -> None:
        """Remember the voices, under the numbers that `label` gives to them and to these words."""
        if not words or not any(map(_is_long, voices)):
            return
        answer = self._answer(words, voices)
        self._count = answer.count
        long = [place for place, voice in enumerate(voices) if _is_long(voice)]
        vectors = np.array([voices[place].vector for place in long])
        self._heard = self._with(_Heard.fresh(vectors, [answer.voices[place] for place in long]))
        if len(self._heard.told) > KEPT:
            dense = self._heard.merged(TIGHT)
            self._heard = dense.at(largest(dense.groups, KEPT // 2))

    def _answer(self, words: Sequence[Word], voices: Sequence[Voice]) -> _Answer:
        vectors = np.array([voice.vector for voice in voices])
        long = vectors[[_is_long(voice) for voice in voices]]
        known = self._with(_Heard.fresh(long, [_NOBODY] * len(long)))
        if not len(known.told):
            # Too little to be remembered, and nobody was heard before.
            return _Answer([0] * len(words), [_NOBODY] * len(voices), 0)
        found = known.merged(SAME)
        found = found.at(believed(found.groups))
        likeness = vectors @ found.groups.means().T
        spans = np.array([(voice.start, voice.end) for voice in voices])
        speakers = word_likeness(words, spans, likeness).argmax(axis=1).tolist()
        numbers, count = _numbers(found.told), self._count
        for speaker in speakers:
            if speaker not in numbers:
                # Beyond the last number all are one.
                numbers[speaker] = min(count, MOST_SPEAKERS - 1)
                count = min(count + 1, MOST_SPEAKERS)
        nearest = likeness.argmax(axis=1).tolist()
        return _Answer(
            [numbers[speaker] for speaker in speakers], [numbers.get(each, _NOBODY) for each in nearest], count
        )

    def _with(self, fresh: _Heard) -> _Heard:
        return fresh if self._heard is None else self._heard.joined(fresh)


def word_likeness(words: Sequence[Word], spans: NDArray[np.float64], likeness: Floats) -> Floats:
    """How much each word sounds like each speaker: shape (words, speakers).

    That is the mean of the windows around it, which counts for more the nearer their middles are to the word's.
    `spans`: shape (n, 2), start and end of each window in seconds; `likeness`: shape (n, speakers), of each window.
    """
    middles = np.array([(word.start + word.end) / 2 for word in words])
    apart = np.abs(middles[:, None] - spans.mean(axis=1))
    weights = np.maximum(0.0, 1.0 - apart / (WINDOW_S / 2))
    alone = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[alone, apart[alone].argmin(axis=1)] = 1.0
    found: Floats = (weights @ likeness / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _is_long(voice: Voice) -> bool:
    return voice.end - voice.start >= LONG_S


def _numbers(told: Floats) -> dict[int, int]:
    """By the place of each group the number under which most of it was told; no two groups have the same number."""
    numbers: dict[int, int] = {}
    told = told.copy()
    while told.size and told.max() > 0:
        place, number = divmod(int(told.argmax()), told.shape[1])
        numbers[place] = number
        told[place], told[:, number] = 0.0, 0.0
    return numbers
