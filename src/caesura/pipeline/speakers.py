"""Voices of one channel in, in their order; a number for each speaker out, from 0, in the order of their first words.

Clusters are kept on line: each speaker is the mean of the voices that were given to him or her (the leader algorithm
with cosine similarity, as in Coria et al., "Overlap-aware low-latency online speaker diarization", 2021). Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.speech.voice import WINDOW_S, Floats, Voice
from caesura.words import Word

SAME: Final = 0.25
"""Cosine from which a voice is a speaker's: 0.2 to 0.4 were tried on conversations made of six readers, as they are
and on the telephone."""
NEWCOMER_S: Final = 0.8
"""A new speaker is believed after so much speech; less is given to whoever sounds most alike."""
TURN_WINDOWS: Final = 3
"""Windows in a row that a new speaker takes within somebody else's speech: fewer may be a mixture of two voices."""
MOST_SPEAKERS: Final = 64


@dataclass(frozen=True, slots=True)
class _Known:
    # The sum of the voices of each speaker; not of length 1.
    sums: tuple[NDArray[np.float32], ...] = ()

    def likeness(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        means = np.array([each / max(float(np.linalg.norm(each)), 1e-9) for each in self.sums], dtype=np.float32)
        found: NDArray[np.float32] = means @ vector
        return found

    def heard(self, speaker: int, vector: NDArray[np.float32]) -> _Known:
        if speaker == len(self.sums):
            return _Known((*self.sums, vector))
        return _Known(tuple(each + vector if index == speaker else each for index, each in enumerate(self.sums)))


class Speakers:
    """Who speaks on one channel. `label` only looks; `learn` remembers, once for each stretch of speech, in order."""

    def __init__(self) -> None:
        self._known = _Known()

    def label(self, words: Sequence[Word], voices: Sequence[Voice]) -> tuple[Word, ...]:
        """The words with their speakers; unchanged where there are no voices. Times of both are on one clock."""
        if not voices:
            return tuple(words)
        speakers, known = _assign(self._known, voices)
        if not known.sums:
            return tuple(replace(word, speaker=0) for word in words)
        likeness = np.array([known.likeness(voice.vector) for voice in voices])
        # Of those who were found in these voices: whoever spoke before may sound a little like them too.
        present = sorted(set(speakers))
        spans = np.array([(voice.start, voice.end) for voice in voices])
        best = word_likeness(words, spans, likeness[:, present]).argmax(axis=1)
        return tuple(replace(word, speaker=present[each]) for word, each in zip(words, best, strict=True))

    def learn(self, voices: Sequence[Voice]) -> None:
        """Remember the voices, as the speakers that `label` would have called them."""
        _, self._known = _assign(self._known, voices)


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


def _assign(known: _Known, voices: Sequence[Voice]) -> tuple[list[int], _Known]:
    """The speaker of each voice, and what is known then."""
    before = known
    speakers: list[int | None] = [_match(before, voice) for voice in voices]
    for first, last in _unknown(speakers):
        for members in _alike(voices, first, last):
            if not _believed(voices, members, alone=not known.sums and not first) or len(known.sums) >= MOST_SPEAKERS:
                continue
            newcomer = len(known.sums)
            for index in members:
                speakers[index] = newcomer
                known = known.heard(newcomer, voices[index].vector)
    for index, (voice, speaker) in enumerate(zip(voices, speakers, strict=True)):
        if speaker is None:
            # Too little to be somebody new: whoever sounds most alike, without learning from it.
            speakers[index] = int(known.likeness(voice.vector).argmax()) if known.sums else 0
        elif speaker < len(before.sums):
            known = known.heard(speaker, voice.vector)
    return [speaker or 0 for speaker in speakers], known


def _match(known: _Known, voice: Voice) -> int | None:
    if not known.sums:
        return None
    likeness = known.likeness(voice.vector)
    best = int(likeness.argmax())
    return best if likeness[best] >= SAME else None


def _unknown(speakers: Sequence[int | None]) -> list[tuple[int, int]]:
    """The runs, as first and last + 1, of voices that are nobody's."""
    runs: list[tuple[int, int]] = []
    for index, speaker in enumerate(speakers):
        if speaker is not None:
            continue
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def _alike(voices: Sequence[Voice], first: int, last: int) -> list[list[int]]:
    """The voices of a run in groups that sound alike, in the order of their first ones."""
    groups: list[list[int]] = []
    means = _Known()
    for index in range(first, last):
        match = _match(means, voices[index])
        group = len(groups) if match is None else match
        if group == len(groups):
            groups.append([])
        groups[group].append(index)
        means = means.heard(group, voices[index].vector)
    return groups


def _believed(voices: Sequence[Voice], members: Sequence[int], *, alone: bool) -> bool:
    """Whether a group of voices is somebody: within other speech it takes more than a mixture of two voices has."""
    seconds = max(voices[index].end for index in members) - min(voices[index].start for index in members)
    whole = len(members) == len(voices)
    return seconds >= NEWCOMER_S and (whole or alone or len(members) >= TURN_WINDOWS)
