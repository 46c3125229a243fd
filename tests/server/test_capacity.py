"""How many live streams fit, by what was measured."""

from __future__ import annotations

import math
from weakref import WeakKeyDictionary

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.server.capacity import (
    FRONT_COST,
    FRONT_SHARE,
    MEMORY_S,
    QUIET_WEIGHT,
    TALKING_SHARE,
    WORKER_SHARE,
    Capacity,
)

PACE_S = 0.1
WORKERS = 2
CLOCKS: WeakKeyDictionary[Capacity, list[float]] = WeakKeyDictionary()
"""Time, busy seconds and CPU seconds of each capacity that was sampled."""
AT_START = WORKERS * WORKER_SHARE / (PACE_S * TALKING_SHARE)


def measured(pace_s: float = PACE_S, workers: int = WORKERS) -> Capacity:
    capacity = Capacity()
    capacity.measured(pace_s, workers=workers)
    return capacity


def run(
    capacity: Capacity,
    seconds: int,
    *,
    talking: int,
    busy_share: float = 0.0,
    front_share: float = 0.0,
    workers: int = WORKERS,
    learn: bool = True,
) -> None:
    """Sample a server once a second whose workers are busy for `busy_share` of the time of one core.

    Its clock and its sums begin where the run before ended.
    """
    clock = CLOCKS.setdefault(capacity, [1000.0, 0.0, 0.0])
    for _ in range(seconds + 1):
        capacity.sample(
            workers=workers,
            busy_s=clock[1],
            front_cpu_s=clock[2],
            talking=talking,
            learn=learn,
            now=clock[0],
        )
        clock[0] += 1.0
        clock[1] += busy_share
        clock[2] += front_share


def test_it_has_no_bound_until_it_is_measured() -> None:
    assert Capacity().streams == math.inf
    assert Capacity().has_room(100_000, 0)


def test_workers_are_filled_to_three_quarters_with_streams_that_talk_as_usual() -> None:
    assert measured().streams == pytest.approx(AT_START) == pytest.approx(25.0)


def test_the_front_may_be_the_bound() -> None:
    assert measured(0.0).streams == pytest.approx(FRONT_SHARE / FRONT_COST)
    assert measured(0.001).streams == pytest.approx(FRONT_SHARE / FRONT_COST)


def test_a_worker_that_is_gone_is_no_capacity_until_it_is_replaced() -> None:
    capacity = measured()
    run(capacity, 1, talking=0, workers=1)
    assert capacity.streams == pytest.approx(AT_START / 2)
    run(capacity, 1, talking=0, workers=2)
    assert capacity.streams == pytest.approx(AT_START)


def test_a_machine_too_slow_for_one_stream_takes_one() -> None:
    capacity = measured(50.0)
    assert capacity.streams == 1.0
    assert capacity.has_room(0, 0)
    assert not capacity.has_room(1, 0)


def test_what_streams_really_cost_replaces_what_was_measured_at_start() -> None:
    """Twenty streams that talk twice as much: half as many fit."""
    capacity = measured()
    run(capacity, 600, talking=20, busy_share=20 * 2 * PACE_S * TALKING_SHARE)
    # The prior of 20 stream-minutes weighs as much as what 20 streams show in the last minute.
    assert capacity.streams == pytest.approx(AT_START / 1.5, rel=0.02)
    run(capacity, 600, talking=200, busy_share=200 * 2 * PACE_S * TALKING_SHARE)
    assert capacity.streams == pytest.approx(AT_START / 2, rel=0.1)


def test_the_front_is_measured_too() -> None:
    capacity = measured(0.001)
    run(capacity, 600, talking=200, busy_share=0.0, front_share=200 * 2 * FRONT_COST)
    assert capacity.streams == pytest.approx(FRONT_SHARE / FRONT_COST / 2, rel=0.1)


def test_what_ran_long_ago_is_forgotten() -> None:
    capacity = measured()
    run(capacity, 300, talking=20, busy_share=20 * 3 * PACE_S * TALKING_SHARE)
    busy = capacity.streams
    run(capacity, int(10 * MEMORY_S), talking=0)
    assert busy < AT_START * 0.7
    assert capacity.streams == pytest.approx(AT_START, rel=0.01)


def test_nothing_is_learned_from_streams_whose_interims_are_stretched() -> None:
    capacity = measured()
    run(capacity, 300, talking=40, busy_share=2.0, learn=False)
    assert capacity.streams == pytest.approx(AT_START)


def test_quiet_streams_count_a_tenth() -> None:
    capacity = Capacity(fixed=10)
    assert capacity.has_room(0, round(9 / QUIET_WEIGHT))
    assert not capacity.has_room(0, round(9 / QUIET_WEIGHT) + 1)
    assert capacity.has_room(8, round(1 / QUIET_WEIGHT))


def test_once_full_it_admits_again_only_with_some_room_to_spare() -> None:
    capacity = measured(PACE_S / 8)  # for 133 streams, by the front
    most = int(capacity.streams)
    assert capacity.has_room(most - 1, 0)
    assert not capacity.has_room(most, 0)
    assert not capacity.has_room(most - 1, 0)
    assert capacity.has_room(int(most * 0.94), 0)
    assert capacity.has_room(most - 1, 0)


def test_a_number_set_by_hand_is_exact() -> None:
    capacity = Capacity(fixed=2)
    capacity.measured(50.0, workers=1)
    assert capacity.streams == 2
    assert [capacity.has_room(live, 0) for live in (0, 1, 2, 1)] == [True, True, False, True]


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 5.0), st.integers(0, 4), st.floats(0.0, 4.0), st.floats(0.0, 1.0), st.integers(0, 500)
        ),
        max_size=30,
    ),
    st.floats(0.0, 10.0),
)
def test_whatever_is_sampled_it_holds_at_least_one_and_no_more_than_the_front_was_seen_to_bear(
    samples: list[tuple[float, int, float, float, int]], pace_s: float
) -> None:
    capacity = measured(pace_s)
    now = busy_s = front_s = 0.0
    for elapsed, workers, busy, front, talking in samples:
        now, busy_s, front_s = now + elapsed, busy_s + busy * elapsed, front_s + front * elapsed
        capacity.sample(workers=workers, busy_s=busy_s, front_cpu_s=front_s, talking=talking, learn=True, now=now)
        assert 1.0 <= capacity.streams < math.inf
        assert capacity.has_room(0, 0)
