"""Live diarization: speaker numbers for the words of one channel, while the audio is still coming.

With each stretch of speech all embeddings so far are clustered again. A speaker is a cluster; its number is the one
under which most of its windows were reported, so that numbers are stable when clusters change. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.speech.clustering import (
    COMPACTION,
    MAX_SPEAKERS,
    MIN_WINDOW_S,
    SAME_SPEAKER,
    Clusters,
    largest,
    merge,
    plausible,
)
from caesura.speech.embedding import WINDOW_S, Floats, SpeakerEmbedding
from caesura.words import Word

MAX_CLUSTERS: Final = 96
"""Most clusters that are kept (200 KiB): beyond that the most similar are merged and the smallest dropped."""
_UNNUMBERED: Final = -1


@dataclass(frozen=True, slots=True, eq=False)
class _NumberedClusters:
    """Clusters, and how many windows of each were reported under each number: shape (k, MAX_SPEAKERS)."""

    clusters: Clusters
    reported: Floats

    @classmethod
    def single(cls, vectors: Floats, numbers: Sequence[int]) -> _NumberedClusters:
        reported = np.zeros((len(vectors), MAX_SPEAKERS), np.float32)
        for row, number in zip(reported, numbers, strict=True):
            if number != _UNNUMBERED:
                row[number] = 1.0
        return cls(Clusters.single(vectors), reported)

    def joined(self, others: _NumberedClusters) -> _NumberedClusters:
        return _NumberedClusters(
            self.clusters.joined(others.clusters), np.concatenate((self.reported, others.reported))
        )

    def merged(self, threshold: float) -> _NumberedClusters:
        clusters, indices = merge(self.clusters, threshold)
        reported = np.zeros((len(clusters.counts), MAX_SPEAKERS), np.float32)
        np.add.at(reported, indices, self.reported)
        return _NumberedClusters(clusters, reported)

    def at(self, indices: NDArray[np.int64]) -> _NumberedClusters:
        return _NumberedClusters(self.clusters.at(indices), self.reported[indices])


@dataclass(frozen=True, slots=True)
class _Numbering:
    """Speaker numbers of words and of windows, and the count of all numbers, new ones included."""

    words: Sequence[int]
    windows: Sequence[int]
    count: int


class Diarizer:
    """Assigns speaker numbers to the words of one channel.

    `label` is the expensive part (it merges up to some 120 clusters) and may run on another thread than `learn`, which
    only queues what the next `label` will take into account; neither may run twice at the same time.
    """

    def __init__(self) -> None:
        self._learned: deque[tuple[Sequence[Word], Sequence[SpeakerEmbedding]]] = deque()
        self._known: _NumberedClusters | None = None
        self._count = 0

    def label(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> tuple[Word, ...]:
        """Assign speakers to words, timed on the clock of `embeddings`; without embeddings they are unchanged."""
        while self._learned:
            self._remember(*self._learned.popleft())
        if not embeddings or not words:
            return tuple(words)
        numbers = self._number(words, embeddings).words
        return tuple(replace(word, speaker=number) for word, number in zip(words, numbers, strict=True))

    def learn(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> None:
        """Store the embeddings under the numbers that `label` assigns them. Call it once for each stretch, in order."""
        if words and any(map(_is_long, embeddings)):
            self._learned.append((words, embeddings))

    def _remember(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> None:
        numbering = self._number(words, embeddings)
        self._count = numbering.count
        long = [index for index, embedding in enumerate(embeddings) if _is_long(embedding)]
        vectors = np.array([embeddings[index].vector for index in long])
        known = self._with(_NumberedClusters.single(vectors, [numbering.windows[index] for index in long]))
        if len(known.reported) > MAX_CLUSTERS:
            compact = known.merged(COMPACTION)
            known = compact.at(largest(compact.clusters, MAX_CLUSTERS // 2))
        self._known = known

    def _number(self, words: Sequence[Word], embeddings: Sequence[SpeakerEmbedding]) -> _Numbering:
        vectors = np.array([embedding.vector for embedding in embeddings])
        long = vectors[[_is_long(embedding) for embedding in embeddings]]
        known = self._with(_NumberedClusters.single(long, [_UNNUMBERED] * len(long)))
        if not len(known.reported):
            # The windows are too short to be kept, and there are no speakers yet.
            return _Numbering([0] * len(words), [_UNNUMBERED] * len(embeddings), 0)
        speakers = known.merged(SAME_SPEAKER)
        speakers = speakers.at(plausible(speakers.clusters))
        similarity = vectors @ speakers.clusters.means().T
        spans = np.array([(embedding.start, embedding.end) for embedding in embeddings])
        of_words = word_similarity(words, spans, similarity).argmax(axis=1).tolist()
        numbers, count = _numbers(speakers.reported), self._count
        for speaker in of_words:
            if speaker not in numbers:
                # All further speakers share the last number.
                numbers[speaker] = min(count, MAX_SPEAKERS - 1)
                count = min(count + 1, MAX_SPEAKERS)
        nearest = similarity.argmax(axis=1).tolist()
        return _Numbering(
            [numbers[speaker] for speaker in of_words], [numbers.get(each, _UNNUMBERED) for each in nearest], count
        )

    def _with(self, fresh: _NumberedClusters) -> _NumberedClusters:
        return fresh if self._known is None else self._known.joined(fresh)


def word_similarity(words: Sequence[Word], spans: NDArray[np.float64], similarity: Floats) -> Floats:
    """Similarity of each word to each speaker: shape (words, speakers).

    That is the mean over the windows around it, weighted by how near their middles are to the word's.

    Args:
        words: on the clock of `spans`.
        spans: shape (n, 2), start and end of each window in seconds.
        similarity: shape (n, speakers), of each window to each speaker.
    """
    middles = np.array([(word.start + word.end) / 2 for word in words])
    apart = np.abs(middles[:, None] - spans.mean(axis=1))
    weights = np.maximum(0.0, 1.0 - apart / (WINDOW_S / 2))
    alone = np.flatnonzero(weights.sum(axis=1) == 0)
    weights[alone, apart[alone].argmin(axis=1)] = 1.0
    found: Floats = (weights @ similarity / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return found


def _is_long(embedding: SpeakerEmbedding) -> bool:
    return embedding.end - embedding.start >= MIN_WINDOW_S


def _numbers(reported: Floats) -> dict[int, int]:
    """For each cluster the number under which most of it was reported; no two clusters have the same number."""
    numbers: dict[int, int] = {}
    reported = reported.copy()
    while reported.size and reported.max() > 0:
        index, number = divmod(int(reported.argmax()), reported.shape[1])
        numbers[index] = number
        reported[index], reported[:, number] = 0.0, 0.0
    return numbers
