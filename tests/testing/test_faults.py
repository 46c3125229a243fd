"""Planned faults and broken messages."""

from __future__ import annotations

from caesura.testing.faults import PlannedFault, ServerFaults


def test_plans_are_had_once_in_the_order_of_their_seconds() -> None:
    faults = ServerFaults()
    late, early = PlannedFault(2.0, lambda: None), PlannedFault(1.0, lambda: None)
    faults.planned += [late, early]
    assert [faults.take_due(seconds) for seconds in (0.9, 1.0, 1.0, 5.0, 5.0)] == [None, early, None, late, None]


def test_so_many_messages_are_broken() -> None:
    faults = ServerFaults()
    faults.break_next(1)
    faults.break_next(1)
    assert [faults.broken_or_whole("abcd") for _ in range(3)] == ["ab", "ab", "abcd"]
