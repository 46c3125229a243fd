"""The audio thread: work is submitted on the loop's thread, run on its own, and its results return to the loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.pipeline.audio_thread import AudioThread, VoiceDetection
from caesura.speech.vad import SileroModel, SileroVad
from tests.waiting import until


def with_audio_thread(scenario: Callable[[AudioThread], Awaitable[None]]) -> None:
    """Runs `scenario` with a running audio thread."""

    async def main() -> None:
        thread = AudioThread(clock=time.monotonic)
        thread.start()
        try:
            async with asyncio.timeout(10):
                await scenario(thread)
        finally:
            thread.stop()

    asyncio.run(main())


def test_work_runs_on_one_other_thread_and_its_result_on_the_loop() -> None:
    async def scenario(thread: AudioThread) -> None:
        done = asyncio.get_running_loop().create_future()
        threads: list[int] = []

        def work() -> Callable[[], None]:
            threads.append(threading.get_ident())
            return lambda: done.set_result(threading.get_ident())

        thread.submit(work)
        assert await done == threading.get_ident()
        assert threads != [threading.get_ident()]

    with_audio_thread(scenario)


def test_results_come_in_the_order_of_the_work() -> None:
    async def scenario(thread: AudioThread) -> None:
        delivered: list[int] = []
        last = asyncio.Event()

        def work(number: int) -> Callable[[], None]:
            return lambda: delivered.append(number)

        for number in range(500):
            thread.submit(partial(work, number))
        thread.submit(lambda: last.set)
        await last.wait()
        assert delivered == list(range(500))

    with_audio_thread(scenario)


def test_how_long_the_oldest_work_has_been_on_its_way_is_known() -> None:
    async def scenario(thread: AudioThread) -> None:
        loop = asyncio.get_running_loop()
        held, over = threading.Event(), asyncio.Event()

        def wait() -> Callable[[], None]:
            held.wait(10)
            return lambda: None

        assert thread.oldest_wait_s == 0.0
        before = loop.time()
        thread.submit(wait)
        thread.submit(lambda: over.set)
        first = thread.oldest_wait_s
        while loop.time() < before + 0.02:
            await asyncio.sleep(0)
        assert first < 0.02 <= loop.time() - before
        assert thread.oldest_wait_s > first
        held.set()
        await over.wait()
        assert thread.oldest_wait_s == 0.0

    with_audio_thread(scenario)


class OddOnesOut:
    """In the place of the network: it fails on whatever batch holds a loud row."""

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        if any(each.max() > 0.9 for each in rows):
            raise MemoryError
        return [np.zeros(len(each), np.float32) for each in rows], h, c


def test_a_fault_in_the_voice_of_one_stream_is_its_own() -> None:
    """The others of its batch are detected all the same, each sample once."""

    async def scenario(thread: AudioThread) -> None:
        model, told = cast(SileroModel, OddOnesOut()), asyncio.Event()
        samples = [np.full(1024, level, np.float32) for level in (0.1, 1.0, 0.2)]
        vads = [SileroVad(model) for _ in samples]
        found: list[VoiceDetection] = []

        def work() -> Callable[[], None]:
            found.extend(map(thread.detect_voice, vads, samples))
            return told.set

        thread.submit(work)
        await told.wait()
        assert [type(each.error) for each in found] == [type(None), MemoryError, type(None)]
        lengths = [None if each.probabilities is None else len(each.probabilities) for each in found]
        assert lengths == [2, None, 2]

    with_audio_thread(scenario)


def test_a_fault_in_one_result_does_not_swallow_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(thread: AudioThread) -> None:
        held, delivered = threading.Event(), asyncio.Event()

        def wait() -> Callable[[], None]:
            held.wait(10)
            return lambda: None

        def fail() -> None:
            raise ZeroDivisionError("a stream has a fault")

        # All three results are delivered in one wake-up of the loop.
        thread.submit(wait)
        thread.submit(lambda: fail)
        thread.submit(lambda: delivered.set)
        held.set()
        await delivered.wait()
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is ZeroDivisionError

    with_audio_thread(scenario)


def test_stop_finishes_what_is_queued_and_ends_the_thread() -> None:
    done: list[int] = []

    def work(number: int) -> Callable[[], None]:
        done.append(number)
        return lambda: None

    async def main() -> None:
        thread = AudioThread(clock=time.monotonic)
        thread.start()
        for number in range(20):
            thread.submit(partial(work, number))
        thread.stop()

    asyncio.run(main())
    assert done == list(range(20))
    assert not [thread for thread in threading.enumerate() if thread.name == "caesura-thread"]


def test_results_of_a_stopped_thread_no_longer_reach_the_loop() -> None:
    delivered: list[str] = []
    stopping = threading.Event()

    def work() -> Callable[[], None]:
        stopping.wait(10)
        return lambda: delivered.append("late")

    async def main() -> None:
        thread = AudioThread(clock=time.monotonic)
        thread.start()
        thread.submit(work)
        threading.Timer(0.02, stopping.set).start()
        thread.stop()
        await asyncio.sleep(0.02)

    asyncio.run(main())
    assert stopping.is_set()
    assert delivered == []


def test_only_streams_on_time_count_as_waiting() -> None:
    """A client that pushes a file ahead of real time waits on purpose: that is no overload."""

    async def main() -> None:
        thread, hold, done = AudioThread(gather_s=0, clock=time.monotonic), threading.Event(), list[str]()

        def work(name: str) -> Callable[[], None]:
            hold.wait(10)
            return partial(done.append, name)

        thread.start()
        try:
            thread.submit(partial(work, "ahead"), ahead=True)
            await asyncio.sleep(0.01)
            assert thread.oldest_wait_s == 0.0
            thread.submit(partial(work, "on time"))
            await asyncio.sleep(0.01)
            assert thread.oldest_wait_s > 0.0
            hold.set()
            await until(lambda: len(done) == 2)
            assert thread.oldest_wait_s == 0.0
        finally:
            hold.set()
            thread.stop()

    asyncio.run(main())


def test_calls_for_soon_are_made_together_and_in_their_order() -> None:
    async def main() -> None:
        thread, delivered = AudioThread(gather_s=0.02, clock=time.monotonic), list[int]()
        thread.start()
        try:
            for number in range(5):
                thread.gather(partial(delivered.append, number))
            await asyncio.sleep(0)
            assert delivered == []
            await until(lambda: delivered)
            assert delivered == list(range(5))
            thread.gather(partial(delivered.append, 5))
            await until(lambda: len(delivered) == 6)
        finally:
            thread.stop()

    asyncio.run(main())


def test_a_single_stream_does_not_wait_for_many() -> None:
    """Of the hour that pieces of many streams might wait for each other it waits some milliseconds."""

    async def main() -> None:
        thread, called = AudioThread(gather_s=3600, clock=time.monotonic), asyncio.Event()
        thread.start()
        try:
            for _ in range(3):
                thread.gather(called.set)
                await asyncio.wait_for(called.wait(), 10)
                called.clear()
        finally:
            thread.stop()

    asyncio.run(main())


def test_what_a_gathered_call_gathers_joins_the_same_batch() -> None:
    """As a connection does, whose stream gathers too: its pieces wait once, and run with those of the others."""

    async def main() -> None:
        thread, batches, done = AudioThread(gather_s=0.02, clock=time.monotonic), list[str](), asyncio.Event()
        order: list[str] = []

        def work(name: str) -> Callable[[], None]:
            batches.append(f"{name} on the thread")
            return partial(batches.append, f"{name} back") if name != "second" else done.set

        def pass_on(name: str) -> None:
            order.append(f"{name} passed on")
            thread.submit(partial(work, name))

        def hand_over(name: str) -> None:
            thread.gather(partial(pass_on, name))
            # A connection hands over several messages, and its stream passes them on as one piece.
            order.append(f"{name} handed over")

        thread.start()
        try:
            for name in ("first", "second"):
                thread.gather(partial(hand_over, name))
            await asyncio.wait_for(done.wait(), 10)
            assert batches == ["first on the thread", "second on the thread", "first back"]
            assert order == ["first handed over", "second handed over", "first passed on", "second passed on"]
        finally:
            thread.stop()

    asyncio.run(main())


def test_without_gathering_soon_is_now() -> None:
    async def main() -> None:
        thread, delivered = AudioThread(gather_s=0, clock=time.monotonic), list[str]()
        thread.start()
        thread.gather(partial(delivered.append, "now"))
        assert delivered == ["now"]
        thread.stop()

    asyncio.run(main())


def test_a_stream_on_time_does_not_wait_for_those_ahead() -> None:
    async def scenario(thread: AudioThread) -> None:
        order: list[str] = []
        held, last = threading.Event(), asyncio.Event()

        def wait() -> Callable[[], None]:
            # Longer than it may take until the next turn of one that is ahead.
            held.wait(10)
            time.sleep(0.02)
            return lambda: None

        def work(name: str) -> Callable[[], None]:
            order.append(name)
            return lambda: last.set() if len(order) == 3 else None

        thread.submit(wait, ahead=True)
        thread.submit(partial(work, "ahead"), ahead=True)
        thread.submit(partial(work, "on time"))
        thread.submit(partial(work, "on time"))
        held.set()
        await last.wait()
        assert order == ["on time", "on time", "ahead"]

    with_audio_thread(scenario)
