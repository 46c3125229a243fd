"""When a line tries to connect again, and when it stops trying."""

from __future__ import annotations

from math import inf

import pytest

from caesura.client.outage import Outage
from caesura.client.reconnect import Backoff, Verdict, refusal
from caesura.errors import LineError, ReconnectFailed, Unreachable

LOST = LineError("the connection was lost")


def outage(open_within_s: float | None = None) -> Outage:
    """With the longest delays that jitter gives."""
    made = Outage(Backoff(base_s=1.0, budget_s=60.0), open_within_s, lambda: 1.0)
    made.begin(now=100.0)
    return made


def test_each_attempt_waits_longer_than_the_one_before() -> None:
    made = outage()
    assert [made.schedule(LOST, Verdict.RETRY, is_first=False, now=100.0) for _ in range(3)] == [1.0, 2.0, 4.0]
    assert (made.attempts, made.attempt_at, made.last_error) == (3, 104.0, LOST)


def test_a_new_outage_begins_with_short_delays_again() -> None:
    made = outage()
    for _ in range(3):
        made.schedule(LOST, Verdict.RETRY, is_first=False, now=100.0)
    made.begin(now=200.0)
    assert made.schedule(LOST, Verdict.RETRY, is_first=False, now=200.0) == 1.0


def test_retry_after_is_waited_out() -> None:
    error = refusal(429, retry_after_s=7.0)
    assert outage().schedule(error, Verdict.WAIT, is_first=False, now=100.0) == 8.0


@pytest.mark.parametrize("verdict", [Verdict.PERMANENT, Verdict.STOP])
def test_what_would_end_the_same_way_is_not_tried_again(verdict: Verdict) -> None:
    made = outage()
    assert made.schedule(LOST, verdict, is_first=False, now=100.0) is None
    assert made.attempt_at == inf


def test_an_outage_ends_with_its_budget() -> None:
    made = outage()
    assert made.schedule(LOST, Verdict.RETRY, is_first=False, now=158.9) == 1.0
    assert made.schedule(LOST, Verdict.RETRY, is_first=False, now=159.0) is None


@pytest.mark.parametrize(("open_within_s", "lasts_s"), [(None, 10.0), (30.0, 30.0)])
def test_the_first_connection_has_a_budget_of_its_own(open_within_s: float | None, lasts_s: float) -> None:
    made = outage(open_within_s)
    assert made.schedule(LOST, Verdict.RETRY, is_first=True, now=100.0 + lasts_s - 1.0) is None
    tried = outage(open_within_s).schedule(LOST, Verdict.RETRY, is_first=True, now=100.0 + lasts_s - 1.5)
    assert tried == 1.0


def test_a_first_connection_without_a_budget_is_tried_once() -> None:
    assert outage(0.0).schedule(LOST, Verdict.RETRY, is_first=True, now=100.0) is None


def test_a_very_first_attempt_that_is_refused_is_not_repeated_unless_a_time_is_set() -> None:
    refused = Unreachable("nothing listens", retryable=False)
    assert outage().schedule(refused, Verdict.RETRY, is_first=True, now=100.0) is None
    assert outage(30.0).schedule(refused, Verdict.RETRY, is_first=True, now=100.0) == 1.0
    made = outage()
    made.schedule(LOST, Verdict.RETRY, is_first=True, now=100.0)
    assert made.schedule(refused, Verdict.RETRY, is_first=True, now=101.0) == 2.0


def test_the_exception_names_the_length_of_the_outage_and_the_last_failure() -> None:
    failed = outage().failure(LOST, now=161.0)
    assert isinstance(failed, ReconnectFailed)
    assert str(failed) == "No connection for 61 s. the connection was lost"
    assert failed.__cause__ is LOST


def test_a_cleared_outage_has_no_attempt() -> None:
    made = outage()
    made.schedule(LOST, Verdict.RETRY, is_first=False, now=100.0)
    made.clear()
    assert made.attempt_at == inf
