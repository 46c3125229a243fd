"""Control messages: when they are due, and until when they are sent again."""

from __future__ import annotations

from caesura.client.controls import ControlQueue
from caesura.protocol.messages import CloseStream, Finalize


def queue(rounding: int | None = 1) -> ControlQueue:
    return ControlQueue(rounding=rounding)


def up_to(sample: int, made: ControlQueue) -> object:
    """What is due when all audio up to `sample` has been sent."""
    return made.take_due(lambda at: at <= sample)


def test_a_message_is_due_once_all_audio_before_it_was_sent() -> None:
    made = queue()
    made.add(Finalize(), 100)
    assert (up_to(99, made), made.next_at) == (None, 100)
    assert up_to(100, made) == Finalize()
    assert (up_to(1000, made), made.next_at) == (None, None)


def test_several_of_a_kind_that_are_due_are_sent_as_one() -> None:
    made = queue()
    for at in (10, 10, 20):
        made.add(Finalize(), at)
    made.add(CloseStream(), 20)
    assert [up_to(20, made) for _ in range(3)] == [Finalize(), CloseStream(), None]
    assert made.has_closed


def test_finalizes_of_different_channels_are_sent_one_by_one() -> None:
    made = queue()
    made.add(Finalize(0), 10)
    made.add(Finalize(1), 10)
    assert [up_to(10, made) for _ in range(3)] == [Finalize(0), Finalize(1), None]


def test_after_a_reconnect_what_has_not_taken_effect_is_sent_again() -> None:
    """A final that ends within the wire's rounding before a message covers the audio before it."""
    made = queue(rounding=2)
    for at in (10, 22, 23):
        made.add(Finalize(), at)
    made.add(CloseStream(), 23)
    assert [up_to(30, made) for _ in range(2)] == [Finalize(), CloseStream()]
    made.rewind(20)
    assert not made.has_closed
    assert made.next_at == 23
    assert [up_to(30, made) for _ in range(3)] == [Finalize(), CloseStream(), None]


def test_a_message_that_was_not_sent_is_kept_though_finals_cover_the_audio_before_it() -> None:
    made = queue()
    made.add(Finalize(), 10)
    made.confirm(100)
    assert up_to(10, made) == Finalize()
    made.confirm(100)
    made.rewind(0)
    assert up_to(10, made) is None


def test_where_samples_are_not_counted_a_finalize_has_its_effect_when_it_was_sent() -> None:
    made = queue(rounding=None)
    made.add(Finalize(), 0)
    made.add(CloseStream(), 0)
    assert up_to(0, made) == Finalize()
    made.rewind(0)
    assert [up_to(0, made) for _ in range(2)] == [CloseStream(), None]


def test_nothing_is_left_of_a_cleared_queue() -> None:
    made = queue()
    made.add(CloseStream(), 0)
    made.clear()
    assert (made.next_at, up_to(0, made), made.has_closed) == (None, None, False)
