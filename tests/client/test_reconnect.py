"""The verdict on every end of a connection, and the delay before the next attempt."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.reconnect import Backoff, Verdict, judge, judge_close, judge_status, refusal
from caesura.errors import (
    BadCredentials,
    CaesuraError,
    ConnectionClosedByServer,
    LineError,
    PaymentRequired,
    Refused,
    TooManyStreams,
    Unreachable,
    UsageError,
)

STOP, PERMANENT, WAIT, RETRY = Verdict.STOP, Verdict.PERMANENT, Verdict.WAIT, Verdict.RETRY

# ---- verdicts ----


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (1000, STOP),
        *((code, RETRY) for code in (1001, 1005, 1006, 1011, 1012, 1013, 1014)),
        *((code, PERMANENT) for code in (1002, 1003, 1004, 1007, 1008, 1009, 1010, 1015, 3000, 4000, 4399, 4600, 0)),
        *((code, PERMANENT) for code in (4400, 4401, 4402, 4403, 4404, 4499)),
        *((code, RETRY) for code in (4408, 4425, 4500, 4503, 4599)),
        (4429, WAIT),
    ],
)
def test_each_close_code_has_its_verdict(code: int, verdict: Verdict) -> None:
    assert judge_close(code) is verdict
    assert judge(ConnectionClosedByServer(code)) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        *((status, PERMANENT) for status in (200, 301, 400, 401, 402, 403, 404, 426, 499)),
        *((status, RETRY) for status in (408, 425, 500, 502, 503, 504, 599)),
        (429, WAIT),
    ],
)
def test_each_http_status_has_its_verdict(status: int, verdict: Verdict) -> None:
    assert judge_status(status) is verdict
    assert judge(refusal(status)) is verdict


@pytest.mark.parametrize("error", [Unreachable("nobody"), LineError("dead"), CaesuraError("whatever")])
def test_what_breaks_in_between_is_tried_again(error: CaesuraError) -> None:
    assert judge(error) is RETRY


def test_our_own_mistake_is_not_tried_again() -> None:
    assert judge(UsageError("no address")) is PERMANENT


# ---- what a refusal says ----


@pytest.mark.parametrize(
    ("status", "kind", "do"),
    [
        (401, BadCredentials, "key"),
        (402, PaymentRequired, "credits"),
        (403, BadCredentials, "may not"),
        (429, TooManyStreams, "streams"),
        (400, Refused, ""),
        (503, Refused, ""),
    ],
)
def test_a_refusal_says_what_to_do(status: int, kind: type[Refused], do: str) -> None:
    error = refusal(status, "No.", "01a0", 7.0)
    assert type(error) is kind
    assert (error.status, error.dg_error, error.request_id, error.retry_after_s) == (status, "No.", "01a0", 7.0)
    for said in (str(status), "No.", "01a0", do):
        assert said in str(error)


# ---- waiting ----

chances = st.floats(0, 1, exclude_max=True)
attempts = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("attempt", "verdict", "longest"),
    [
        *((attempt, RETRY, longest) for attempt, longest in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0))),
        *((attempt, WAIT, longest) for attempt, longest in enumerate((4.0, 8.0, 16.0, 30.0, 30.0))),
        (100_000, RETRY, 10.0),
    ],
)
def test_the_longest_wait_doubles_up_to_its_cap(attempt: int, verdict: Verdict, longest: float) -> None:
    assert Backoff().delay_s(attempt, verdict, lambda: 1.0) == longest


@given(attempts, chances, st.sampled_from([RETRY, WAIT]))
def test_any_part_of_the_longest_wait_is_as_likely_as_another(attempt: int, chance: float, verdict: Verdict) -> None:
    """Full jitter: from nothing at all to the cap, in proportion to the draw."""
    backoff = Backoff()
    longest = backoff.delay_s(attempt, verdict, lambda: 1.0)
    assert backoff.delay_s(attempt, verdict, lambda: chance) == chance * longest


@given(attempts, chances, st.floats(0, 1000), st.sampled_from([RETRY, WAIT]))
def test_retry_after_is_waited_out_but_not_for_ever(
    attempt: int, chance: float, retry_after_s: float, verdict: Verdict
) -> None:
    delay = Backoff().delay_s(attempt, verdict, lambda: chance, retry_after_s=retry_after_s)
    assert min(retry_after_s, 120.0) <= delay <= 120.0 + 30.0 / 4


def test_clients_with_retry_after_do_not_return_all_at_once() -> None:
    chances = iter((0.0, 0.5, 1.0))
    delays = {Backoff().delay_s(0, WAIT, chances.__next__, retry_after_s=5.0) for _ in range(3)}
    assert delays == {5.0, 5.5, 6.0}
