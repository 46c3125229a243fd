"""The engine pool with real worker processes: no job is lost, none has two results, and dead workers are replaced."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.scripted import SCRIPT
from caesura.errors import EngineError, UsageError
from caesura.workers.base import JobLost
from caesura.workers.pool import EnginePool
from tests.waiting import until
from tests.workers import pool_engines

pytestmark = pytest.mark.slow

LIMIT_S = 100.0
ENGINE = "tests.workers.pool_engines:commanded"


class Stage:
    """The folder with commands for the workers, and the messages of workers and pool."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[tuple[str, Hypothesis | JobLost]] = []

    def command(self, name: str) -> None:
        """Puts a file there: `go`, `go-1`, `broken`."""
        (self.folder / name).touch()

    def taken(self) -> list[float]:
        """The jobs that workers took up, in that order."""
        return [at for at, _ in self.log()]

    def log(self) -> list[tuple[float, int]]:
        """Job and process of each time that a worker took one up."""
        path = self.folder / "log"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(float(at), int(pid)) for at, pid in (line.split() for line in lines)]

    def names(self) -> list[str]:
        """The owners of finished jobs, in order."""
        return [name for name, _ in self.results]

    def submit(self, pool: EnginePool, owner: str, at: float, priority: Priority = Priority.INTERIM) -> None:
        """Submits a job; its answer is kept under `owner-at`."""
        job = SegmentJob(np.zeros(1600, np.float32), at, priority)
        before = len(self.results)
        pool.submit(owner, job, lambda results: self.results.append((f"{owner}-{at:g}", results)))
        assert len(self.results) == before, "never inside submit"

    async def until(self, happened: Callable[[], bool]) -> None:
        """Waits for something that a worker or the pool does; the test's limit bounds it."""
        await until(happened)

    async def until_taken(self, *jobs: float) -> None:
        """Waits until exactly these jobs were taken up."""
        await self.until(lambda: self.taken() == list(jobs))

    async def until_told(self, count: int) -> None:
        """Waits for so many answers."""
        await self.until(lambda: len(self.results) >= count)


Play = Callable[[Stage, EnginePool], Awaitable[None]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """An empty stage whose workers obey it."""
    monkeypatch.setenv(pool_engines.FOLDER, str(tmp_path))
    return Stage(tmp_path)


@asynccontextmanager
async def running(pool: EnginePool) -> AsyncIterator[EnginePool]:
    """A pool that is stopped in the end, and has left no process behind."""
    await pool.start()
    try:
        yield pool
    finally:
        await pool.stop()
    assert pool.ready_workers == ()
    assert not pool.ready
    assert pool_engines.no_child_is_left()


def pids(pool: EnginePool) -> tuple[int, ...]:
    """The processes whose workers are ready."""
    return tuple(map(int, pool.ready_workers))


def within_limit(test: Coroutine[object, object, None]) -> None:
    """Runs a test's coroutine, failing instead of hanging."""
    asyncio.run(asyncio.wait_for(test, LIMIT_S))


def play(stage: Stage, pool: EnginePool, script: Play) -> None:
    """Runs a script against a running pool."""

    async def main() -> None:
        async with running(pool):
            await script(stage, pool)

    within_limit(main())


def test_jobs_return_the_hypotheses_of_the_engine() -> None:
    """Sixteen owners on two workers, with the engine that ships."""

    async def main() -> None:
        results: dict[int, Hypothesis | JobLost] = {}
        async with running(EnginePool("scripted", workers=2)) as pool:
            assert pool.ready
            assert len(set(pids(pool))) == 2
            done = asyncio.Event()

            def answered(owner: int, result: Hypothesis | JobLost) -> None:
                results[owner] = result
                if len(results) == 16:
                    done.set()

            for owner in range(16):
                job = SegmentJob(np.zeros(16_000, np.float32), owner * 0.4, Priority.FINAL)
                pool.submit(owner, job, partial(answered, owner))
            assert pool.waiting_s == 16.0
            await done.wait()
            assert pool.waiting_s == 0.0
        for owner, result in results.items():
            assert isinstance(result, Hypothesis)
            assert [word.text for word in result.words] == [word.text for word in SCRIPT[owner : owner + 2]]

    within_limit(main())


def test_a_worker_killed_in_mid_job_is_replaced_and_its_job_done_again_first(stage: Stage) -> None:
    """Only the log shows it: each job is answered once, the interrupted one before those that waited."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1, Priority.FINAL)
        stage.submit(pool, "b", 2, Priority.FINAL)
        stage.submit(pool, "c", 3)
        await stage.until_taken(1)
        (victim,) = pids(pool)
        os.kill(victim, signal.SIGKILL)
        stage.command("go")
        await stage.until_told(3)
        assert stage.names() == ["a-1", "b-2", "c-3"]
        assert stage.taken() == [1, 1, 2, 3]
        (_, first), (_, second), *_ = stage.log()
        assert first == victim
        assert pids(pool) == (second,)
        assert pool.restarts == 1
        assert all(isinstance(results, Hypothesis) for _, results in stage.results)

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_an_interim_is_done_again_too(stage: Stage) -> None:
    """The client waits for it all the same."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1)
        await stage.until_taken(1)
        os.kill(pids(pool)[0], signal.SIGKILL)
        stage.command("go")
        await stage.until_told(1)
        assert stage.taken() == [1, 1]
        assert isinstance(stage.results[0][1], Hypothesis)

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_another_worker_takes_over_what_a_dead_one_was_doing(stage: Stage) -> None:
    """An idle worker need not wait for the replacement."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1, Priority.FINAL)
        await stage.until_taken(1)
        victim = stage.log()[0][1]
        (other,) = set(pids(pool)) - {victim}
        stage.command("stuck")
        os.kill(victim, signal.SIGKILL)
        await stage.until_taken(1, 1)
        assert stage.log()[1][1] == other
        assert pool.ready
        stage.command("go")
        await stage.until_told(1)

    play(stage, EnginePool(ENGINE, workers=2), script)


def test_accidents_far_apart_cost_no_waiting(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A worker that has answered is forgiven the deaths before it."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")
        for at in range(1, 4):
            stage.submit(pool, "a", at)
            await stage.until_told(at)
            (victim,) = pids(pool)
            os.kill(victim, signal.SIGKILL)
            await stage.until(lambda victim=victim: pool.ready and victim not in pids(pool))  # type: ignore[misc]
        assert pool.restarts == 3

    play(stage, EnginePool(ENGINE, workers=1), script)
    assert caplog.text.count("replaced in 0.0 s") == 3


def test_a_worker_that_dies_idle_is_replaced(stage: Stage) -> None:
    """Before the next job comes, so that the job does not wait for it."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        (victim,) = pids(pool)
        os.kill(victim, signal.SIGKILL)
        await stage.until(lambda: pool.ready and victim not in pids(pool))
        assert pool.restarts == 1
        stage.command("go")
        stage.submit(pool, "a", 1)
        await stage.until_told(1)

    play(stage, EnginePool(ENGINE, workers=1), script)


@pytest.mark.slow
def test_a_job_that_kills_its_workers_is_given_up(stage: Stage) -> None:
    """After three of them it is answered JobLost, and the others are served."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")
        stage.submit(pool, "a", pool_engines.POISON, Priority.FINAL)
        stage.submit(pool, "b", 2, Priority.FINAL)
        await stage.until_told(2)
        assert stage.names() == ["a-13", "b-2"]
        assert stage.taken() == [13, 13, 13, 2]
        lost = stage.results[0][1]
        assert lost == JobLost("the job failed 3 times, the last time because it ended in the middle of a job")
        assert pool.restarts == 3

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_a_job_at_which_the_engine_raises_is_given_up_by_the_same_worker(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Tried as often, but nothing is killed, and the transcript stays out of answer and log."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")
        before = pids(pool)
        stage.submit(pool, "a", pool_engines.RAISES, Priority.FINAL)
        await stage.until_told(1)
        assert stage.taken() == [14, 14]
        lost = stage.results[0][1]
        assert isinstance(lost, JobLost)
        assert "the job failed 2 times, the last time because the engine raised ValueError in" in lost.reason
        assert pids(pool) == before
        assert "swordfish" not in lost.reason + caplog.text
        assert "attempt 2 of 2" in caplog.text

    play(stage, EnginePool(ENGINE, workers=1, attempts=2), script)


def test_a_worker_that_hangs_is_replaced(stage: Stage) -> None:
    """Its job is done again; the second time it is let through."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1, Priority.FINAL)
        await stage.until_taken(1, 1)
        stage.command("go")
        await stage.until_told(1)
        assert isinstance(stage.results[0][1], Hypothesis)
        assert len({pid for _, pid in stage.log()}) == len(stage.log())

    play(stage, EnginePool(ENGINE, workers=1, job_timeout_s=0.2, attempts=100), script)


def test_a_job_that_hangs_each_time_is_given_up(stage: Stage) -> None:
    """The sentence names the limit."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1, Priority.FINAL)
        await stage.until_told(1)
        assert stage.taken() == [1, 1]
        lost = JobLost("the job failed 2 times, the last time because a job was not done in 0.1 s")
        assert stage.results == [("a-1", lost)]

    play(stage, EnginePool(ENGINE, workers=1, job_timeout_s=0.1, attempts=2), script)


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        ("tests.workers.pool_engines:crashing", "ended with code 3"),
        (ENGINE, "^the weights are broken$"),
        ("whispr", "choose one of"),
    ],
)
def test_a_pool_whose_engine_cannot_load_does_not_start(stage: Stage, engine: str, sentence: str) -> None:
    """The child's own sentence reaches the operator, and no process stays."""
    stage.command("broken")
    pool = EnginePool(engine, workers=2)
    with pytest.raises(EngineError, match=sentence):
        within_limit(pool.start())
    assert not pool.ready
    assert pool_engines.no_child_is_left()


def test_an_engine_that_loads_for_ever_does_not_start(stage: Stage) -> None:
    """The limit is in the sentence."""
    stage.command("stuck")
    pool = EnginePool(ENGINE, workers=1, start_timeout_s=0.3)
    with pytest.raises(EngineError, match=r"tests.workers.pool_engines:commanded took longer than 0\.3 s to load"):
        within_limit(pool.start())


@pytest.mark.slow
def test_a_worker_that_cannot_be_replaced_is_tried_again(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """The pool is not ready, logs that, and retries with growing delay, while jobs wait."""
    caplog.set_level(logging.WARNING, "caesura.workers")

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("broken")
        os.kill(pids(pool)[0], signal.SIGKILL)
        stage.submit(pool, "a", 1, Priority.FINAL)
        await stage.until(lambda: "replaced in 0.2 s: the weights are broken" in caplog.text)
        assert not pool.ready
        assert pool.waiting_s == 0.1
        assert stage.results == []
        (stage.folder / "broken").unlink()
        stage.command("go")
        await stage.until_told(1)
        assert len(pids(pool)) == 1
        assert pool.restarts == 1

    play(stage, EnginePool(ENGINE, workers=1), script)
    delays = [record.args[0] for record in caplog.records if isinstance(record.args, tuple) and "in %.1f" in record.msg]
    assert delays[:3] == [0.0, 0.1, 0.2]


def test_finals_go_first_and_a_newer_interim_takes_the_place_of_the_older(stage: Stage) -> None:
    """The order is that of the scheduler; a replaced job is never answered."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "x", 1)
        await stage.until_taken(1)
        stage.submit(pool, "a", 2)
        stage.submit(pool, "b", 3)
        stage.submit(pool, "a", 4)
        stage.submit(pool, "d", 5)
        stage.submit(pool, "c", 6, Priority.FINAL)
        stage.submit(pool, "d", 7, Priority.FINAL)
        assert pool.waiting_s == pytest.approx(0.4)
        stage.command("go")
        await stage.until_told(5)
        assert stage.taken() == [1, 6, 7, 4, 3]
        assert stage.names() == ["x-1", "c-6", "d-7", "a-4", "b-3"]

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_recordings_wait_for_live_jobs_and_are_cancelled_as_one(stage: Stage) -> None:
    """One owner has several jobs at once; the running one is not answered either."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        assert pool.workers == 1
        stage.submit(pool, "r", 1, Priority.RECORDING)
        await stage.until_taken(1)
        stage.submit(pool, "r", 2, Priority.RECORDING)
        stage.submit(pool, "s", 3, Priority.RECORDING)
        stage.submit(pool, "s", 4, Priority.RECORDING)
        stage.submit(pool, "a", 5)
        assert pool.waiting_s == pytest.approx(0.1)
        pool.cancel("r")
        stage.command("go")
        await stage.until_told(3)
        assert stage.names() == ["a-5", "s-3", "s-4"]

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_an_owner_that_submits_continuously_does_not_starve_another(stage: Stage) -> None:
    """After each answer the greedy owner submits again; the other one waits for one of its jobs, not for all."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")

        def greedy(at: int, result: Hypothesis | JobLost) -> None:
            if at < 9:
                pool.submit(
                    "greedy", SegmentJob(np.zeros(160, np.float32), at + 1, Priority.INTERIM), partial(greedy, at + 1)
                )
            if at == 5:
                stage.submit(pool, "modest", 99)

        greedy(0, JobLost("nothing was asked yet"))
        await stage.until_taken(1, 2, 3, 4, 5, 6, 99, 7, 8, 9)

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_a_cancelled_owner_is_forgotten(stage: Stage) -> None:
    """What waits is dropped, what runs is not answered, and the worker that does it in time is kept."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        before = pids(pool)
        stage.submit(pool, "a", 1, Priority.FINAL)
        stage.submit(pool, "a", 2, Priority.FINAL)
        stage.submit(pool, "b", 3)
        await stage.until_taken(1)
        pool.cancel("a")
        pool.cancel("nobody")
        stage.command("go")
        await stage.until_told(1)
        assert stage.names() == ["b-3"]
        assert stage.taken() == [1, 3]
        assert pids(pool) == before

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_a_cancelled_owner_whose_worker_dies_is_not_tried_again(stage: Stage) -> None:
    """Its result is not needed."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.submit(pool, "a", 1, Priority.FINAL)
        await stage.until_taken(1)
        pool.cancel("a")
        os.kill(pids(pool)[0], signal.SIGKILL)
        stage.command("go")
        stage.submit(pool, "b", 2)
        await stage.until_told(1)
        assert stage.taken() == [1, 2]
        assert stage.names() == ["b-2"]

    play(stage, EnginePool(ENGINE, workers=1), script)


def test_stopping_fails_outstanding_jobs(stage: Stage) -> None:
    """Running and waiting jobs alike; and one that comes too late, afterwards."""

    async def main() -> None:
        pool = EnginePool(ENGINE, workers=1)
        async with running(pool):
            stage.submit(pool, "a", 1, Priority.FINAL)
            await stage.until_taken(1)
            stage.submit(pool, "b", 2)
        lost = JobLost("the engine pool was stopped")
        assert stage.results == [("a-1", lost), ("b-2", lost)]
        stage.submit(pool, "c", 3)
        await stage.until_told(3)
        assert stage.results[2] == ("c-3", lost)
        await pool.stop()

    within_limit(main())


def test_jobs_that_come_before_the_start_wait_for_it(stage: Stage) -> None:
    """The constructor starts nothing, and nothing is lost."""

    async def main() -> None:
        pool = EnginePool(ENGINE, workers=1)
        assert not pool.ready
        stage.command("go")
        stage.submit(pool, "a", 1)
        async with running(pool):
            await stage.until_told(1)

    within_limit(main())


def test_a_receiver_that_raises_harms_no_other(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged, and the worker goes on."""

    def faulty(result: Hypothesis | JobLost) -> None:
        raise RuntimeError("bug in a session")

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")
        pool.submit("a", SegmentJob(np.zeros(160, np.float32), 1.0, Priority.FINAL), faulty)
        stage.submit(pool, "b", 2, Priority.FINAL)
        await stage.until_told(1)
        assert stage.names() == ["b-2"]
        assert pool.restarts == 0

    play(stage, EnginePool(ENGINE, workers=1), script)
    assert "the receiver of a job's result failed" in caplog.text


def test_a_job_that_cannot_be_sent_is_given_up(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """A draft that no process can be sent ends in JobLost, not in a pool without workers."""

    async def script(stage: Stage, pool: EnginePool) -> None:
        stage.command("go")
        draft = Hypothesis((), (lambda: None,))  # type: ignore[arg-type]
        job = SegmentJob(np.zeros(160, np.float32), 1.0, Priority.FINAL, draft)
        pool.submit("a", job, lambda results: stage.results.append(("a", results)))
        stage.submit(pool, "b", 2)
        await stage.until_told(2)
        lost = stage.results[0][1]
        assert isinstance(lost, JobLost)
        assert "a job could not be sent" in lost.reason
        assert isinstance(stage.results[1][1], Hypothesis)

    play(stage, EnginePool(ENGINE, workers=1, attempts=1), script)


@pytest.mark.parametrize("audio", [np.zeros(10), np.zeros((2, 10), np.float32), np.zeros(9_000_000, np.float32)])
def test_audio_that_no_engine_takes_is_refused_at_once(audio: NDArray[np.float32]) -> None:
    """The sentence names the field, the value and what would be right."""
    with pytest.raises(UsageError, match=r"job\.audio: float\d\d of shape .*; give float32 of shape"):
        EnginePool("scripted", workers=1).submit("a", SegmentJob(audio, 0.0, Priority.FINAL), lambda results: None)


@pytest.mark.parametrize(
    ("workers", "max_jobs", "attempts", "name"),
    [(0, 1, 3, "workers: 0"), (1, 0, 3, "max_jobs: 0"), (1, 1, 0, "attempts: 0")],
)
def test_numbers_that_are_too_small_are_refused(workers: int, max_jobs: int, attempts: int, name: str) -> None:
    """The sentence names the argument."""
    with pytest.raises(UsageError, match=f"{name}; give 1 or more"):
        EnginePool("scripted", workers=workers, max_jobs=max_jobs, attempts=attempts)


def test_a_pool_starts_once(stage: Stage) -> None:
    """A second start would leave the first workers behind."""

    async def main() -> None:
        pool = EnginePool("scripted", workers=1)
        async with running(pool):
            with pytest.raises(UsageError, match="starts once"):
                await pool.start()
        with pytest.raises(UsageError, match="starts once"):
            await pool.start()

    within_limit(main())
