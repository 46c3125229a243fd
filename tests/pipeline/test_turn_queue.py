"""Order of turns on the audio thread, with turns of known lengths on a simulated clock."""

from __future__ import annotations

import itertools

from caesura.pipeline.turn_queue import TurnQueue


def played(turns: TurnQueue[str], lengths: dict[str, float], count: int) -> str:
    """So many turns, each stream coming back for the next at once; a dot where none had one for a second."""
    now, order = 0.0, ""
    while len(order) < count:
        name = turns.next(now)
        if name is None:
            now += 1.0
            order += "."
            continue
        now += lengths[name]
        order += name
        turns.add(name, ahead=name.isupper())
    return order


def test_streams_take_turns_in_the_order_they_came() -> None:
    turns = TurnQueue[str]()
    for name in "abc":
        turns.add(name, ahead=False)
    assert played(turns, dict.fromkeys("abc", 1.0), 9) == "abcabcabc"


def test_a_stream_ahead_waits_nine_times_its_turn_while_others_wait() -> None:
    turns = TurnQueue[str]()
    for name in "Aab":
        turns.add(name, ahead=name.isupper())
    order = played(turns, {"A": 3.0, "a": 1.0, "b": 2.0}, 200)
    # 27 s of the others between two turns of 3 s.
    assert [len(run) for run in order.split("A")[1:-1]] == [18] * (order.count("A") - 1)


def test_streams_ahead_share_one_allowance() -> None:
    """However many they are, no stream on time waits for more than one of their turns."""
    turns = TurnQueue[str]()
    for name in "ABCDEa":
        turns.add(name, ahead=name.isupper())
    order = played(turns, {**dict.fromkeys("ABCDE", 3.0), "a": 1.0}, 200)
    assert not any(one.isupper() and two.isupper() for one, two in itertools.pairwise(order))
    assert order.replace("a", "") == ("ABCDE" * 10)[: len(order.replace("a", ""))]


def test_streams_ahead_get_half_of_the_time_at_most_though_no_other_waits() -> None:
    turns = TurnQueue[str]()
    turns.add("A", ahead=True)
    assert played(turns, {"A": 3.0}, 12) == "A...A...A..."
    assert turns.next_at is not None


def test_what_comes_meanwhile_goes_first() -> None:
    turns = TurnQueue[str]()
    turns.add("A", ahead=True)
    assert turns.next(0.0) == "A"
    turns.add("B", ahead=True)
    assert turns.next(5.0) is None
    assert turns.next_at == 10.0
    turns.add("a", ahead=False)
    assert turns.next(6.0) == "a"
    assert turns.next(9.0) is None
    assert turns.next(10.0) == "B"
    assert turns.next(10.0) is None
    assert turns.next_at is None


def test_all_that_waits_can_be_drained() -> None:
    turns = TurnQueue[str]()
    for name in "AaB":
        turns.add(name, ahead=name.isupper())
    assert [turns.drain() for _ in range(4)] == ["a", "A", "B", None]
