"""Lead of the audio over the clock: what is a recording, and what only looks like one for a while."""

from __future__ import annotations

import pickle

import pytest

from caesura.client.lead import Lead


def spoken(lead: Lead, seconds: float, *, at: float, piece_s: float = 0.1) -> float:
    """Pieces that come when they are complete, from `at` on; returns when the last one came."""
    for number in range(1, round(seconds / piece_s) + 1):
        lead.add(piece_s, now=at + number * piece_s)
    return at + seconds


def test_live_audio_never_outruns_the_clock() -> None:
    lead = Lead()
    at = 0.0
    for _ in range(60):
        at = spoken(lead, 1.0, at=at)
        assert not lead.outruns_clock(now=at)


def test_audio_that_comes_at_once_outruns_it_after_two_seconds() -> None:
    lead = Lead()
    for piece in range(21):
        assert not lead.outruns_clock(now=5.0), piece
        lead.add(0.1, now=5.0)
    lead.add(0.1, now=5.0)
    assert lead.outruns_clock(now=5.0)
    assert not lead.outruns_clock(now=5.2)


def test_what_would_come_next_counts() -> None:
    lead = Lead()
    assert lead.outruns_clock(4.1, now=5.0)
    assert not lead.outruns_clock(4.0, now=5.0)


@pytest.mark.parametrize(("speed", "recording"), [(1.0, False), (1.25, True), (2.0, True)])
def test_audio_that_is_played_too_fast_is_a_recording(speed: float, recording: bool) -> None:
    lead = Lead()
    for piece in range(600):
        lead.add(0.1, now=piece * 0.1 / speed)
    assert lead.outruns_clock(now=600 * 0.1 / speed) is recording


def test_seconds_that_were_captured_before_they_were_sent_are_forgotten_after_half_a_minute() -> None:
    """A program that waits for a word begins with the audio before it."""
    lead = Lead()
    for _ in range(50):
        lead.add(0.1, now=0.0)
    assert lead.outruns_clock(now=spoken(lead, 29.0, at=0.0))
    at = spoken(lead, 3.0, at=29.0)
    assert not lead.outruns_clock(now=at)


def test_a_minute_without_audio_is_no_minute_of_credit() -> None:
    """A second recording, sent when the first was covered by finals, is one too."""
    lead = Lead()
    at = spoken(lead, 10.0, at=0.0)
    for _ in range(45):
        lead.add(0.1, now=at + 60.0)
    assert lead.outruns_clock(now=at + 60.0)


def test_a_stall_of_the_sender_is_no_lead() -> None:
    lead = Lead()
    at = spoken(lead, 10.0, at=0.0)
    for _ in range(20):
        lead.add(0.1, now=at + 2.0)
    assert not lead.outruns_clock(now=at + 2.0)


def test_a_recording_that_has_to_wait_stays_one() -> None:
    """Held up by a server that reads no faster than it was spoken, it comes at the speed of speech."""
    lead = Lead()
    for _ in range(100):
        lead.add(0.1, now=0.0)
    for second in range(1, 200):
        lead.hold()
        assert lead.outruns_clock(now=float(second))
        lead.add(1.0, now=float(second))
    assert lead.outruns_clock(now=199.0)


def test_what_is_remembered_is_bounded() -> None:
    lead = Lead()
    spoken(lead, 3600.0, at=0.0, piece_s=0.5)
    assert len(pickle.dumps(lead)) < 1_000
