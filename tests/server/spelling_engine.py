"""An engine that recognizes the words of a `Voice` in their audio, and of a word that is cut off only a part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from caesura.engines.base import Hypothesis, Samples, SegmentJob
from caesura.engines.registry import EngineSpec
from caesura.engines.scripted import INFO
from caesura.testing import Voice
from caesura.words import Word

VOICE = Voice([f"w{number}" for number in range(100)])
WORD_S = 0.3


class SpellingEngine:
    """Reads words from samples, wherever in a stream they are."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order."""
        return [Hypothesis(tuple(_words(job.audio))) for job in jobs]


def _words(audio: Samples) -> list[Word]:
    words = VOICE.hear(np.round(audio * 32_768).astype("<i2").tobytes())
    return [
        word if word.end - word.start > WORD_S - 0.001 else replace(word, text=f"part of {word.text}") for word in words
    ]


class AnySoundIsVoice:
    """In the place of the voice activity network: a frame is voice when most of it is not silent."""

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        """Probabilities of voice, and the state as it was."""
        return [((each[:, 64:] != 0.0).mean(axis=1) > 0.5).astype(np.float32) for each in rows], h, c


SPELLING = EngineSpec(replace(INFO, name="spelling"), SpellingEngine)
