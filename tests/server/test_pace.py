"""The pace of an engine, with pools whose workers are busy for a known time."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field, replace

import pytest

from caesura.bundled_recording import PAUSE_AT_S
from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob, Job
from caesura.errors import EngineError
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.pipeline.streaming import StreamingRecognizer
from caesura.server.pace import measure_pace
from caesura.speech.vad import load_silero
from caesura.words import Word
from caesura.workers.base import Deliver, JobLost

INFO = EngineInfo("engine", "1", "arch", ("en",), min_endpointing_s=0.35, max_segment_s=12.0)
JOB_S = 0.05
"""Seconds that a worker is busy with a job."""


@dataclass
class Pool:
    """Workers that need the same time for each job."""

    answer: Hypothesis | JobLost | None = field(default_factory=lambda: Hypothesis((Word("word", 0.1, 0.4, 0.9),)))
    """None: no job is ever done."""
    workers: int = 2
    interim_stretch: float = 1.0
    live_busy_s: float = 0.0
    jobs: dict[Hashable, list[Job]] = field(default_factory=dict)
    out: set[Hashable] = field(default_factory=set)
    most_out: int = 0

    def submit(self, owner: Hashable, job: SegmentJob, deliver: Deliver) -> None:
        self._run(owner, job, deliver)

    def feed(self, owner: Hashable, job: FeedJob, deliver: Deliver) -> None:
        self._run(owner, job, deliver)

    def _run(self, owner: Hashable, job: Job, deliver: Deliver) -> None:
        self.jobs.setdefault(owner, []).append(job)
        self.out.add(owner)
        self.most_out = max(self.most_out, len(self.out))
        if self.answer is not None:
            asyncio.get_running_loop().call_soon(self._done, owner, deliver, self.answer)

    def _done(self, owner: Hashable, deliver: Deliver, answer: Hypothesis | JobLost) -> None:
        self.out.remove(owner)
        self.live_busy_s += JOB_S
        deliver(answer)

    def cancel(self, owner: Hashable) -> None:
        self.out.discard(owner)


def test_all_workers_hear_a_sentence_at_once_as_a_live_stream_has_it() -> None:
    """An interim each second, and a final. The first jobs, in which workers load what they need, do not count."""
    pool = Pool()
    pace_s = asyncio.run(measure_pace(INFO, pool, SegmentedRecognizer, load_silero()))
    assert pool.most_out == 2
    *_, one, other = pool.jobs.values()
    assert [job.priority for job in one] == [job.priority for job in other] == [Priority.INTERIM] * 5 + [Priority.FINAL]
    assert len(one[-1].audio) > 6 * SAMPLE_RATE
    assert pace_s == pytest.approx(len(one) * JOB_S / PAUSE_AT_S)


def test_a_streaming_engine_is_fed_as_a_live_stream_feeds_it() -> None:
    pool = Pool()
    pace_s = asyncio.run(measure_pace(replace(INFO, streaming=True), pool, StreamingRecognizer, load_silero()))
    assert all(isinstance(job, FeedJob) for jobs in pool.jobs.values() for job in jobs)
    assert pace_s > 0.0


def test_a_slow_engine_is_measured_by_what_it_could_not_finish() -> None:
    """Its workers were busy all the time, and have not had their first interim yet."""
    pool = Pool(answer=None)
    pace_s = asyncio.run(measure_pace(INFO, pool, SegmentedRecognizer, load_silero(), within_s=0.05))
    assert pace_s >= 0.05 / 2
    assert not pool.out


def test_an_engine_that_fails_is_told_in_its_words() -> None:
    with pytest.raises(EngineError, match="its pace could not be measured: it broke"):
        asyncio.run(measure_pace(INFO, Pool(answer=JobLost("it broke")), SegmentedRecognizer, load_silero()))
