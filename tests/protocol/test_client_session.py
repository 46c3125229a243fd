"""Timers of one client connection at literal times: KeepAlives, pings and alarms."""

from __future__ import annotations

import tracemalloc
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadAnswer
from caesura.protocol.client_codec import Unrecognised
from caesura.protocol.client_session import ClientSession, ClientTimers, TimerEvent
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import Metadata, ModelInfo, Results, ServerMessage, SpeechStartedMessage

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "general-test", "2026-01-01.0", "test")
METADATA = Metadata("01a0", "e3b0", "2026-01-01T00:00:01.002Z", 15.0, 1, MODEL)


def opened(watch: ClientTimers | None = None, *, now: float = 0.0) -> ClientSession:
    return ClientSession(watch or ClientTimers(), now=now)


def receive(session: ClientSession, message: ServerMessage, *, now: float) -> None:
    assert session.receive_text(write_server_message(message), now=now) == message


def results(start: float, end: float) -> Results:
    return Results(0, 1, start, end - start, False, False, False, "", 0.0, (), "", ModelInfo("", "", "", ""))


def speak(session: ClientSession, begin: float, end: float, *, speech: bool = True, answered: bool = True) -> None:
    """Audio from `begin` to `end`, ten pieces a second; `answered`: the peer answers pings at once."""
    for index in range(round((end - begin) * 10)):
        now = begin + (index + 1) / 10
        session.send_audio(0.1, speech=speech, now=now)
        if TimerEvent.PING in session.handle_deadline(now=now) and answered:
            session.receive_pong()


# ---- law 1: the KeepAlive clock ----


@pytest.mark.parametrize("opened_at", [0.0, 1000.5])
def test_a_keepalive_is_due_four_seconds_after_opening_whatever_the_caller_does(opened_at: float) -> None:
    session = opened(now=opened_at)
    assert session.next_deadline() == opened_at + 4.0
    assert session.handle_deadline(now=opened_at + 3.99) == ()
    assert not session.keepalive_due
    assert session.handle_deadline(now=opened_at + 4.0) == (TimerEvent.KEEPALIVE,)
    assert session.keepalive_due


def test_a_keepalive_is_due_once_until_it_is_sent() -> None:
    session = opened()
    session.handle_deadline(now=4.0)
    assert session.next_deadline() == inf
    assert session.handle_deadline(now=5.0) == ()
    session.send_keepalive(now=5.0)
    assert session.keepalives == 1
    assert not session.keepalive_due
    assert session.next_deadline() == 9.0


def test_audio_puts_a_keepalive_off_and_takes_the_place_of_one() -> None:
    session = opened()
    session.send_audio(0.1, speech=False, now=3.0)
    session.receive_pong()
    assert session.next_deadline() == 7.0
    session.handle_deadline(now=7.0)
    session.send_audio(0.1, speech=False, now=7.5)
    assert not session.keepalive_due
    session.receive_pong()
    assert session.next_deadline() == 11.5


def test_no_message_of_the_server_puts_a_keepalive_off() -> None:
    session = opened()
    receive(session, results(0.0, 1.0), now=3.0)
    session.receive_pong()
    assert session.next_deadline() == 4.0


def test_no_keepalive_is_due_after_close_stream() -> None:
    session = opened()
    session.send_close_stream(now=1.0)
    session.receive_pong()
    assert session.next_deadline() == inf
    assert session.handle_deadline(now=100.0) == ()


def test_a_keepalive_that_was_due_is_not_sent_behind_close_stream() -> None:
    session = opened()
    session.handle_deadline(now=4.0)
    session.send_close_stream(now=4.0)
    assert not session.keepalive_due


def test_the_keepalive_clock_runs_through_hours_without_audio() -> None:
    session = opened()
    for index in range(1, 3601):
        assert session.next_deadline() == 4.0 * index
        assert session.handle_deadline(now=4.0 * index) == (TimerEvent.KEEPALIVE,)
        session.send_keepalive(now=4.0 * index)
    assert session.keepalives == 3600


# ---- a socket that takes nothing ----


def test_a_frame_that_is_not_taken_for_five_seconds_is_found() -> None:
    session = opened()
    session.begin_send(now=1.0)
    assert session.next_deadline() == 6.0
    assert session.handle_deadline(now=5.99) == ()
    assert session.handle_deadline(now=6.0) == (TimerEvent.STALLED,)


def test_a_frame_that_is_taken_in_time_is_well_and_a_keepalive_is_due_at_once_when_it_took_long() -> None:
    session = opened()
    session.begin_send(now=1.0)
    session.end_send(now=5.5)
    assert session.handle_deadline(now=5.5) == (TimerEvent.KEEPALIVE,)
    assert session.next_deadline() == inf


# ---- a dead connection ----


def test_unanswered_audio_is_followed_by_one_ping_and_found_dead_after_five_seconds() -> None:
    session = opened()
    session.send_audio(0.1, speech=False, now=1.0)
    assert session.next_deadline() == 3.0
    assert session.handle_deadline(now=3.0) == (TimerEvent.PING,)
    session.send_audio(0.1, speech=False, now=3.5)
    assert session.handle_deadline(now=5.99) == ()
    assert session.handle_deadline(now=6.0) == (TimerEvent.HALF_OPEN,)


@pytest.mark.parametrize("answer", ["pong", "SpeechStarted", "an unknown message"])
def test_any_answer_proves_that_the_server_is_there(answer: str) -> None:
    session = opened()
    session.send_audio(0.1, speech=False, now=1.0)
    session.handle_deadline(now=3.0)
    match answer:
        case "pong":
            session.receive_pong()
        case "SpeechStarted":
            receive(session, SpeechStartedMessage(0, 1, 0.0), now=3.5)
        case _:
            assert session.receive_text('{"type":"New"}', now=3.5) == Unrecognised("New")
    session.send_audio(0.1, speech=False, now=4.0)
    assert session.next_deadline() == 6.0
    assert session.handle_deadline(now=6.0) == (TimerEvent.PING,)


@pytest.mark.parametrize("message", ["Finalize", "CloseStream"])
def test_a_server_must_be_there_to_take_finalize_and_close_stream(message: str) -> None:
    session = opened()
    (session.send_finalize if message == "Finalize" else session.send_close_stream)(now=1.0)
    assert session.handle_deadline(now=3.0) == (TimerEvent.PING,)
    assert TimerEvent.HALF_OPEN in session.handle_deadline(now=6.0)


def test_a_keepalive_is_never_expected_to_be_answered() -> None:
    session = opened()
    session.send_keepalive(now=0.5)
    session.handle_deadline(now=4.5)
    session.send_keepalive(now=4.5)
    assert session.next_deadline() == 8.5


def test_alarms_come_first() -> None:
    session = opened()
    session.send_audio(0.1, speech=False, now=1.0)
    assert session.handle_deadline(now=6.0) == (TimerEvent.HALF_OPEN, TimerEvent.KEEPALIVE, TimerEvent.PING)
    assert [want for want in TimerEvent if want.is_alarm] == [TimerEvent.STALLED, TimerEvent.HALF_OPEN, TimerEvent.MUTE]


# ---- a server that transcribes nothing ----


def test_a_server_that_is_mute_while_speech_is_sent_is_found_after_ten_seconds() -> None:
    session = opened()
    speak(session, 0.0, 10.0)
    assert session.next_deadline() == 10.1
    speak(session, 10.0, 10.1)
    assert TimerEvent.MUTE in session.handle_deadline(now=10.1)


def test_silence_kills_nothing() -> None:
    session = opened()
    speak(session, 0.0, 300.0, speech=False)
    assert not any(want.is_alarm for want in session.handle_deadline(now=300.0))


def test_results_begin_the_ten_seconds_anew_and_cover_the_speech_before_their_end() -> None:
    session = opened()
    speak(session, 0.0, 5.0)
    receive(session, results(0.0, 4.0), now=5.0)
    speak(session, 5.0, 14.9)
    assert TimerEvent.MUTE not in session.handle_deadline(now=14.95)
    assert TimerEvent.MUTE in session.handle_deadline(now=15.0)


def test_speech_that_results_cover_is_no_longer_watched() -> None:
    session = opened()
    speak(session, 0.0, 5.0)
    receive(session, results(0.0, 5.0), now=5.5)
    speak(session, 5.5, 60.0, speech=False)
    assert TimerEvent.MUTE not in session.handle_deadline(now=60.0)


def test_speech_that_results_cover_but_for_the_rounding_of_the_wire_is_covered() -> None:
    session = opened()
    session.send_audio(1.0049, speech=True, now=1.0)
    session.receive_pong()
    receive(session, results(0.0, 1.0), now=1.5)
    speak(session, 1.5, 30.0, speech=False)
    assert TimerEvent.MUTE not in session.handle_deadline(now=30.0)


def test_what_is_no_results_does_not_prove_that_speech_is_transcribed() -> None:
    session = opened()
    speak(session, 0.0, 9.0)
    receive(session, SpeechStartedMessage(0, 1, 0.0), now=9.0)
    speak(session, 9.0, 10.1)
    assert TimerEvent.MUTE in session.handle_deadline(now=10.1)


def test_a_pause_kills_nothing_even_when_its_finalize_is_not_answered() -> None:
    """Finalize need not be answered when little is buffered."""
    session = opened()
    speak(session, 0.0, 2.0)
    for index in range(1, 1000):
        wants = session.handle_deadline(now=2.0 + index)
        if index == 1:
            session.send_finalize(now=3.0)
        assert not any(want.is_alarm for want in wants)
        if TimerEvent.KEEPALIVE in wants:
            session.send_keepalive(now=2.0 + index)
        if TimerEvent.PING in wants:
            session.receive_pong()


def test_after_a_pause_the_server_has_its_ten_seconds_anew() -> None:
    session = opened()
    speak(session, 0.0, 2.0)
    speak(session, 100.0, 109.9)
    assert TimerEvent.MUTE not in session.handle_deadline(now=110.0)
    speak(session, 109.9, 110.1)
    assert TimerEvent.MUTE in session.handle_deadline(now=110.1)


def test_a_mute_server_is_found_after_close_stream_too() -> None:
    """CloseStream, unlike Finalize, must be answered."""
    session = opened()
    speak(session, 0.0, 2.0)
    session.send_close_stream(now=2.0)
    session.handle_deadline(now=4.0)
    session.receive_pong()
    assert session.handle_deadline(now=10.0) == ()
    assert session.handle_deadline(now=10.1) == (TimerEvent.MUTE,)


def test_speech_sent_in_tiny_pieces_is_watched_as_a_few() -> None:
    """Hours of speech that no Results covers must not fill the memory."""
    session = opened(ClientTimers(mute_s=inf))
    tracemalloc.start()
    try:
        for index in range(20_000):
            session.send_audio(0.001, speech=True, now=index / 1000)
        assert tracemalloc.get_traced_memory()[0] < 100_000
    finally:
        tracemalloc.stop()


# ---- what is received ----


def test_a_broken_message_is_no_answer() -> None:
    session = opened()
    session.send_audio(0.1, speech=False, now=1.0)
    with pytest.raises(BadAnswer):
        session.receive_text("{", now=2.0)
    assert session.next_deadline() == 3.0


def test_audio_of_unknown_length_is_watched_for_an_answer_only() -> None:
    session = opened()
    session.send_audio(0.0, speech=False, now=1.0)
    assert session.stream_seconds == 0.0
    assert session.next_deadline() == 3.0


# ---- whatever happens ----


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["audio", "speech", "begin", "end", "pong", "results", "keepalive"]), st.floats(0, 6)
        ),
        max_size=40,
    )
)
def test_a_deadline_is_kept_when_it_is_due_and_not_before(acts: list[tuple[str, float]]) -> None:
    """Nothing is due before `next_deadline`, something is at it, and a KeepAlive is never more than 4 s away."""
    session, now, upstream, is_sending = opened(), 0.0, 0.0, False
    for act, wait in acts:
        deadline = session.next_deadline()
        assert session.handle_deadline(now=min(now + wait, deadline - 1 / 1024)) == ()
        now += wait
        wants = session.handle_deadline(now=now)
        assert bool(wants) is (now >= deadline)
        if any(want.is_alarm for want in wants):
            return
        match act:
            case "audio" | "speech":
                session.send_audio(0.25, speech=act == "speech", now=now)
                upstream = now
            case "begin":
                session.begin_send(now=now)
                is_sending = True
            case "end":
                session.end_send(now=now)
                is_sending = False
            case "pong":
                session.receive_pong()
            case "results":
                receive(session, results(0.0, 1.0), now=now)
            case _:
                session.send_keepalive(now=now)
                upstream = now
        assert session.keepalive_due or is_sending or session.next_deadline() <= upstream + 4.0


def test_speech_that_a_pause_left_uncovered_is_not_held_against_the_server_at_the_end() -> None:
    """It has the whole time again to transcribe it: the timer did not run in the pause."""
    session = opened()
    session.send_audio(0.5, speech=True, now=1.0)
    session.receive_pong()
    session.send_close_stream(now=60.0)
    session.receive_pong()
    assert session.next_deadline() == 70.0
