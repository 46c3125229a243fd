"""Which sources can wait, and when they should; the whole line's behaviour is in test_recovery_room.py."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.client.backlog import MAX_WAITING
from caesura.client.events import Accepted, Buffered, Dropped, Sent
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import PcmFormat
from caesura.client.send_buffer import SendBuffer
from caesura.client.source_admission import SourceAdmission
from caesura.errors import UsageError
from caesura.timeline import Timeline

RATE = 1000
SECOND = bytes(2 * RATE)


def made(**settings: Any) -> tuple[SourceAdmission, SendBuffer]:
    pcm = PcmFormat("linear16", RATE, 2)
    given = LineSettings(pcm, **{"keep_s": 10.0, **settings})
    buffer = SendBuffer(pcm, Timeline(RATE), live=given.live, keep_s=given.keep_s)
    return SourceAdmission(given, buffer), buffer


def fill(buffer: SendBuffer, seconds: int) -> None:
    """Audio of a recording, none of which was sent."""
    for _ in range(seconds):
        buffer.capture(SECOND, 0.0, at=None, connected=True, waits=True)


def send(admission: SourceAdmission, data: bytes = SECOND, *, now: float = 0.0, **changes: bool) -> Sent:
    given = {"queue": False, "paused": False, "connected": True, **changes}
    return admission.send(data, 0.0, at=None, now=now, **given)


def test_a_live_source_cannot_wait_and_always_continues() -> None:
    admission, _ = made()
    for second in range(20):
        assert not admission.can_wait(SECOND, now=float(second))
        send(admission, now=float(second))
    assert admission.accepts_more(paused=False, now=20.0)
    assert admission.accepts_more(paused=True, now=20.0)


def test_a_source_that_is_ahead_of_the_clock_can_wait_unless_it_was_held() -> None:
    admission, _ = made()
    for _ in range(4):
        send(admission)
    assert admission.can_wait(now=0.0)
    assert not admission.can_wait(now=2.0)
    admission.hold()
    assert admission.can_wait(now=2.0)


def test_a_chunk_that_is_longer_than_the_buffer_can_wait() -> None:
    assert made()[0].can_wait(SECOND * 11, now=0.0)


def test_a_recording_continues_while_little_of_it_waits() -> None:
    admission, buffer = made(live=False, keep_s=60.0)
    assert admission.accepts_more(paused=False, now=0.0)
    assert not admission.accepts_more(paused=True, now=0.0)
    fill(buffer, 2)
    assert not admission.accepts_more(paused=False, now=0.0)


def test_a_recording_is_refused_when_the_buffer_is_full_unless_it_may_queue() -> None:
    admission, buffer = made(live=False)
    for _ in range(10):
        send(admission)
    with pytest.raises(UsageError, match="There is no room: 10 s of audio wait already"):
        send(admission)
    with pytest.raises(UsageError, match="The line is paused"):
        send(admission, paused=True)
    assert buffer.waiting_s == 10.0
    assert send(admission, queue=True) == Buffered(11_000.0)


def test_the_number_of_waiting_sends_is_bounded() -> None:
    admission, buffer = made(live=False)
    fill(buffer, 10 + MAX_WAITING - 1)
    send(admission, queue=True)
    with pytest.raises(UsageError, match="There is no room"):
        send(admission, queue=True)


def test_audio_of_a_pause_is_skipped_unless_it_is_declared_to_be_a_recording() -> None:
    admission, buffer = made()
    assert send(admission, paused=True) == Dropped(1000.0, "paused")
    admission.declare_recording()
    assert not admission.accepts_more(paused=True, now=0.0)
    assert send(admission, paused=True) == Accepted()
    assert (buffer.counts.skipped, buffer.counts.captured) == (RATE, RATE)


def test_audio_after_the_end_is_dropped_and_not_counted() -> None:
    admission, buffer = made()
    assert admission.reject(SECOND) == Dropped(1000.0, "the line is closed")
    assert admission.reject(b"") == Accepted()
    assert buffer.counts.captured == 0


def test_an_incomplete_sample_waits_for_the_rest_of_it() -> None:
    admission, buffer = made()
    assert send(admission, b"1") == Accepted()
    assert buffer.counts.captured == 0
    send(admission, b"2")
    assert buffer.counts.captured == 1
