"""Diarization of a whole recording: a speaker, and a confidence, for each word of one channel.

All embeddings of the recording are clustered first; each cluster of some size is a speaker, and then each word gets the
speaker to whom it is most similar. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from caesura.pipeline.recording import RecognizedSegment
from caesura.speech.clustering import MIN_WINDOW_S, SAME_SPEAKER, cluster, plausible
from caesura.speech.diarizer import word_similarity
from caesura.speech.embedding import Floats, PackedEmbeddings
from caesura.words import Word

CONFIDENCE_OFFSET: Final = 0.6
CONFIDENCE_SLOPE: Final = 7.5
"""Parameters of the logistic curve of `speaker_confidence`: fitted to the words of synthetic conversations of six
readers, and judged on recorded meetings and calls (docs/speakers.md)."""


def assign_speakers(segments: Sequence[RecognizedSegment]) -> list[Word]:
    """All words in order, with their speakers, numbered from 0 in the order of their first words.

    Takes about 1 s for an hour of speech. Words of segments without embeddings have no speaker.
    """
    known = _speakers([segment.embeddings for segment in segments if segment.embeddings is not None])
    numbers: dict[int, int] = {}
    words: list[Word] = []
    for segment in segments:
        for word, speaker, confidence in _labelled(segment, known):
            number = numbers.setdefault(speaker, len(numbers))
            words.append(replace(word, speaker=number, speaker_confidence=confidence))
        if segment.embeddings is None:
            words += segment.words
    return words


def _labelled(segment: RecognizedSegment, known: Floats) -> Iterable[tuple[Word, int, float]]:
    embeddings = segment.embeddings
    if embeddings is None or not segment.words:
        return
    vectors = embeddings.vectors.astype(np.float32)
    similarity = word_similarity(segment.words, embeddings.spans, vectors @ known.T)
    for word, row in zip(segment.words, similarity, strict=True):
        speaker = int(row.argmax())
        # The best other speaker, or the threshold at which a word would belong to a new speaker.
        other = max(SAME_SPEAKER, float(np.delete(row, speaker).max(initial=-1.0)))
        yield word, speaker, speaker_confidence(float(row[speaker]) - other)


def speaker_confidence(margin: float) -> float:
    """How likely the speaker of a word is the right one, in 0..1.

    Args:
        margin: by how much the word is more similar to its speaker than to any other, in -2..2; negative where it is
            less similar than a word of a new speaker might be.
    """
    return 1.0 / (1.0 + math.exp(-(CONFIDENCE_OFFSET + CONFIDENCE_SLOPE * margin)))


def _speakers(packed: Sequence[PackedEmbeddings]) -> Floats:
    """The mean vector of each speaker: shape (k, 512), of length 1; at least one speaker if there are embeddings."""
    long = [embeddings.spans[:, 1] - embeddings.spans[:, 0] >= MIN_WINDOW_S for embeddings in packed]
    if not any(each.any() for each in long):
        long = [np.ones_like(each) for each in long]
    found = cluster(embeddings.vectors[each].astype(np.float32) for embeddings, each in zip(packed, long, strict=True))
    return found.at(plausible(found)).means()
