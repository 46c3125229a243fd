"""The engine pool with a streaming engine: jobs go where their state is, and a state that is lost is made again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import EngineError, UsageError
from caesura.workers.base import JobLost, NewWorker
from caesura.workers.engine_host import EngineHost
from caesura.workers.pool import EnginePool
from caesura.workers.process_worker import ProcessWorker
from caesura.workers.thread_worker import ThreadWorker
from tests.recognizer_bench import sound
from tests.streaming_engines import ChainEngine, chained
from tests.waiting import until

LIMIT_S = 100.0
ENGINE = "tests.streaming_engines:chain"


@dataclass
class HostWorker:
    """A worker on the loop, which does what it is given once it may, and can be ended."""

    name: str
    on_gone: Callable[[], None]
    may_work: asyncio.Event
    engine: ChainEngine = field(default_factory=ChainEngine)
    batches: list[list[FeedJob]] = field(default_factory=list)
    gone: bool = False
    fails: bool = False

    def __post_init__(self) -> None:
        self.host = EngineHost(self.engine)

    async def start(self) -> None:
        """Nothing to load."""

    async def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """Whole segments."""
        await self.may_work.wait()
        return self.host.transcribe(jobs)

    async def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """Feed states, unless it is to fail or has ended."""
        self.batches.append(list(jobs))
        await self.may_work.wait()
        if self.gone:
            raise ConnectionResetError
        if self.fails:
            raise EngineError("too odd")
        return self.host.feed(jobs)

    def close_states(self, states: Sequence[int]) -> None:
        """At once."""
        self.host.close_states(states)

    async def close(self) -> None:
        """Report that the worker has ended."""
        self.end()

    def end(self) -> None:
        """It dies."""
        if not self.gone:
            self.gone = True
            self.on_gone()


class Stage:
    """A pool of such workers, and what it delivers."""

    def __init__(self, workers: int = 2, **pool: int) -> None:
        self.made: list[HostWorker] = []
        self.may_work = asyncio.Event()
        self.may_work.set()
        self.results: list[tuple[str, Hypothesis | JobLost]] = []
        self.pool = EnginePool("fake", workers=workers, new_worker=self._worker, **pool)

    def _worker(self, engine: str, on_gone: Callable[[], None]) -> HostWorker:
        self.made.append(HostWorker(f"{engine}-{len(self.made)}", on_gone, self.may_work))
        return self.made[-1]

    def feed(self, owner: str, last: int, *, state: int = 0, final: bool = False) -> None:
        """The audio of `owner` up to sample `last`."""
        job = FeedJob(state, sound(0, last), 0.0, Priority.FINAL if final else Priority.INTERIM)
        self.pool.feed(owner, job, lambda result: self.results.append((owner, result)))

    def texts(self, owner: str) -> list[list[str]]:
        """The words of each result of `owner`."""
        found = [result for each, result in self.results if each == owner]
        assert all(isinstance(result, Hypothesis) for result in found)
        return [[word.text for word in each.words] for each in found if isinstance(each, Hypothesis)]

    @property
    def sent(self) -> list[list[tuple[int, int]]]:
        """The samples that each batch of all workers held."""
        return [[(job.offset, job.end) for job in batch] for worker in self.made for batch in worker.batches]

    @property
    def open_states(self) -> list[int]:
        """How many states each worker has that lives."""
        return [worker.engine.open_states for worker in self.made if not worker.gone]


async def settled() -> None:
    """All that is ready to run has run."""
    for _ in range(20):
        await asyncio.sleep(0)


def play(script: Callable[[Stage], Coroutine[None, None, None]], workers: int = 2, **pool: int) -> None:
    """Run a script with a started pool."""

    async def main() -> None:
        stage = Stage(workers, **pool)
        await stage.pool.start()
        await settled()
        await script(stage)
        await stage.pool.stop()

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


def test_a_state_stays_with_its_worker_which_is_sent_what_is_new() -> None:
    async def script(stage: Stage) -> None:
        for last in (8_000, 12_000, 20_000):
            stage.feed("one", last, final=last == 20_000)
            await settled()
        assert stage.sent == [[(0, 8_000)], [(8_000, 12_000)], [(12_000, 20_000)]]
        assert stage.texts("one")[-1] == chained(sound(0, 20_000))
        assert stage.open_states == [0, 0]

    play(script)


def test_states_spread_over_idle_workers() -> None:
    async def script(stage: Stage) -> None:
        for owner in "abcd":
            stage.feed(owner, 1_000)
            await settled()
        assert stage.open_states == [2, 2]

    play(script)


def test_feeds_of_several_streams_that_wait_for_one_worker_go_in_one_call() -> None:
    async def script(stage: Stage) -> None:
        stage.may_work.clear()
        stage.feed("a", 1_000)
        await settled()
        for owner, last in (("b", 2_000), ("c", 3_000), ("d", 4_000)):
            stage.feed(owner, last)
        stage.may_work.set()
        await settled()
        assert stage.made[0].engine.calls == [[1_000], [2_000, 3_000, 4_000]]
        assert len(stage.results) == 4

    play(script, workers=1, max_jobs=8)


def test_a_state_waits_for_its_worker_and_others_go_past_it() -> None:
    """Another worker that is idle cannot go on with it."""

    async def script(stage: Stage) -> None:
        stage.feed("a", 1_000)
        await settled()
        stage.may_work.clear()
        stage.feed("a", 2_000)
        await settled()
        busy = next(worker for worker in stage.made if worker.batches)
        stage.feed("a", 3_000, final=True)
        stage.feed("b", 1_000)
        await settled()
        other = next(worker for worker in stage.made if worker is not busy)
        assert [job.end for job in other.batches[0]] == [1_000]
        stage.may_work.set()
        await settled()
        # The result of the feed that was replaced is dropped, and its audio not fed twice.
        assert busy.engine.calls == [[1_000], [1_000], [1_000]]
        assert stage.texts("a") == [[], chained(sound(0, 3_000))]

    play(script)


def test_the_states_of_a_worker_that_dies_are_fed_again_elsewhere() -> None:
    async def script(stage: Stage) -> None:
        stage.feed("a", 8_000)
        await settled()
        next(worker for worker in stage.made if worker.batches).end()
        stage.feed("a", 20_000, final=True)
        await settled()
        assert sorted(stage.sent) == [[(0, 8_000)], [(0, 20_000)]]
        assert stage.texts("a")[-1] == chained(sound(0, 20_000))

    play(script)


def test_jobs_that_wait_for_a_worker_that_dies_are_done_by_others() -> None:
    async def script(stage: Stage) -> None:
        for owner in "ab":
            stage.feed(owner, 4_000)
        await settled()
        stage.may_work.clear()
        for owner in "ab":
            stage.feed(owner, 8_000)
        await settled()
        for owner in "ab":
            stage.feed(owner, 20_000, final=True)
        dying = stage.made[0]
        dying.end()
        stage.may_work.set()
        await settled()
        for owner in "ab":
            assert stage.texts(owner)[-1] == chained(sound(0, 20_000))
        assert sum(stage.open_states) == 0

    play(script)


def test_a_job_that_fails_closes_its_state_and_is_tried_from_the_start() -> None:
    """As often as any other job, alone, and then it is given up."""

    async def script(stage: Stage) -> None:
        stage.feed("a", 4_000)
        await settled()
        (worker,) = stage.made
        worker.fails = True
        stage.feed("a", 8_000)
        await settled()
        assert stage.sent == [[(0, 4_000)], [(4_000, 8_000)], [(0, 8_000)], [(0, 8_000)]]
        assert stage.open_states == [0]
        (_, _), (owner, lost) = stage.results
        assert owner == "a"
        assert isinstance(lost, JobLost)
        assert "too odd" in lost.reason

    play(script, workers=1, max_jobs=4)


def test_a_cancelled_owner_has_no_state_left() -> None:
    async def script(stage: Stage) -> None:
        stage.feed("a", 4_000)
        stage.feed("b", 4_000)
        await settled()
        stage.pool.cancel("a")
        await settled()
        assert stage.open_states == [1]
        stage.may_work.clear()
        stage.feed("b", 8_000)
        await settled()
        stage.pool.cancel("b")
        stage.may_work.set()
        await settled()
        assert stage.open_states == [0]
        assert len(stage.results) == 2

    play(script, workers=1, max_jobs=4)


def test_a_state_that_was_cut_off_by_another_is_closed() -> None:
    async def script(stage: Stage) -> None:
        stage.feed("a", 4_000)
        await settled()
        stage.feed("a", 2_000, state=1)
        await settled()
        assert stage.open_states == [1]
        assert stage.sent == [[(0, 4_000)], [(0, 2_000)]]

    play(script, workers=1)


def test_a_worker_keeps_no_more_states_than_it_may_and_no_word_is_lost() -> None:
    async def script(stage: Stage) -> None:
        for last in (4_000, 8_000):
            for owner in "abc":
                stage.feed(owner, last, final=last == 8_000)
                await settled()
                assert stage.open_states[0] <= 2
        for owner in "abc":
            assert stage.texts(owner)[-1] == chained(sound(0, 8_000))
        assert stage.open_states == [0]

    play(script, workers=1, max_states=2, max_jobs=8)


def test_recordings_go_through_the_same_workers_in_whole_segments() -> None:
    async def script(stage: Stage) -> None:
        results: list[Hypothesis | JobLost] = []
        stage.feed("a", 4_000)
        stage.pool.submit("r", SegmentJob(sound(0, 9_000), 0.0, Priority.RECORDING), results.append)
        await settled()
        (found,) = results
        assert isinstance(found, Hypothesis)
        assert [word.text for word in found.words] == chained(sound(0, 9_000))
        assert stage.open_states == [1]

    play(script, workers=1, max_jobs=8)


def test_audio_that_waits_is_counted_without_what_its_state_has() -> None:
    async def script(stage: Stage) -> None:
        stage.feed("a", 16_000)
        await settled()
        stage.may_work.clear()
        stage.feed("b", 16_000)
        await settled()
        stage.feed("a", 24_000)
        assert stage.pool.waiting_s == 0.5

    play(script, workers=1)


def test_a_feed_to_a_pool_that_was_stopped_is_lost() -> None:
    async def main() -> None:
        stage = Stage()
        await stage.pool.start()
        await stage.pool.stop()
        stage.feed("a", 1_000)
        assert stage.results == []
        await settled()
        assert stage.results == [("a", JobLost("the engine pool was stopped"))]

    asyncio.run(main())


def test_numbers_and_audio_of_another_kind_are_refused() -> None:
    async def script(stage: Stage) -> None:
        with pytest.raises(UsageError, match=r"job\.audio: float64"):
            stage.pool.feed("a", FeedJob(0, np.zeros(5), 0.0, Priority.FINAL), stage.results.append)  # type: ignore[arg-type]
        with pytest.raises(UsageError, match="max_states: 0; give 1 or more"):
            EnginePool("fake", workers=1, max_states=0)

    play(script)


# ---- with real workers ----


async def _speak(pool: EnginePool, owner: str, disturb: Callable[[int], None]) -> list[str]:
    """Feed a second of audio in ten pieces to `pool`; returns the final words."""
    words: list[str] = []
    for piece in range(1, 11):
        done: asyncio.Future[Hypothesis | JobLost] = asyncio.get_running_loop().create_future()
        priority = Priority.INTERIM if piece < 10 else Priority.FINAL
        pool.feed(owner, FeedJob(5, sound(0, piece * 1_600), 0.0, priority), done.set_result)
        disturb(piece)
        result = await done
        assert isinstance(result, Hypothesis), result
        words = [word.text for word in result.words]
    return words


@pytest.mark.parametrize("new_worker", [ThreadWorker, pytest.param(ProcessWorker, marks=pytest.mark.slow)])
def test_streams_are_recognized_side_by_side(new_worker: NewWorker) -> None:
    async def main() -> None:
        pool = EnginePool(ENGINE, workers=2, max_jobs=8, new_worker=new_worker)
        await pool.start()
        try:
            found = await asyncio.gather(*(_speak(pool, owner, lambda piece: None) for owner in "abcde"))
        finally:
            await pool.stop()
        assert found == [chained(sound(0, 16_000))] * 5

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))


@pytest.mark.slow
def test_worker_processes_that_are_killed_in_mid_utterance_cost_no_word() -> None:
    """As they are given a job; all that are there."""
    killed: list[str] = []

    def kill(pool: EnginePool, piece: int) -> None:
        for name in pool.ready_workers if piece in (4, 9) else ():
            killed.append(name)
            os.kill(int(name), signal.SIGKILL)

    async def main() -> None:
        pool = EnginePool(ENGINE, workers=2, max_jobs=8, new_worker=ProcessWorker)
        await pool.start()
        try:
            found = await _speak(pool, "a", partial(kill, pool))
            await until(lambda: pool.restarts == len(killed) > 1)
        finally:
            await pool.stop()
        assert found == chained(sound(0, 16_000))

    asyncio.run(asyncio.wait_for(main(), LIMIT_S))
