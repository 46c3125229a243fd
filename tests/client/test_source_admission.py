"""Which sources can wait, and when they should; the whole line's behaviour is in test_recovery_room.py."""

from __future__ import annotations

from typing import Any

import pytest

from caesura.client.backlog import MAX_WAITING
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


def test_a_live_source_cannot_wait_and_always_continues() -> None:
    admission, buffer = made()
    admission.add(SECOND, now=0.0)
    assert not admission.can_wait(SECOND, now=1.0)
    for _ in range(20):
        buffer.capture(SECOND, 0.0, at=None, connected=True)
    assert admission.accepts_more(paused=False, now=1.0)
    assert admission.accepts_more(paused=True, now=1.0)


def test_a_source_that_is_ahead_of_the_clock_can_wait_unless_it_was_held() -> None:
    admission, _ = made()
    for _ in range(4):
        admission.add(SECOND, now=0.0)
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
    admission.check_room(queue=False, paused=False)
    fill(buffer, 10)
    with pytest.raises(UsageError, match="There is no room: 10 s of audio wait already"):
        admission.check_room(queue=False, paused=False)
    with pytest.raises(UsageError, match="The line is paused"):
        admission.check_room(queue=False, paused=True)
    admission.check_room(queue=True, paused=False)


def test_the_number_of_waiting_sends_is_bounded() -> None:
    admission, buffer = made(live=False)
    fill(buffer, 10 + MAX_WAITING - 1)
    admission.check_room(queue=True, paused=False)
    fill(buffer, 1)
    with pytest.raises(UsageError, match="There is no room"):
        admission.check_room(queue=True, paused=False)
