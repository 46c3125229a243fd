"""The end of a session: Metadata on the wire, and its tally."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from caesura.events import (
    AudioFound,
    Drained,
    EngineFailed,
)
from caesura.protocol.closing import REVOKED
from caesura.protocol.messages import Metadata
from caesura.protocol.session import Session, State, Tally, Timers
from tests.protocol.play import (
    BINARY_KEEPALIVE,
    CLOSE_STREAM,
    FINALIZE,
    IDENTITY,
    KEEPALIVE,
    MODEL,
    WITH_FIRST_RESPONSE,
    flushing,
    messages,
    session,
)

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


# ---- Metadata ----


def test_metadata_covers_the_whole_stream() -> None:
    made = session(tags=("a", "b"), extra={"call": "7"}, now=50.0)
    made.receive_audio(b"\x01\x02", now=51.0)
    made.receive_audio(BINARY_KEEPALIVE, now=52.0)
    made.engine_event(AudioFound(1), now=52.0)
    made.receive_text(KEEPALIVE, now=53.0)
    made.receive_text(CLOSE_STREAM, now=54.0)
    made.receive_audio(b"not any more", now=54.5)
    made.engine_event(Drained(0.6880), now=55.0)
    (metadata,) = messages(made.actions())
    assert metadata == Metadata(
        request_id=IDENTITY.request_id,
        sha256=hashlib.sha256(b"\x01\x02" + BINARY_KEEPALIVE).hexdigest(),
        created=IDENTITY.created,
        duration=0.6880,
        channels=1,
        model=MODEL,
        extra={"call": "7"},
        tags=("a", "b"),
    )


def test_metadata_without_audio_names_no_model() -> None:
    made = flushing()
    made.engine_event(Drained(0.0), now=5.0)
    (metadata,) = messages(made.actions())
    assert metadata == Metadata(IDENTITY.request_id, EMPTY_SHA256, IDENTITY.created, 0.0, 1, None)


# ---- what is counted ----


def test_the_tally_of_a_whole_stream() -> None:
    made = session()
    made.receive_audio(b"\x01" * 100, now=1.0)
    made.engine_event(AudioFound(1), now=1.0)
    made.receive_text(KEEPALIVE, now=5.0)
    made.receive_text(KEEPALIVE, now=9.0)
    made.receive_audio(BINARY_KEEPALIVE, now=11.0)
    made.receive_audio(b"", now=12.0)
    made.engine_event(Drained(0.00375), now=12.25)
    assert made.tally == Tally(
        bytes_in=120,
        keepalive_count=2,
        binary_control_suspects=1,
        paused_seconds=10.0,
        channels=1,
        close_code=1000,
        close_reason="",
    )


@pytest.mark.parametrize(
    ("audio_at", "keepalive_at", "paused"),
    [
        (4.0, 2.0, 4.0),
        (4.0, None, 0.0),
        (1.0, 0.5, 1.0),
        (1.0 - 1 / 1024, 0.5, 0.0),
    ],
)
def test_a_pause_is_a_second_or_more_without_audio_that_a_keepalive_held(
    audio_at: float, keepalive_at: float | None, paused: float
) -> None:
    made = session()
    if keepalive_at is not None:
        made.receive_text(KEEPALIVE, now=keepalive_at)
    made.receive_audio(b"\x01", now=audio_at)
    assert made.tally.paused_seconds == paused


def test_keepalives_between_audio_frames_are_no_pause() -> None:
    made = session()
    for index in range(1, 2001):
        if index % 100 == 0:
            made.receive_text(KEEPALIVE, now=index * 0.05 - 0.025)
        made.receive_audio(b"\x01" * 1600, now=index * 0.05)
    assert made.tally.keepalive_count == 20
    assert made.tally.paused_seconds == 0.0


def test_finalize_and_bad_texts_hold_no_pause() -> None:
    made = session()
    made.receive_text(FINALIZE, now=4.0)
    made.receive_text("no JSON", now=8.0)
    made.receive_audio(b"\x01", now=12.0)
    assert made.tally.paused_seconds == 0.0


def test_pauses_add_up() -> None:
    made = session()
    for at in (0.0, 20.0, 40.0):
        made.receive_audio(b"\x01", now=at)
        made.receive_text(KEEPALIVE, now=at + 5.0)
        made.receive_audio(b"\x01", now=at + 10.0)
    assert made.tally.paused_seconds == 30.0


def _disconnect(made: Session) -> None:
    made.receive_disconnect(1006, now=30.0)


def _cut(made: Session) -> None:
    made.cut(REVOKED, now=30.0)


def _close_stream(made: Session) -> None:
    made.receive_text(CLOSE_STREAM, now=30.0)


def _time_out(made: Session) -> None:
    made.handle_deadline(now=30.0)


def _engine_failed(made: Session) -> None:
    made.engine_event(EngineFailed("gone", 1.0), now=30.0)


@pytest.mark.parametrize("end", [_disconnect, _cut, _close_stream, _time_out, _engine_failed])
@pytest.mark.parametrize("timers", [Timers(), WITH_FIRST_RESPONSE])
def test_a_pause_is_counted_up_to_however_the_session_ends(end: Callable[[Session], None], timers: Timers) -> None:
    made = session(timers)
    made.receive_audio(b"\x01", now=12.5)
    made.receive_text(KEEPALIVE, now=16.5)
    if timers is WITH_FIRST_RESPONSE:
        made.receive_text(KEEPALIVE, now=24.5)
    end(made)
    assert made.state is not State.OPEN
    assert made.tally.paused_seconds == 17.5
    made.receive_disconnect(1006, now=90.0)
    assert made.tally.paused_seconds == 17.5


def test_what_cuts_a_session_is_its_end_whatever_was_decided_before() -> None:
    made = session()
    made.receive_audio(b"", now=1.0)
    made.engine_event(Drained(0.0), now=2.0)
    assert (made.tally.close_code, made.tally.close_reason) == (1000, "")
    made.actions()
    made.cut(REVOKED, now=3.0)
    assert (made.tally.close_code, made.tally.close_reason) == (REVOKED.code, REVOKED.reason)
    assert made.actions() == []
