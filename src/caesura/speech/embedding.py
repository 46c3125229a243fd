"""Speaker embeddings, and the windows of speech for which they are computed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.words import Word

WINDOW_S: Final = 1.5
"""Length of a window: embeddings of shorter ones scatter, longer ones extend over changes of speaker."""
HOP_S: Final = 0.5

SPLIT_S: Final = 0.6
"""A longer pause between two words may be a change of speaker: no window extends over it."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerEmbedding:
    """The voice in a window of speech.

    `vector` is float32, shape (512,), of length 1; vectors are compared by dot product.
    """

    start: float
    end: float
    vector: Floats


def speech_spans(words: Sequence[Word]) -> list[tuple[float, float]]:
    """Start and end of each stretch of words, in order, without a pause of more than `SPLIT_S`."""
    edges = [at for at in range(1, len(words)) if words[at].start - words[at - 1].end > SPLIT_S]
    runs = (words[first:last] for first, last in pairwise([0, *edges, len(words)]))
    return [(run[0].start, run[-1].end) for run in runs if run]


def windows(start: float, end: float) -> list[tuple[float, float]]:
    """The windows in which the speech from `start` to `end` is embedded; the last one ends with it.

    Speech hardly longer than one window gets one, its last 1.5 s: a second, nearly equal one would add nothing.
    """
    found = []
    at = start
    while at + WINDOW_S < end - HOP_S / 2:
        found.append((at, at + WINDOW_S))
        at += HOP_S
    return [*found, (max(start, end - WINDOW_S), end)]


@dataclass(frozen=True, slots=True, eq=False)
class PackedEmbeddings:
    """Embeddings of a stretch of speech, window by window, stored compactly: 1 KiB each.

    `spans`: float64, shape (n, 2), start and end of each window. `vectors`: float16, shape (n, 512), each of length 1.
    """

    spans: NDArray[np.float64]
    vectors: NDArray[np.float16]

    @classmethod
    def packed(cls, embeddings: Sequence[SpeakerEmbedding], at: float) -> PackedEmbeddings:
        """Pack the embeddings, at least one, with their times shifted by `at` seconds."""
        spans = np.array([(each.start + at, each.end + at) for each in embeddings])
        return cls(spans, np.array([each.vector for each in embeddings]).astype(np.float16))
