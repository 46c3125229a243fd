"""How many streams are admitted whose load does not show yet."""

from __future__ import annotations

import pytest

from caesura.server.slow_start import SlowStart


def crowd(
    start: SlowStart, count: int, *, now: float, calm: float = 1.0, speaks: bool = False, prefix: str = ""
) -> int:
    """Open so many streams one after the other; returns how many are admitted."""
    inside = 0
    for number in range(count):
        if start.has_room(now=now, calm=calm):
            start.opened(f"{prefix}{number}", now=now)
            if speaks:
                start.audio(f"{prefix}{number}", now=now)
            inside += 1
    return inside


def speak(start: SlowStart, stream: str, begin: float, end: float, every: float = 0.05) -> bool:
    """A stream sends audio all the time; whether it is proven in the end."""
    proven = False
    for step in range(round((end - begin) / every) + 1):
        proven = proven or start.audio(stream, now=begin + step * every)
    return proven


@pytest.mark.parametrize("speaks", [False, True])
def test_of_simultaneous_streams_only_a_bounded_number_is_admitted(speaks: bool) -> None:
    assert crowd(SlowStart(8), 80, now=0.0, speaks=speaks) == 8


def test_three_seconds_of_audio_prove_a_stream_and_make_room() -> None:
    start = SlowStart(1)
    start.opened("a", now=0.0)
    assert not speak(start, "a", 0.1, 3.0)
    assert not start.has_room(now=3.0, calm=1.0)
    assert start.audio("a", now=3.2)
    assert start.has_room(now=3.2, calm=1.0)


def test_a_stream_that_pauses_does_not_count_and_must_prove_itself_anew() -> None:
    start = SlowStart(1)
    start.opened("a", now=0.0)
    speak(start, "a", 0.1, 2.5)
    assert not start.has_room(now=3.0, calm=1.0)
    assert start.has_room(now=3.6, calm=1.0)
    assert not start.audio("a", now=10.0)
    assert not start.has_room(now=10.0, calm=1.0)
    assert not speak(start, "a", 10.1, 12.9)
    assert start.audio("a", now=13.1)


def test_a_pause_inside_the_proof_begins_it_anew() -> None:
    """Also where nothing waited for room meanwhile."""
    start = SlowStart(1)
    start.opened("a", now=0.0)
    speak(start, "a", 0.1, 2.5)
    assert not start.audio("a", now=4.0)


def test_a_stream_that_ends_makes_room() -> None:
    start = SlowStart(1)
    start.opened("a", now=0.0)
    start.audio("a", now=0.0)
    assert not start.has_room(now=0.1, calm=1.0)
    start.ended("a")
    start.ended("a")
    assert start.has_room(now=0.1, calm=1.0)


def test_a_text_before_any_audio_is_a_pause_and_one_after_it_is_not() -> None:
    start = SlowStart(1)
    start.opened("a", now=0.0)
    start.text("a")
    assert start.has_room(now=0.0, calm=1.0)
    start.opened("b", now=0.0)
    start.audio("b", now=0.0)
    start.text("b")
    assert not start.has_room(now=0.0, calm=1.0)


def test_a_stream_that_sends_nothing_for_a_second_does_not_count() -> None:
    start = SlowStart(1)
    start.opened("a", now=0.0)
    assert not start.has_room(now=1.0, calm=1.0)
    assert start.has_room(now=1.1, calm=1.0)


def test_thousands_of_paused_sessions_open_within_seconds() -> None:
    """With one worker. They send nothing at all, not even KeepAlive; the first of them count as unproven."""
    start, inside, now = SlowStart(4), 0, 0.0
    while inside < 5000:
        inside += crowd(start, 64, now=now, prefix=f"{now}-")
        now += 0.05
    assert now < 15.0
    # Once the server has learnt that they are silent, a thousand a second are admitted.
    assert all(crowd(start, 50, now=now + step / 20, prefix=f"late-{step}-") == 50 for step in range(20))


def test_after_streams_that_sent_audio_new_ones_count_fully_again() -> None:
    start = SlowStart(8)
    for number in range(100):
        start.opened(number, now=0.0)
        start.text(number)
    # Nearly all were paused, so many are admitted; but they speak, and the first of them is enough to stop the rest.
    assert crowd(start, 80, now=0.0) == 80
    start.audio("0", now=0.05)
    assert not start.has_room(now=0.05, calm=1.0)
    for number in range(80):
        start.audio(f"{number}", now=0.1)
    assert not start.has_room(now=0.1, calm=1.0)
    assert crowd(start, 80, now=5.0, prefix="later") < 12


def test_fewer_are_admitted_as_the_queue_gets_longer_and_none_when_it_is_too_long() -> None:
    assert [crowd(SlowStart(8), 80, now=0.0, calm=calm) for calm in (1.0, 0.5, 0.1, 0.0, -1.0)] == [8, 4, 1, 0, 0]
