"""How far ahead of real time a stream is: audio decoded against the time that passed."""

from __future__ import annotations

from caesura.pipeline.pace import MAX_AHEAD_S, PaceMeter


def test_audio_in_real_time_is_never_ahead() -> None:
    pace = PaceMeter()
    for second in range(100):
        pace.add(1.0, 1, 100.0 + second)
        assert pace.ahead_s(100.0 + second) <= 1.0
    assert pace.ahead_s(200.0) == 0.0


def test_audio_faster_than_real_time_is_ahead_until_the_time_has_passed() -> None:
    pace = PaceMeter()
    pace.add(5.0, 1, 10.0)
    assert pace.ahead_s(10.0) == 5.0
    pace.add(1.0, 1, 12.0)
    assert pace.ahead_s(12.0) == 4.0
    assert pace.ahead_s(15.0) == 1.0
    assert pace.ahead_s(16.0) == 0.0


def test_channels_are_counted_together_and_each_may_be_on_time() -> None:
    pace = PaceMeter()
    pace.add(20.0, 20, 10.0)
    assert pace.ahead_s(10.0) == 1.0
    assert pace.ahead_s(11.0) == 0.0


def test_a_turn_without_audio_changes_nothing() -> None:
    pace = PaceMeter()
    pace.add(4.0, 2, 1.0)
    pace.add(0.0, 0, 1.5)
    assert pace.ahead_s(1.5) == 1.5


def test_no_stream_is_ahead_for_hours() -> None:
    pace = PaceMeter()
    for _ in range(1_000):
        pace.add(10.0, 1, 5.0)
    assert pace.ahead_s(5.0) == MAX_AHEAD_S
