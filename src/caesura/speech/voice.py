"""Where speech begins and ends in; the windows in which its voice is heard out, and what is heard in one of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_S: Final = 1.5
"""Speech heard at a time: shorter pieces of one voice scatter, longer ones run over changes of speaker."""
HOP_S: Final = 0.5

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """How a stretch of speech sounds. `vector`: float32, shape (512,), of length 1; two of them are compared by dot."""

    start: float
    end: float
    vector: Floats


def windows(start: float, end: float) -> list[tuple[float, float]]:
    """The windows in which the speech from `start` to `end` is heard; the last one ends with it.

    Speech hardly longer than one window has one, its last 1.5 s: two of nearly the same would tell nothing more.
    """
    found = []
    at = start
    while at + WINDOW_S < end - HOP_S / 2:
        found.append((at, at + WINDOW_S))
        at += HOP_S
    return [*found, (max(start, end - WINDOW_S), end)]


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """How a passage sounds, window by window, in little memory: 1 KiB each.

    `spans`: float64, shape (n, 2), start and end of each window. `vectors`: float16, shape (n, 512), each of length 1.
    """

    spans: NDArray[np.float64]
    vectors: NDArray[np.float16]

    @classmethod
    def packed(cls, voices: Sequence[Voice], at: float) -> Voices:
        """The voices on a clock that is `at` seconds ahead; there must be one at least."""
        spans = np.array([(voice.start + at, voice.end + at) for voice in voices])
        return cls(spans, np.array([voice.vector for voice in voices]).astype(np.float16))
