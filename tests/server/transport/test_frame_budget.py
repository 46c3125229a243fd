"""How many frames without a message one connection may send."""

from __future__ import annotations

import pytest

from caesura.server.transport.frame_budget import BURST, RATE_PER_S, FrameBudget


def test_a_burst_is_accepted_and_one_more_frame_is_not() -> None:
    budget = FrameBudget(now=100.0)
    assert budget.spend(int(BURST), now=100.0)
    assert budget.spend(0, now=100.0)
    assert not budget.spend(1, now=100.0)


def test_the_burst_counts_over_any_number_of_pieces() -> None:
    budget = FrameBudget(now=0.0)
    assert [budget.spend(100, now=0.0) for _ in range(6)] == [True] * 5 + [False]


@pytest.mark.parametrize(("rate", "lasts"), [(RATE_PER_S, True), (RATE_PER_S + 1, False)])
def test_a_steady_rate_is_let_through_for_ever(rate: float, lasts: bool) -> None:
    budget = FrameBudget(now=0.0)
    assert all(budget.spend(int(rate), now=float(second)) for second in range(1, 1000)) is lasts


def test_a_long_silence_accumulates_at_most_one_burst() -> None:
    budget = FrameBudget(now=0.0)
    assert not budget.spend(int(BURST) + 1, now=1e6)
