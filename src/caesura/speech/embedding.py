"""Speaker embeddings, and the windows of speech that they are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_S: Final = 1.5
"""Length of a window: embeddings of shorter ones scatter, longer ones run over changes of speaker."""
HOP_S: Final = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerEmbedding:
    """How a stretch of speech sounds. `vector`: float32, shape (512,), of length 1; the dot product compares two."""

    start: float
    end: float
    vector: Floats


def windows(start: float, end: float) -> list[tuple[float, float]]:
    """The windows in which the speech from `start` to `end` is embedded; the last one ends with it.

    Speech hardly longer than one window has one, its last 1.5 s: a second of nearly the same would add nothing.
    """
    found = []
    at = start
    while at + WINDOW_S < end - HOP_S / 2:
        found.append((at, at + WINDOW_S))
        at += HOP_S
    return [*found, (max(start, end - WINDOW_S), end)]


@dataclass(frozen=True, slots=True, eq=False)
class PackedEmbeddings:
    """The embeddings of a stretch of speech, window by window, in little memory: 1 KiB each.

    `spans`: float64, shape (n, 2), start and end of each window. `vectors`: float16, shape (n, 512), each of length 1.
    """

    spans: NDArray[np.float64]
    vectors: NDArray[np.float16]

    @classmethod
    def packed(cls, embeddings: Sequence[SpeakerEmbedding], at: float) -> PackedEmbeddings:
        """The embeddings, at least one, with their times moved by `at` seconds."""
        spans = np.array([(each.start + at, each.end + at) for each in embeddings])
        return cls(spans, np.array([each.vector for each in embeddings]).astype(np.float16))
