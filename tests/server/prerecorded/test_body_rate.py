"""Speed of a body: a window over the time spent waiting, and which uploads give way."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Coroutine
from typing import Any

import pytest

from caesura.server.prerecorded import body_rate
from caesura.server.prerecorded.body_rate import MIN_BYTES_PER_S, SLOW_BYTES_PER_S, BodyRate, BodyTooSlow, Throughput


def run(story: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(story, 10))


def test_nothing_is_known_before_the_window_is_full() -> None:
    rate = Throughput(10.0)
    rate.add(500, 1.0)
    assert rate.per_s(9.9) is None
    assert rate.per_s(10.0) == 50.0


def test_only_what_came_within_the_window_counts() -> None:
    rate = Throughput(10.0)
    rate.add(1_000_000, 0.0)
    for second in range(1, 31):
        rate.add(100, float(second))
    found = rate.per_s(30.0)
    assert found is not None
    # A mark lies every 1.25 s at the closest, so the window is up to that much longer.
    assert 90.0 <= found <= 120.0


def test_marks_are_few_however_many_pieces_come() -> None:
    rate = Throughput(10.0)
    for n in range(100_000):
        rate.add(1, n * 0.001)
    assert len(pickle.dumps(rate)) < 400


class Clock:
    """In the place of the loop's time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)


def wait_for(rate: BodyRate, clock: Clock, seconds: float) -> Coroutine[Any, Any, None]:
    async def coming() -> None:
        clock.now += seconds

    return rate.wait(coming())


def test_only_the_time_counts_in_which_a_body_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that is not read from, because the engine is behind, does not count as slow."""

    async def main() -> None:
        clock = Clock(monkeypatch)
        patient, dripping = BodyRate(60.0), BodyRate(60.0)
        for _ in range(10):
            await wait_for(patient, clock, 0.1)
            patient.received(100)
            clock.now += 1_000.0
        for _ in range(2):
            await wait_for(dripping, clock, 20.0)
            dripping.received(20 * MIN_BYTES_PER_S - 1)
        await wait_for(dripping, clock, 20.0)
        with pytest.raises(BodyTooSlow):
            dripping.received(20 * MIN_BYTES_PER_S - 1)

    asyncio.run(main())


def test_the_thriftiest_codec_in_real_time_is_fast_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clock, rate = Clock(monkeypatch), BodyRate(60.0)
        for _ in range(3_000):
            await wait_for(rate, clock, 0.4)
            rate.received(round(0.4 * MIN_BYTES_PER_S) + 1)

    asyncio.run(main())


def test_a_body_gives_way_while_it_is_waited_for_and_only_when_it_is_slow() -> None:
    async def main() -> None:
        rate = BodyRate(60.0)
        assert not rate.slow
        loop = asyncio.get_running_loop()
        began = loop.time()
        waiting = asyncio.create_task(rate.wait(asyncio.Event().wait()))
        await asyncio.sleep(0)
        assert not rate.slow
        later = began
        loop.time = lambda: later  # type: ignore[method-assign]
        later = began + body_rate.SLOW_AFTER_S + 0.1
        assert rate.slow
        del loop.time
        rate.cut()
        assert not rate.slow
        with pytest.raises(BodyTooSlow):
            await waiting

    run(main())


def test_a_fast_body_does_not_give_way(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        clock, rate = Clock(monkeypatch), BodyRate(60.0)
        for _ in range(20):
            await wait_for(rate, clock, 1.0)
            rate.received(SLOW_BYTES_PER_S)
        seen: list[bool] = []

        async def coming() -> None:
            clock.now += 0.5
            seen.append(rate.slow)
            clock.now += 5.0
            seen.append(rate.slow)

        await rate.wait(coming())
        assert seen == [False, True]

    asyncio.run(main())


def test_what_was_cut_is_not_waited_for_again() -> None:
    async def main() -> None:
        rate = BodyRate(60.0)
        rate.cut()
        with pytest.raises(BodyTooSlow):
            await rate.wait(asyncio.Event().wait())

    run(main())


def test_a_time_limit_of_others_stays_theirs() -> None:
    async def late() -> None:
        raise TimeoutError("theirs")

    with pytest.raises(TimeoutError, match="theirs"):
        run(BodyRate(60.0).wait(late()))
