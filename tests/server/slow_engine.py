"""The scripted engine with jobs that take a while, like those of a real engine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.engines.registry import EngineSpec
from caesura.engines.scripted import INFO, ScriptedEngine

FINAL_S = 0.2
INTERIM_S = 0.1


class SlowEngine(ScriptedEngine):
    """Takes `FINAL_S` for a final, `INTERIM_S` for an interim."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order."""
        time.sleep(sum(FINAL_S if job.final else INTERIM_S for job in jobs))
        return super().transcribe(jobs)


class StuckEngine(ScriptedEngine):
    """Never answers."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Blocks until the worker is killed."""
        time.sleep(600)
        return super().transcribe(jobs)


SLOW = EngineSpec(replace(INFO, name="slow"), SlowEngine)
STUCK = EngineSpec(replace(INFO, name="stuck"), StuckEngine)
