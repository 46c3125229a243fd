"""The engine pool with simulated workers: batches, and a worker that ends as it is given a job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import EngineError
from caesura.words import Word
from caesura.workers.base import JobLost
from caesura.workers.pool import EnginePool

POISON = 13.0
"""The job at which the engine fails, and every batch that holds it."""


MUMBLED = 14.0
"""The job of whose words the engine is not sure."""


def hypothesis(job: SegmentJob) -> Hypothesis:
    """The hypothesis of the engine."""
    if job.at == MUMBLED:
        return Hypothesis(withheld=3)
    return Hypothesis((Word(f"job-{job.at:g}", 0.0, 0.1, 0.9),))


@dataclass
class FakeWorker:
    """A worker that answers at once, once it may."""

    name: str
    on_gone: Callable[[], None]
    batches: list[list[float]]
    may_answer: asyncio.Event
    gone: bool = False

    async def start(self) -> None:
        """Nothing to load."""

    async def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """One hypothesis a job, or a failure of the batch."""
        self.batches.append([job.at for job in jobs])
        await self.may_answer.wait()
        if self.gone:
            raise ConnectionResetError
        if any(job.at == POISON for job in jobs):
            raise EngineError("the segment is too odd")
        return tuple(map(hypothesis, jobs))

    async def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """These tests feed no states."""
        raise AssertionError(jobs)

    def close_states(self, states: Sequence[int]) -> None:
        """There are none."""

    async def close(self) -> None:
        """Report that the worker has ended."""
        self.end()

    def end(self) -> None:
        """It dies."""
        if not self.gone:
            self.gone = True
            self.on_gone()


@dataclass
class Workers:
    """Makes workers, and records their jobs and the delivered results."""

    made: list[FakeWorker] = field(default_factory=list)
    batches: list[list[float]] = field(default_factory=list)
    delivered: dict[float, Hypothesis | JobLost] = field(default_factory=dict)
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def __call__(self, engine: str, on_gone: Callable[[], None]) -> FakeWorker:
        """A new one."""
        self.made.append(FakeWorker(f"{engine}-{len(self.made)}", on_gone, self.batches, self.may_answer))
        return self.made[-1]

    def submit(self, pool: EnginePool, at: float, priority: Priority = Priority.FINAL) -> None:
        """A job named by its time, of an owner of its own."""
        job = SegmentJob(np.zeros(160, np.float32), at, priority)
        pool.submit(at, job, lambda result: self.delivered.__setitem__(at, result))


async def settled() -> None:
    """All that is ready to run has run."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_jobs_that_wait_are_run_as_one_batch_of_their_priority() -> None:
    """The first job starts at once and alone; those that come meanwhile go together."""

    async def main() -> None:
        workers = Workers()
        pool = EnginePool("fake", workers=1, max_jobs=3, new_worker=workers)
        await pool.start()
        workers.submit(pool, 1)
        await settled()
        for at in (2, 3, 4, 5):
            workers.submit(pool, at)
        workers.submit(pool, 6, Priority.INTERIM)
        workers.may_answer.set()
        await settled()
        assert workers.batches == [[1], [2, 3, 4], [5], [6]]
        assert [workers.delivered[at] for at in range(1, 7)] == [
            Hypothesis((Word(f"job-{at}", 0.0, 0.1, 0.9),)) for at in range(1, 7)
        ]
        await pool.stop()

    asyncio.run(main())


def test_a_job_that_fails_takes_others_with_it_only_once() -> None:
    """Each is tried again alone: the good ones have their results, the bad one is given up."""

    async def main() -> None:
        workers = Workers()
        pool = EnginePool("fake", workers=1, max_jobs=3, attempts=2, new_worker=workers)
        for at in (2.0, POISON, 4.0):
            workers.submit(pool, at)
        workers.may_answer.set()
        await pool.start()
        await settled()
        assert workers.batches[0] == [2, POISON, 4]
        assert sorted(workers.batches[1:]) == [[2], [4], [POISON]]
        lost = workers.delivered[POISON]
        assert isinstance(lost, JobLost)
        assert "too odd" in lost.reason
        assert all(isinstance(workers.delivered[at], Hypothesis) for at in (2.0, 4.0))
        await pool.stop()

    asyncio.run(main())


def test_a_cancelled_owner_of_a_batch_gets_no_result() -> None:
    """The others of the batch do."""

    async def main() -> None:
        workers = Workers()
        pool = EnginePool("fake", workers=1, max_jobs=2, new_worker=workers)
        for at in (1, 2):
            workers.submit(pool, at)
        await pool.start()
        await settled()
        pool.cancel(1)
        workers.may_answer.set()
        await settled()
        assert list(workers.delivered) == [2]
        await pool.stop()

    asyncio.run(main())


def test_a_job_submitted_as_its_worker_dies_is_done_by_another() -> None:
    """The pool has just woken a worker for it, but learns instead that this worker has ended."""

    async def main() -> None:
        workers = Workers()
        workers.may_answer.set()
        pool = EnginePool("fake", workers=2, new_worker=workers)
        await pool.start()
        await settled()
        next_in_turn = workers.made[1]
        # In one pass of the loop: it dies, then the job comes, and only then its place wakes up.
        next_in_turn.end()
        workers.submit(pool, 1)
        await settled()
        assert isinstance(workers.delivered[1], Hypothesis)
        assert next_in_turn.name not in pool.ready_workers
        await pool.stop()

    asyncio.run(main())


@pytest.mark.parametrize(("priority", "counted"), [(Priority.FINAL, 3), (Priority.RECORDING, 3), (Priority.INTERIM, 0)])
def test_words_withheld_of_final_hypotheses_are_counted_and_logged(
    priority: Priority, counted: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Those of interims come again."""

    async def main() -> None:
        workers = Workers()
        pool = EnginePool("fake", workers=1, new_worker=workers)
        workers.submit(pool, MUMBLED, priority)
        workers.submit(pool, 2, priority)
        workers.may_answer.set()
        await pool.start()
        await settled()
        assert pool.withheld_words == counted
        await pool.stop()

    with caplog.at_level(logging.INFO):
        asyncio.run(main())
    assert ("3 words withheld of 0.0 s from 14.0 s on" in caplog.text) == bool(counted)
