"""The queue of events between two threads."""

from __future__ import annotations

import threading

import pytest

from caesura.client.event_queue import EventQueue
from caesura.client.events import Closed, Event, Final, Gap, Interim, Notice
from tests.client.lines import PATIENCE_S


def interim(text: str, channel: int = 0) -> Interim:
    return Interim(text, (), channel, 2, 0.0, 1.0, 0)


def final(text: str) -> Final:
    return Final(text, (), 0, 1, 0.0, 1.0, 0, True, False)


def notice(number: int) -> Notice:
    return Notice("Error", str(number))


def nobody() -> None:
    """Does not wait for anything."""


def taken(queue: EventQueue) -> list[Event]:
    """Everything that lies there; not for an queue that Closed has been put into."""
    events = []
    while (event := queue.take(nobody)) is not None:
        events.append(event)
    return events


def test_events_come_out_as_they_went_in() -> None:
    queue = EventQueue()
    events: list[Event] = [interim("good"), final("good morning"), interim("yes"), notice(1), final("yes")]
    for event in events:
        queue.put(event)
    assert taken(queue) == events
    assert queue.dropped == 0


def test_an_interim_that_was_not_read_is_replaced_by_the_next_one() -> None:
    queue = EventQueue()
    for text in ("g", "good", "good mor"):
        queue.put(interim(text))
    queue.put(final("good morning"))
    queue.put(interim("yes"))
    assert taken(queue) == [interim("good mor"), final("good morning"), interim("yes")]


def test_each_channel_has_an_interim_of_its_own() -> None:
    queue = EventQueue()
    for number in range(1000):
        queue.put(interim(f"left {number}", 0))
        queue.put(interim(f"right {number}", 1))
    assert taken(queue) == [interim("left 999", 0), interim("right 999", 1)]


def test_an_interim_replaces_none_from_before_another_event() -> None:
    queue = EventQueue()
    events: list[Event] = [interim("good"), notice(1), interim("good morning")]
    for event in events:
        queue.put(event)
    assert taken(queue) == events


def test_gaps_that_touch_become_one_until_the_first_was_read() -> None:
    queue = EventQueue()
    for tenth in range(1000):
        queue.put(Gap(tenth * 1.0, tenth + 1.0, "no room"))
    assert taken(queue) == [Gap(0.0, 1000.0, "no room")]
    events: list[Event] = [
        Gap(1000.0, 1001.0, "no room"),
        Gap(1001.0, 1002.0, "the line ended"),
        Gap(1003.0, 1004.0, "the line ended"),
        Gap(None, None, "a container"),
        Gap(None, None, "a container"),
    ]
    for event in events:
        queue.put(event)
    assert taken(queue) == events


def test_a_full_inbox_loses_interims_first_and_then_the_oldest_events_and_counts_them() -> None:
    queue = EventQueue(limit=4)
    for event in (final("a"), interim("b"), final("c"), interim("d"), final("e")):
        queue.put(event)
    assert queue.dropped == 1
    queue.put(final("f"))
    queue.put(final("g"))
    assert queue.dropped == 3
    assert taken(queue) == [final("c"), final("e"), final("f"), final("g")]


def test_an_inbox_is_bounded() -> None:
    queue = EventQueue(limit=10)
    for number in range(1000):
        queue.put(notice(number))
    assert queue.dropped == 990
    assert taken(queue) == [notice(number) for number in range(990, 1000)]


def test_a_reader_that_finds_nothing_is_woken_once() -> None:
    queue = EventQueue()
    woken = []
    assert queue.take(lambda: woken.append("woken")) is None
    queue.put(notice(1))
    queue.put(notice(2))
    assert woken == ["woken"]


def test_a_reader_that_finds_something_is_not_woken() -> None:
    queue = EventQueue()
    queue.put(notice(1))
    assert queue.take(lambda: pytest.fail("was woken")) == notice(1)
    queue.put(notice(2))


def test_a_reader_that_cancels_is_not_woken() -> None:
    queue = EventQueue()

    def wake() -> None:
        pytest.fail("was woken")

    queue.take(wake)
    queue.cancel_wake(wake)
    queue.cancel_wake(wake)
    queue.put(notice(1))


def test_all_waiting_readers_are_woken() -> None:
    queue = EventQueue()
    woken: list[int] = []
    assert queue.take(lambda: woken.append(1)) is None
    assert queue.take(lambda: woken.append(2)) is None
    queue.put(notice(1))
    assert sorted(woken) == [1, 2]


def test_closed_stays_for_all_readers() -> None:
    queue = EventQueue()
    queue.put(notice(1))
    queue.put(Closed(1000, ""))
    assert [queue.take(nobody) for _ in range(3)] == [notice(1), Closed(1000, ""), Closed(1000, "")]


def test_one_thread_puts_and_several_take_and_nothing_is_lost_or_doubled() -> None:
    queue, count = EventQueue(), 3000
    got: list[Event] = []

    def take_all() -> None:
        there = threading.Event()
        while not isinstance(event := queue.take(there.set), Closed):
            if event is not None:
                got.append(event)
            elif there.wait(PATIENCE_S):
                there.clear()

    takers = [threading.Thread(target=take_all, daemon=True) for _ in range(3)]
    for taker in takers:
        taker.start()
    for number in range(count):
        queue.put(notice(number))
    queue.put(Closed(1000, ""))
    for taker in takers:
        taker.join(PATIENCE_S)
    assert not any(taker.is_alive() for taker in takers)
    assert sorted(int(event.text) for event in got if isinstance(event, Notice)) == list(range(count))
