"""Diarization of a whole recording: a speaker, and a confidence, for each word of one channel.

All embeddings are clustered first, whenever they were heard; each cluster of some size is a speaker, and then each word
goes to the speaker to whom it is most similar. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from caesura.pipeline.recording import RecognizedSegment
from caesura.speech.clustering import MIN_WINDOW_S, SAME_SPEAKER, cluster, plausible
from caesura.speech.diarizer import word_similarity
from caesura.speech.embedding import Floats, PackedEmbeddings
from caesura.words import Word

SHARPNESS: Final = 8.0
"""Of the logistic curve from how much more a word sounds like its speaker than like another to how likely that speaker
is the right one. On made-up conversations words told with 0.55, 0.75 and 0.98 are right in 63, 81 and 100 of 100 where
they are recorded well, and in 52, 89 and 94 on the telephone."""


def assign_speakers(passages: Sequence[RecognizedSegment]) -> list[Word]:
    """All words in order, with their speakers, who count from 0, in the order of their first words.

    Takes about 1 s for an hour of speech. Passages without embeddings have no speakers.
    """
    known = _speakers([passage.embeddings for passage in passages if passage.embeddings is not None])
    numbers: dict[int, int] = {}
    words: list[Word] = []
    for passage in passages:
        for word, speaker, confidence in _labelled(passage, known):
            number = numbers.setdefault(speaker, len(numbers))
            words.append(replace(word, speaker=number, speaker_confidence=confidence))
        if passage.embeddings is None:
            words += passage.words
    return words


def _labelled(passage: RecognizedSegment, known: Floats) -> Iterable[tuple[Word, int, float]]:
    embeddings = passage.embeddings
    if embeddings is None or not passage.words:
        return
    vectors = embeddings.vectors.astype(np.float32)
    similarity = word_similarity(passage.words, embeddings.spans, vectors @ known.T)
    for word, row in zip(passage.words, similarity, strict=True):
        speaker = int(row.argmax())
        # The least that somebody else would sound like it: somebody who never spoke, if nobody who did.
        other = max(SAME_SPEAKER, float(np.delete(row, speaker).max(initial=-1.0)))
        margin = max(0.0, float(row[speaker]) - other)
        yield word, speaker, float(1.0 / (1.0 + np.exp(-SHARPNESS * margin)))


def _speakers(heard: Sequence[PackedEmbeddings]) -> Floats:
    """How the speakers sound: shape (k, 512), each of length 1; one at least where anything was heard."""
    long = [embeddings.spans[:, 1] - embeddings.spans[:, 0] >= MIN_WINDOW_S for embeddings in heard]
    if not any(each.any() for each in long):
        long = [np.ones_like(each) for each in long]
    found = cluster(embeddings.vectors[each].astype(np.float32) for embeddings, each in zip(heard, long, strict=True))
    return found.at(plausible(found)).means()
