"""When new streams are refused, and by how much interims are stretched."""

from __future__ import annotations

import math

import pytest

from caesura.protocol.closing import TOO_MANY_REQUESTS, refusal_body
from caesura.server.overload import OverloadGuard, overloaded
from tests.server.crowd import Simulation


def watched(*waits: tuple[float, float], every: float = 0.1) -> OverloadGuard:
    """A guard that saw the oldest job wait so long (seconds), each for so many seconds."""
    guard = OverloadGuard()
    sample(guard, *waits, every=every)
    return guard


def sample(guard: OverloadGuard, *waits: tuple[float, float], every: float = 0.1, at: float = 1000.0) -> float:
    for wait, seconds in waits:
        for _ in range(round(seconds / every)):
            guard.sample(wait, now=at)
            at += every
    return at


def test_a_job_that_waits_long_enough_for_long_enough_has_new_streams_refused() -> None:
    assert not watched((0.6, 2.0)).refusing
    assert watched((0.6, 2.1)).refusing
    assert not watched((0.5, 60.0)).refusing


def test_a_wait_that_ends_before_two_seconds_begins_anew() -> None:
    assert not watched((0.6, 1.9), (0.4, 0.1), (0.6, 1.9)).refusing


def test_refusing_ends_when_the_queue_has_been_short_for_two_seconds() -> None:
    guard = watched((0.6, 3.0))
    at = sample(guard, (0.3, 60.0), at=1003.0)
    assert guard.refusing
    at = sample(guard, (0.2, 2.0), at=at)
    assert guard.refusing
    sample(guard, (0.2, 0.2), at=at)
    assert not guard.refusing


def test_between_the_thresholds_nothing_changes() -> None:
    """Each change takes the wait across both thresholds, so the state does not flap."""
    guard = watched((0.4, 60.0))
    assert not guard.refusing
    at = sample(guard, (0.6, 3.0), at=1060.0)
    states = []
    for _ in range(20):
        at = sample(guard, (0.4, 0.5), (0.3, 0.5), (0.24, 0.5), at=at)
        states.append(guard.refusing)
    assert all(states)


def test_interims_are_unchanged_while_nothing_waits_and_stretched_before_streams_are_refused() -> None:
    assert watched((0.0, 1.0)).interim_stretch == 1.0
    assert watched((0.25, 1.0)).interim_stretch == 1.0
    soon = watched((0.5, 0.1))
    assert soon.interim_stretch == pytest.approx(2.0)
    assert not soon.refusing


def test_interims_are_stretched_with_the_age_of_the_queue_up_to_finals_only_and_shrink_back() -> None:
    guard = OverloadGuard()
    stretches = []
    for number, wait in enumerate((0.0, 0.3, 0.6, 1.2, 2.4)):
        guard.sample(wait, now=number * 0.1)
        stretches.append(guard.interim_stretch)
    assert stretches == sorted(set(stretches))
    assert stretches[-1] == math.inf
    shrinking = []
    for number in range(100):
        guard.sample(0.0, now=1.0 + number * 0.1)
        shrinking.append(guard.interim_stretch)
    assert shrinking == sorted(shrinking, reverse=True)
    assert shrinking[-1] == 1.0


def test_a_queue_that_is_empty_for_a_moment_does_not_bring_all_interims_back_at_once() -> None:
    guard = watched((1.8, 1.0), (0.0, 0.2))
    assert guard.interim_stretch > 6


def test_the_longer_jobs_wait_the_fewer_streams_are_admitted() -> None:
    assert [round(watched((wait, 60.0)).calm, 3) for wait in (0.0, 0.125, 0.25)] == [1.0, 0.5, 0.0]
    guard = watched((0.6, 3.0))
    sample(guard, (0.0, 1.9), at=1003.0)
    assert guard.refusing
    assert guard.calm == 0.0


def test_occasional_waiting_at_a_slow_engine_refuses_no_stream() -> None:
    guard = watched(*([(0.6, 0.6), (0.0, 6.0)] * 10))
    assert guard.calm > 0.5
    assert not guard.refusing


def test_samples_at_the_same_moment_do_no_harm() -> None:
    guard = OverloadGuard()
    for _ in range(100):
        guard.sample(0.9, now=5.0)
    assert not guard.refusing
    assert guard.interim_stretch == watched((0.9, 0.1)).interim_stretch > 1.0


def test_retries_are_spread_over_one_to_three_seconds_and_the_body_is_the_captured_one() -> None:
    assert [overloaded(random, why="queue").retry_after_s for random in (0.0, 0.34, 0.99)] == [1, 2, 3]
    assert refusal_body(overloaded(0.5, why="capacity"), "id") == refusal_body(TOO_MANY_REQUESTS, "id")


# ---- with all parts, in simulated time ----


def test_of_eighty_simultaneous_clients_as_many_are_admitted_as_can_be_served() -> None:
    """The number settles, finals come within a second all the time, and none is outstanding at the end."""
    crowd = Simulation(80).run(60)
    assert 30 <= len(crowd.admitted_at) <= 60
    assert not [at for at in crowd.admitted_at if at > 45]
    assert crowd.refusals > 80
    assert crowd.unfinished == 0
    for since in (0.0, 20.0, 40.0):
        assert crowd.late_p95(since) < 1.0
    assert crowd.refusing_changes <= 2
    assert crowd.interims > len(crowd.admitted_at)


def test_without_admission_control_all_are_admitted_and_all_finals_lag() -> None:
    """This shows that the test above depends on the bounds, and that there is not enough capacity for all."""
    crowd = Simulation(80, bounded=False).run(60)
    assert len(crowd.admitted_at) == 80
    assert crowd.late_p95(40.0) > 1.0


def test_few_clients_get_in_at_once_and_all_their_interims() -> None:
    crowd = Simulation(8).run(30)
    assert max(crowd.admitted_at) == 0.0
    assert (crowd.refusals, set(crowd.stretches)) == (0, {1.0})
