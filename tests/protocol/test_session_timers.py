"""The timers of a session alone; what they do to a session is in test_session_table.py."""

from __future__ import annotations

import pytest

from caesura.events import HOLD_S
from caesura.protocol.session_timers import Expired, SessionTimers, Timers


def opened(**lengths: float) -> SessionTimers:
    return SessionTimers(Timers(**lengths), now=100.0)


def test_the_idle_window_begins_with_each_message() -> None:
    timers = opened()
    assert timers.next_deadline() == 110.0
    timers.restart_idle(now=105.0)
    assert timers.next_deadline() == 115.0
    assert timers.take_expired(now=114.9) is None
    assert timers.take_expired(now=115.0) is Expired.IDLE


def test_a_held_idle_window_does_not_run_and_begins_anew() -> None:
    timers = opened()
    timers.hold_idle()
    assert timers.next_deadline() is None
    assert timers.take_expired(now=1000.0) is None
    timers.resume_idle(now=1000.0)
    assert timers.next_deadline() == 1010.0


def test_the_first_response_window_ends_with_the_first_message_and_is_not_held() -> None:
    timers = opened(first_response_s=4.0)
    assert timers.next_deadline() == 104.0
    timers.hold_idle()
    assert (timers.next_deadline(), timers.take_expired(now=104.0)) == (104.0, Expired.FIRST_RESPONSE)
    timers.end_first_response()
    assert timers.next_deadline() is None


def test_an_idle_client_is_named_before_a_silent_server() -> None:
    assert opened(idle_s=5.0, first_response_s=4.0).take_expired(now=105.0) is Expired.IDLE


def test_a_release_is_due_once_after_the_last_audio() -> None:
    timers = opened()
    timers.expect_release(now=100.0)
    timers.expect_release(now=101.0)
    assert timers.next_deadline() == 101.0 + HOLD_S
    assert timers.take_expired(now=101.0 + HOLD_S) is Expired.RELEASE
    assert timers.take_expired(now=101.0 + HOLD_S) is None
    assert timers.next_deadline() == 110.0


def test_while_the_server_does_not_read_nothing_is_released() -> None:
    timers = opened()
    timers.expect_release(now=100.0)
    timers.hold_idle()
    assert timers.take_expired(now=105.0) is None
    timers.resume_idle(now=105.0)
    assert timers.next_deadline() == 105.0 + HOLD_S


@pytest.mark.parametrize("at", [0.0, 20.0])
def test_in_the_drain_no_other_timer_runs(at: float) -> None:
    timers = opened(first_response_s=1.0, drain_s=30.0)
    timers.expect_release(now=100.0)
    timers.begin_drain(now=100.0)
    timers.begin_drain(now=100.0 + at)
    assert timers.next_deadline() == 130.0 + at
    assert timers.take_expired(now=129.9 + at) is None
    assert timers.take_expired(now=130.0 + at) is Expired.DRAIN
