"""A level meter as an engine: transcribes each half second of speech as its level, in dB below full scale."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples, SegmentJob
from caesura.engines.registry import EngineSpec
from caesura.words import Word

INFO = EngineInfo(
    name="level-meter",
    version="1.0",
    arch="meter",
    languages=("en",),
    min_endpointing_s=0.2,
    max_segment_s=10.0,
)
STEP = SAMPLE_RATE // 2
FLOOR_DB = -90.0


class Meter:
    """Used by one thread; keeps no state between jobs."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Transcribe each job, in order."""
        return [Hypothesis(tuple(words(job.audio))) for job in jobs]


def words(audio: Samples) -> Iterator[Word]:
    """Word for each half second, and for the rest at the end."""
    for start in range(0, len(audio), STEP):
        part = audio[start : start + STEP]
        power = float(np.mean(np.square(part, dtype=np.float64)))
        level = max(10 * np.log10(power), FLOOR_DB) if power > 0 else FLOOR_DB
        yield Word(f"{level:.0f}dB", start / SAMPLE_RATE, (start + len(part)) / SAMPLE_RATE, confidence=1.0)


SPEC = EngineSpec(INFO, load=Meter)
