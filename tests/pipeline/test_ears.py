"""The listening thread: work in on the loop's thread, done on its own, results back on the loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from caesura.pipeline.ears import Ears


def with_ears(scenario: Callable[[Ears], Awaitable[None]]) -> None:
    """Runs `scenario` with ears that listen."""

    async def main() -> None:
        ears = Ears()
        ears.start()
        try:
            async with asyncio.timeout(10):
                await scenario(ears)
        finally:
            ears.stop()

    asyncio.run(main())


def test_work_runs_on_one_other_thread_and_its_result_on_the_loop() -> None:
    async def scenario(ears: Ears) -> None:
        done = asyncio.get_running_loop().create_future()
        threads: list[int] = []

        def work() -> Callable[[], None]:
            threads.append(threading.get_ident())
            return lambda: done.set_result(threading.get_ident())

        ears.do(work)
        assert await done == threading.get_ident()
        assert threads != [threading.get_ident()]

    with_ears(scenario)


def test_results_come_in_the_order_of_the_work() -> None:
    async def scenario(ears: Ears) -> None:
        told: list[int] = []
        last = asyncio.Event()

        def work(number: int) -> Callable[[], None]:
            return lambda: told.append(number)

        for number in range(500):
            ears.do(lambda number=number: work(number))  # type: ignore[misc]
        ears.do(lambda: last.set)
        await last.wait()
        assert told == list(range(500))

    with_ears(scenario)


def test_a_fault_in_one_result_does_not_swallow_the_others() -> None:
    async def scenario(ears: Ears) -> None:
        faults: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
        held, told = threading.Event(), asyncio.Event()

        def wait() -> Callable[[], None]:
            held.wait(10)
            return lambda: None

        def fail() -> None:
            raise ZeroDivisionError("a stream has a fault")

        # All three results are delivered in one wake-up of the loop.
        ears.do(wait)
        ears.do(lambda: fail)
        ears.do(lambda: told.set)
        held.set()
        await told.wait()
        assert [type(each["exception"]) for each in faults] == [ZeroDivisionError]

    with_ears(scenario)


def test_stop_finishes_what_is_queued_and_ends_the_thread() -> None:
    async def main() -> None:
        ears, done = Ears(), []
        ears.start()
        for number in range(20):
            ears.do(lambda number=number: done.append(number) or (lambda: None))  # type: ignore[misc,func-returns-value]
        ears.stop()
        assert done == list(range(20))
        assert not [thread for thread in threading.enumerate() if thread.name == "caesura-ears"]

    asyncio.run(main())


def test_results_of_a_stopped_thread_no_longer_reach_the_loop() -> None:
    async def main() -> list[str]:
        ears, told = Ears(), []
        ears.start()
        held = threading.Event()
        ears.do(lambda: held.wait(10) and (lambda: told.append("late")))  # type: ignore[arg-type,return-value]
        asyncio.get_running_loop().call_later(0.01, held.set)
        threading.Timer(0.02, held.set).start()
        ears.stop()
        await asyncio.sleep(0.02)
        return told

    assert asyncio.run(main()) == []
