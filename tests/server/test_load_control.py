"""Admission and interim stretch by the queue of an engine."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from caesura.server.capacity import Capacity
from caesura.server.load_control import SAMPLE_S, UNPROVEN_PER_WORKER, EngineLoad, LoadSampler


@dataclass
class Queue:
    """Stands in for a pool."""

    workers: int = 2
    oldest_wait_s: float = 0.0
    interim_stretch: float = 1.0
    live_busy_s: float = 0.0

    @property
    def ready_workers(self) -> Sequence[str]:
        return [str(number) for number in range(self.workers)]


@dataclass
class Backlog:
    """Stands in for the audio thread."""

    oldest_wait_s: float = 0.0


def run(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_run(story), 10))


async def _run(story: Callable[[], Awaitable[None]]) -> None:
    await story()


def overload(load: EngineLoad, queue: Queue, wait: float = 0.9) -> None:
    """The queue has been too long for some seconds."""
    queue.oldest_wait_s = wait
    for step in range(30):
        load.sample(1000.0 + step * 0.1)


def test_so_many_are_admitted_at_once_for_each_worker_and_the_next_waits_for_its_turn() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=2), Backlog())
        most = 2 * UNPROVEN_PER_WORKER
        assert [load.enter(number) for number in range(most + 1)] == [True] * most + [False]
        first, second = (asyncio.create_task(load.turn(name)) for name in ("first", "second"))
        await asyncio.sleep(0)
        assert load.waiting == 2
        # The order of arrival is kept.
        load.left(0)
        assert not load.enter("late")
        assert await first
        assert not second.done()
        load.text(1)
        assert await second
        assert load.waiting == 0

    run(story)


def test_a_stream_without_a_turn_in_time_is_not_admitted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.server.load_control.TURN_S", 0.0)

    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=1), Backlog())
        for number in range(UNPROVEN_PER_WORKER):
            load.enter(number)
        assert not await load.turn("late")
        assert load.waiting == 0

    run(story)


def test_a_client_that_disconnects_while_it_waits_takes_no_turn() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=1), Backlog())
        for number in range(UNPROVEN_PER_WORKER):
            load.enter(number)
        gone, next_one = (asyncio.create_task(load.turn(name)) for name in ("gone", "next"))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        load.left(0)
        assert await next_one

    run(story)


def test_overload_refuses_streams_and_is_logged_at_its_beginning_and_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "caesura.server")

    async def story() -> None:
        queue = Queue()
        load = EngineLoad("engine", queue, Backlog())
        waiting = asyncio.create_task(_full_turn(load))
        await asyncio.sleep(0)
        overload(load, queue)
        assert not await waiting
        assert load.refusing
        assert not load.enter("new")
        assert len(caplog.records) == 1
        queue.oldest_wait_s = 0.0
        for step in range(200):
            load.sample(1010.0 + step * 0.1)
        assert not load.refusing
        for number in range(queue.workers * UNPROVEN_PER_WORKER):
            load.left(number)
        assert load.enter("new")
        assert len(caplog.records) == 2

    run(story)


async def _full_turn(load: EngineLoad) -> bool:
    number = 0
    while load.enter(number):
        number += 1
    return await load.turn("waiting")


def test_the_interim_stretch_is_set_on_the_queue() -> None:
    async def story() -> None:
        queue = Queue()
        load = EngineLoad("engine", queue, Backlog())
        overload(load, queue, 2.5)
        assert queue.interim_stretch == load.interim_stretch == math.inf
        queue.oldest_wait_s = 0.0
        load.sample(1100.0)
        assert queue.interim_stretch == 1.0

    run(story)


def test_audio_that_waits_for_the_thread_counts_as_jobs_that_wait_for_a_worker() -> None:
    async def story() -> None:
        audio = Backlog(0.9)
        load = EngineLoad("engine", Queue(), audio)
        overload(load, Queue(), 0.0)
        assert load.refusing

    run(story)


def test_an_event_loop_that_is_late_counts_too() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(), Backlog())
        for step in range(30):
            load.sample(1000.0 + step * 0.1, loop_lag_s=0.9)
        assert load.refusing

    run(story)


def test_the_sampler_notices_by_how_much_it_is_late_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        now = [1000.0]
        monkeypatch.setattr(loop, "call_at", lambda *_: cast(asyncio.TimerHandle, object()))
        monkeypatch.setattr(loop, "time", lambda: now[0])
        queue = Queue()
        sampler = LoadSampler([EngineLoad("engine", queue, Backlog())])
        with sampler.running():
            now[0] += SAMPLE_S
            sampler.sample()
            assert queue.interim_stretch == 1.0
            now[0] += SAMPLE_S + 0.5
            sampler.sample()
            assert queue.interim_stretch == pytest.approx(2.0)

    asyncio.run(story())


def test_the_sampler_has_one_timer_and_none_without_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.server.load_control.SAMPLE_S", 0.001)
    monkeypatch.setattr("caesura.server.overload.DECAY_S", 0.001)

    async def story() -> None:
        queue = Queue()
        load = EngineLoad("engine", queue, Backlog())
        sampler = LoadSampler([load])
        loop = asyncio.get_running_loop()
        timers: list[object] = []
        call_at = loop.call_at

        def noted(when: float, call: Callable[..., object]) -> asyncio.TimerHandle:
            timers.append(call)
            return call_at(when, call)

        monkeypatch.setattr(loop, "call_at", noted)
        with sampler.running(), sampler.running():
            assert len(timers) == 1
            queue.oldest_wait_s = 0.4
            while queue.interim_stretch == 1.0:
                await asyncio.sleep(0)
        queue.oldest_wait_s = 0.0
        # It goes on until the interims are back.
        while sampler.active:
            await asyncio.sleep(0)
        assert queue.interim_stretch == 1.0

    run(story)


def test_a_full_engine_admits_again_when_streams_leave_or_are_held() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(), Backlog(), Capacity(fixed=3))
        assert [load.enter(name) for name in "abc"] == [True, True, True]
        assert load.full  # they have just come, and are expected to speak
        for name in "abc":
            load.text(name)
        assert not load.full  # they are held, and count a tenth
        for name in "abc":
            load.talks(name)
        assert load.full
        assert not load.enter("d")
        assert not await load.turn("d")
        load.pauses("a")
        assert load.full  # by a tenth
        load.pauses("b")
        assert not load.full
        load.talks("a")
        load.talks("b")
        load.left("c")
        assert load.enter("d")
        for name in "abd":
            load.left(name)
        for name in "efg":
            assert load.enter(name)
            load.audio(name)
            load.talks(name)

    run(story)


def test_only_as_many_wait_for_their_turn_as_there_will_be_room_for() -> None:
    """So that the others get their answer at once."""

    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=1), Backlog(), Capacity(fixed=UNPROVEN_PER_WORKER + 1))
        for number in range(UNPROVEN_PER_WORKER):
            assert load.enter(number)
        waiting = asyncio.create_task(load.turn("next"))
        await asyncio.sleep(0)
        assert load.full
        assert not await load.turn("one too many")
        load.left(0)
        assert await waiting

    run(story)


def test_streams_that_wait_for_their_turn_are_refused_when_the_engine_is_full() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=1), Backlog(), Capacity(fixed=UNPROVEN_PER_WORKER))
        for number in range(UNPROVEN_PER_WORKER):
            assert load.enter(number)
        waiting = asyncio.create_task(load.turn("late"))
        await asyncio.sleep(0)
        for number in range(UNPROVEN_PER_WORKER):
            load.talks(number)
        load.sample(1000.0)
        assert not await waiting

    run(story)


def test_a_sample_tells_the_capacity_what_workers_and_front_have_done() -> None:
    async def story() -> None:
        queue, capacity = Queue(), Capacity()
        capacity.measured(0.1, workers=2)
        load = EngineLoad("engine", queue, Backlog(), capacity)
        before = capacity.streams
        load.enter("a")
        load.talks("a")
        for second in range(600):
            queue.live_busy_s = 2.0 * second
            load.sample(1000.0 + second, front_cpu_s=0.5 * second)
        assert 1.0 < capacity.streams < before / 2

    run(story)


def test_a_stream_that_gives_up_just_as_its_turn_has_come_takes_no_room() -> None:
    async def story() -> None:
        load = EngineLoad("engine", Queue(workers=1), Backlog(), Capacity(fixed=UNPROVEN_PER_WORKER + 1))
        for number in range(UNPROVEN_PER_WORKER):
            assert load.enter(number)
        waiting = asyncio.create_task(load.turn("late"))
        await asyncio.sleep(0)
        load.left(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert load.enter("next")

    run(story)


def test_streams_that_cost_little_because_their_interims_are_stretched_do_not_raise_the_capacity() -> None:
    async def story() -> None:
        queue, capacity = Queue(oldest_wait_s=1.0), Capacity()
        capacity.measured(0.1, workers=2)
        load = EngineLoad("engine", queue, Backlog(), capacity)
        load.sample(1000.0)
        before = capacity.streams
        load.talks("a")
        for step in range(1, 600):
            load.sample(1000.0 + step)
        assert load.interim_stretch > 1.0
        assert capacity.streams == before

    run(story)
