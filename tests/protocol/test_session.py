"""The laws of a session, one by one, at literal times."""

from __future__ import annotations

import hashlib

import pytest

from caesura.events import (
    AudioFound,
    AudioRefused,
    Drained,
    EngineFailed,
    Heard,
    SpeechBegan,
    UtteranceEnded,
)
from caesura.protocol.actions import Action, CloseSocket, EndAudio, FeedAudio, FlushAudio, Send, Warn
from caesura.protocol.messages import Error, Metadata, Results, SpeechStarted, UtteranceEnd
from caesura.protocol.session import Session, State, Tally, Timers
from caesura.words import Word
from tests.protocol.play import (
    CLOSE_STREAM,
    FINALIZE,
    FINISHED,
    IDENTITY,
    KEEPALIVE,
    MODEL,
    NET_0000,
    NET_0001,
    session,
)

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
BINARY_KEEPALIVE = KEEPALIVE.encode()
WITH_FIRST_RESPONSE = Timers(idle_s=10.0, first_response_s=30.0)


def messages(actions: list[Action]) -> list[object]:
    return [action.message for action in actions if isinstance(action, Send)]


def heard(*, final: bool, endpoint: bool = False, flushed: bool = False, channel: int = 0) -> Heard:
    return Heard(channel, 1.0, 3.0, (Word("Hello.", 1.25, 1.75, 0.9),), final, endpoint, flushed)


def flushing(timers: Timers | None = None) -> Session:
    """CloseStream came at 5.0."""
    made = session(timers)
    made.receive_text(CLOSE_STREAM, now=5.0)
    assert made.actions() == [EndAudio()]
    return made


# ---- law 1: what restarts the idle window ----


@pytest.mark.parametrize(
    "text",
    [KEEPALIVE, FINALIZE, '{"type": "KeepAlive"}', '{"type":"Finalize","channel":7}', "no JSON", "", "[]"],
)
def test_every_text_restarts_the_idle_window_good_or_bad(text: str) -> None:
    made = session()
    made.receive_text(text, now=7.25)
    assert made.next_deadline() == 17.25


@pytest.mark.parametrize("data", [b"\x00", b"\x01" * 3200, BINARY_KEEPALIVE])
def test_every_binary_message_restarts_the_idle_window(data: bytes) -> None:
    made = session()
    made.receive_audio(data, now=9.75)
    assert made.next_deadline() == 19.75


def test_our_own_output_does_not_restart_the_idle_window() -> None:
    made = session(vad_events=True, interim_results=True)
    made.receive_audio(b"\x01\x02", now=1.0)
    for event in (AudioFound(1), SpeechBegan(0, 0.5), heard(final=False), heard(final=True, endpoint=True)):
        made.engine_event(event, now=6.0)
    assert len(messages(made.actions())) == 3
    assert made.next_deadline() == 11.0


def test_the_idle_window_begins_at_the_upgrade() -> None:
    assert session(now=100.5).next_deadline() == 110.5


@pytest.mark.parametrize("window", [10.0, 12.0])
def test_the_idle_window_ends_at_its_length_and_not_a_moment_before(window: float) -> None:
    made = session(Timers(idle_s=window))
    made.handle_deadline(now=window - 1 / 1024)
    assert made.state is State.OPEN
    assert made.actions() == []
    made.handle_deadline(now=window)
    assert made.state is State.FLUSHING
    assert made.actions() == [EndAudio()]


def test_a_message_that_came_at_the_deadline_and_is_read_first_counts() -> None:
    made = session()
    made.receive_text(KEEPALIVE, now=10.0)
    made.handle_deadline(now=10.0)
    assert made.state is State.OPEN
    assert made.next_deadline() == 20.0


def test_a_deadline_called_twice_ends_the_audio_once() -> None:
    made = session()
    made.handle_deadline(now=10.0)
    made.handle_deadline(now=10.0)
    assert made.actions() == [EndAudio()]


def test_a_late_deadline_gives_the_drain_its_whole_length() -> None:
    made = session()
    made.handle_deadline(now=13.5)
    assert made.actions() == [EndAudio()]
    assert made.next_deadline() == 43.5


def test_hold_idle_stops_the_window_and_resume_idle_begins_it_anew() -> None:
    made = session()
    made.hold_idle()
    assert made.next_deadline() is None
    made.handle_deadline(now=1000.0)
    assert made.state is State.OPEN
    made.resume_idle(now=1000.5)
    assert made.next_deadline() == 1010.5
    made.handle_deadline(now=1010.5)
    assert made.actions() == [EndAudio()]


def test_what_comes_while_the_window_is_held_does_not_start_it() -> None:
    made = session()
    made.hold_idle()
    made.receive_audio(b"\x01\x02", now=1.0)
    made.receive_text(KEEPALIVE, now=2.0)
    assert made.next_deadline() is None


def test_hold_idle_holds_neither_the_drain_nor_opens_a_closed_session() -> None:
    made = flushing()
    made.hold_idle()
    assert made.next_deadline() == 35.0
    made.receive_disconnect(1006, now=6.0)
    made.resume_idle(now=7.0)
    assert made.next_deadline() is None


# ---- law 2: nothing answers a KeepAlive ----


@pytest.mark.parametrize("text", [KEEPALIVE, '{"type": "KeepAlive"}', '{"type":"KeepAlive","extra":[1]}'])
def test_nothing_answers_a_keepalive(text: str) -> None:
    made = session(vad_events=True, interim_results=True, utterance_end_ms=1000)
    for index in range(100):
        made.receive_text(text, now=5.0 * index)
        made.handle_deadline(now=5.0 * index)
    assert made.actions() == []
    assert made.tally == Tally(keepalive_count=100)


def test_a_bad_text_is_answered_with_its_error_and_the_stream_stays_open() -> None:
    made = session()
    text = '{"type":"Pause"}'
    made.receive_text(text, now=1.0)
    (error,) = messages(made.actions())
    assert error == Error(
        "SchemaError",
        "Could not deserialize last text message: unknown variant `Pause`, expected one of `CloseStream`, "
        "`Configure`, `Sync`, `KeepAlive`, `Finalize` at line 1 column 15",
        text,
    )
    assert made.state is State.OPEN
    assert made.tally.keepalive_count == 0


# ---- Finalize ----


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        (FINALIZE, None),
        ('{"type":"Finalize","channel":null}', None),
        ('{"type":"Finalize","channel":0}', 0),
        ('{"type":"Finalize","channel":1}', 1),
    ],
)
def test_finalize_flushes_the_channel_it_names_or_all(text: str, channel: int | None) -> None:
    made = session(multichannel=True, channels=2)
    made.receive_text(text, now=1.0)
    assert made.actions() == [FlushAudio(channel)]
    assert made.state is State.OPEN


def test_finalize_of_a_channel_that_does_not_exist_is_a_schema_error() -> None:
    made = session(multichannel=True, channels=2)
    text = '{"type":"Finalize","channel":2}'
    made.receive_text(text, now=1.0)
    sentence = "Could not deserialize last text message: channel 2 does not exist, expected 0..1"
    assert made.actions() == [Send(Error("SchemaError", sentence, text))]
    assert made.state is State.OPEN


def test_finalize_of_a_wrong_channel_is_given_back_whole_as_any_bad_text_is() -> None:
    made = session()
    text = '{"type":"Finalize","channel":1,"note":"' + "x" * 1000 + '"}'
    made.receive_text(text, now=1.0)
    (error,) = messages(made.actions())
    assert isinstance(error, Error)
    assert error.message == text


@pytest.mark.parametrize(
    ("options", "known"),
    [
        ({}, 1),
        ({"channels": 2}, 1),
        ({"channels": 2, "multichannel": True}, 2),
        ({"channels": 2, "multichannel": True, "encoding": None}, 1),
    ],
)
def test_channels_are_apart_only_when_asked_and_declared(options: dict[str, object], known: int) -> None:
    made = session(**options)
    made.receive_text(CLOSE_STREAM, now=1.0)
    made.engine_event(Drained(0.0), now=1.0)
    (metadata,) = messages(made.actions())
    assert isinstance(metadata, Metadata)
    assert metadata.channels == known


def test_a_container_tells_how_many_channels_there_are() -> None:
    made = session(encoding=None, multichannel=True, vad_events=True, utterance_end_ms=1000)
    made.receive_audio(b"RIFF", now=1.0)
    made.engine_event(AudioFound(2), now=1.0)
    made.engine_event(SpeechBegan(1, 0.5), now=1.0)
    made.engine_event(heard(final=True, channel=1), now=1.0)
    made.engine_event(UtteranceEnded(1, 1.75), now=1.0)
    made.receive_text('{"type":"Finalize","channel":1}', now=2.0)
    made.receive_text(CLOSE_STREAM, now=2.0)
    made.engine_event(Drained(3.0), now=2.0)
    actions = made.actions()
    assert FlushAudio(1) in actions
    started, results, ended, metadata = messages(actions)
    assert started == SpeechStarted(1, 2, 0.5)
    assert isinstance(results, Results)
    assert (results.channel, results.channels) == (1, 2)
    assert ended == UtteranceEnd(1, 2, 1.75)
    assert isinstance(metadata, Metadata)
    assert metadata.channels == 2
    assert made.tally.channels == 2


# ---- binary is audio, whatever it looks like ----


def test_a_binary_keepalive_is_audio_warned_about_once_counted_and_never_obeyed() -> None:
    made = session()
    made.receive_audio(BINARY_KEEPALIVE, now=1.0)
    warning, fed = made.actions()
    assert fed == FeedAudio(BINARY_KEEPALIVE)
    assert isinstance(warning, Warn)
    assert "KeepAlive" in warning.text
    assert "20 bytes" in warning.text
    assert "text message" in warning.text
    made.receive_audio(BINARY_KEEPALIVE, now=2.0)
    assert made.actions() == [FeedAudio(BINARY_KEEPALIVE)]
    assert made.tally == Tally(bytes_in=40, binary_control_suspects=2)


@pytest.mark.parametrize("text", [CLOSE_STREAM, FINALIZE])
def test_no_binary_control_message_is_obeyed(text: str) -> None:
    made = session()
    made.receive_audio(text.encode(), now=1.0)
    assert [type(action) for action in made.actions()] == [Warn, FeedAudio]
    assert made.state is State.OPEN


@pytest.mark.parametrize(
    ("data", "suspected"),
    [
        (b'{"type": "KeepAlive"}\n', True),
        (b' {"type": "KeepAlive"}', True),
        (b'{"type":"KeepAlive"}'.ljust(63), True),
        (b'{"type":"KeepAlive"}'.ljust(64), False),
        (b'{"type":"Pause"}', False),
        (b'{"type":"KeepAlive"', False),
        (b"{", False),
        (b"{\xff\xfe", False),
        (b"\x01\x02", False),
    ],
)
def test_only_what_reads_as_a_control_message_is_suspected(data: bytes, suspected: bool) -> None:
    made = session()
    made.receive_audio(data, now=1.0)
    kinds = [type(action) for action in made.actions()]
    assert kinds == ([Warn, FeedAudio] if suspected else [FeedAudio])
    assert made.tally.binary_control_suspects == suspected
    assert made.tally.bytes_in == len(data)


# ---- law 3: FLUSHING ends the audio once; what was heard, one Metadata, one CloseSocket ----


def test_what_is_heard_while_flushing_goes_out_then_metadata_then_the_close() -> None:
    made = flushing()
    made.engine_event(heard(final=True, endpoint=True), now=5.25)
    made.engine_event(Drained(3.0), now=5.5)
    results, metadata, close = made.actions()
    assert isinstance(results, Send)
    assert isinstance(results.message, Results)
    assert isinstance(metadata, Send)
    assert isinstance(metadata.message, Metadata)
    assert close == FINISHED
    assert made.state is State.CLOSED


def test_flushing_ignores_what_the_client_says_and_counts_none_of_it() -> None:
    made = flushing()
    before = (made.tally.bytes_in, made.tally.keepalive_count)
    made.receive_audio(b"\x01\x02", now=6.0)
    made.receive_audio(b"", now=6.0)
    for text in (KEEPALIVE, FINALIZE, CLOSE_STREAM, "no JSON"):
        made.receive_text(text, now=6.0)
    assert made.actions() == []
    assert (made.tally.bytes_in, made.tally.keepalive_count) == before
    assert made.next_deadline() == 35.0


def test_a_drain_that_never_ends_is_cut_by_its_cap() -> None:
    made = flushing(Timers(drain_s=4.0))
    made.handle_deadline(now=9.0 - 1 / 1024)
    assert made.actions() == []
    made.handle_deadline(now=9.0)
    assert made.actions() == [NET_0000]
    assert made.state is State.CLOSED
    assert (made.tally.close_code, made.tally.close_reason) == (1011, NET_0000.reason)


def test_after_the_idle_window_the_close_says_net_0001_however_long_the_drain_took() -> None:
    made = session()
    made.handle_deadline(now=10.0)
    made.receive_text(CLOSE_STREAM, now=10.5)
    made.engine_event(Drained(0.0), now=39.0)
    assert made.actions()[-1] == NET_0001
    assert (made.tally.close_code, made.tally.close_reason) == (1011, NET_0001.reason)


def test_audio_that_cannot_be_decoded_closes_with_data_0000() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    made.engine_event(AudioRefused("no FLAC", 0.0), now=1.5)
    _, warning, metadata, close = made.actions()
    assert warning == Warn("audio refused: no FLAC")
    assert isinstance(metadata, Send)
    assert isinstance(metadata.message, Metadata)
    assert close == CloseSocket(1008, "DATA-0000")
    assert made.tally.close_code == 1008


def test_an_engine_that_failed_closes_with_net_0000() -> None:
    made = flushing()
    made.engine_event(EngineFailed("worker lost twice", 2.0), now=5.5)
    warning, metadata, close = made.actions()
    assert warning == Warn("engine failed: worker lost twice")
    assert isinstance(metadata, Send)
    assert isinstance(metadata.message, Metadata)
    assert metadata.message.duration == 2.0
    assert close == NET_0000


# ---- law 4: after CloseSocket there is nothing ----


def test_after_the_close_nothing_is_done_and_nothing_is_due() -> None:
    made = flushing()
    made.engine_event(Drained(0.0), now=5.5)
    made.actions()
    tally = made.tally.close_code, made.tally.close_reason
    made.receive_audio(b"\x01", now=6.0)
    made.receive_audio(b"", now=6.0)
    made.receive_text("no JSON", now=6.0)
    made.engine_event(heard(final=True), now=6.0)
    made.engine_event(Drained(9.0), now=6.0)
    made.handle_deadline(now=1e9)
    made.receive_disconnect(1000, now=6.0)
    assert made.actions() == []
    assert made.next_deadline() is None
    assert (made.tally.close_code, made.tally.close_reason) == tally
    assert made.tally.audio_seconds == 0.0


def test_actions_are_given_once() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    assert made.actions() == [FeedAudio(b"\x01\x02")]
    assert made.actions() == []


def test_a_client_that_leaves_an_open_stream_is_told_nothing() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    made.actions()
    made.receive_disconnect(1001, now=2.0)
    assert made.state is State.CLOSED
    assert made.actions() == []
    assert made.next_deadline() is None
    assert (made.tally.close_code, made.tally.close_reason) == (1001, "the client closed")


def test_a_client_that_leaves_during_the_drain_is_told_nothing_more() -> None:
    made = flushing()
    made.receive_disconnect(1006, now=5.5)
    made.engine_event(heard(final=True, endpoint=True), now=5.75)
    made.engine_event(Drained(3.0), now=6.0)
    assert made.actions() == []
    assert made.next_deadline() is None
    assert made.tally.close_code == 1006


# ---- law 5 and what goes out only when asked for ----


@pytest.mark.parametrize("endpoint", [False, True])
@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("final", [False, True])
def test_speech_final_and_from_finalize_never_come_without_is_final(final: bool, endpoint: bool, flushed: bool) -> None:
    made = session(interim_results=True)
    made.engine_event(heard(final=final, endpoint=endpoint, flushed=flushed), now=1.0)
    (results,) = messages(made.actions())
    assert isinstance(results, Results)
    assert results.is_final is final
    assert results.speech_final is (final and endpoint)
    assert results.from_finalize is (final and flushed)


def test_interims_speech_started_and_utterance_end_are_sent_only_when_asked_for() -> None:
    made = session()
    for event in (AudioFound(1), SpeechBegan(0, 0.5), heard(final=False), UtteranceEnded(0, 1.0)):
        made.engine_event(event, now=1.0)
    assert made.actions() == []


def test_an_utterance_that_an_endpoint_closed_already_ends_at_minus_one() -> None:
    made = session(utterance_end_ms=1000)
    made.engine_event(UtteranceEnded(0, None), now=1.0)
    made.engine_event(UtteranceEnded(0, 8.5), now=2.0)
    assert messages(made.actions()) == [UtteranceEnd(0, 1, -1.0), UtteranceEnd(0, 1, 8.5)]


def test_results_carry_identity_extra_and_the_format_asked_for() -> None:
    made = session(punctuate=True, extra={"call": "7"})
    made.engine_event(heard(final=True), now=1.0)
    (results,) = messages(made.actions())
    assert isinstance(results, Results)
    assert (results.request_id, results.model, results.extra) == (IDENTITY.request_id, MODEL, {"call": "7"})
    assert (results.start, results.duration) == (1.0, 2.0)
    assert results.transcript == "Hello."
    assert results.words[0].punctuated_word == "Hello."


def test_results_leave_punctuation_and_fillers_out_by_default() -> None:
    made = session()
    words = (Word("Um,", 0.0, 0.25, 0.5), Word("yes.", 0.25, 0.5, 0.75))
    made.engine_event(Heard(0, 0.0, 1.0, words, final=True), now=1.0)
    kept = session(filler_words=True)
    kept.engine_event(Heard(0, 0.0, 1.0, words, final=True), now=1.0)
    (without,), (with_filler,) = messages(made.actions()), messages(kept.actions())
    assert isinstance(without, Results)
    assert isinstance(with_filler, Results)
    assert (without.transcript, with_filler.transcript) == ("yes", "um yes")


# ---- the first-response timer ----


def test_the_first_response_timer_is_off_by_default() -> None:
    made = session()
    for at in range(4, 400, 4):
        made.handle_deadline(now=float(at))
        made.receive_text(KEEPALIVE, now=float(at))
    assert made.state is State.OPEN
    assert made.next_deadline() == 406.0


def test_a_connection_that_only_keeps_alive_ends_by_net_0000_when_the_timer_is_on() -> None:
    made = session(WITH_FIRST_RESPONSE)
    for at in range(4, 30, 4):
        made.receive_text(KEEPALIVE, now=float(at))
    assert made.next_deadline() == 30.0
    made.handle_deadline(now=29.75)
    assert made.actions() == []
    made.handle_deadline(now=30.0)
    assert made.actions() == [NET_0000]
    assert made.state is State.CLOSED
    assert (made.tally.close_code, made.tally.close_reason) == (1011, NET_0000.reason)


def test_the_first_message_of_the_server_disarms_the_first_response_timer() -> None:
    made = session(WITH_FIRST_RESPONSE)
    made.receive_text("no JSON", now=25.0)
    assert len(messages(made.actions())) == 1
    made.handle_deadline(now=30.0)
    assert made.state is State.OPEN
    assert made.next_deadline() == 35.0


def test_what_is_not_sent_does_not_disarm_the_first_response_timer() -> None:
    made = session(WITH_FIRST_RESPONSE)
    made.receive_audio(b"\x01\x02", now=25.0)
    for event in (AudioFound(1), SpeechBegan(0, 0.0), heard(final=False), UtteranceEnded(0, 1.0)):
        made.engine_event(event, now=26.0)
    assert made.next_deadline() == 30.0


def test_the_first_response_timer_runs_on_while_the_idle_window_is_held() -> None:
    made = session(WITH_FIRST_RESPONSE)
    made.hold_idle()
    assert made.next_deadline() == 30.0
    made.handle_deadline(now=30.0)
    assert made.actions() == [NET_0000]


def test_the_first_response_timer_is_off_while_flushing() -> None:
    made = flushing(WITH_FIRST_RESPONSE)
    made.handle_deadline(now=30.0)
    assert made.actions() == []
    assert made.next_deadline() == 35.0


def test_when_both_windows_end_together_the_client_was_silent() -> None:
    made = session(Timers(idle_s=10.0, first_response_s=10.0))
    made.handle_deadline(now=10.0)
    assert made.actions() == [EndAudio()]
    made.engine_event(Drained(0.0), now=10.0)
    assert made.actions()[-1] == NET_0001


# ---- Metadata ----


def test_metadata_tells_the_whole_stream() -> None:
    made = session(tags=("a", "b"), extra={"call": "7"}, now=50.0)
    made.receive_audio(b"\x01\x02", now=51.0)
    made.receive_audio(BINARY_KEEPALIVE, now=52.0)
    made.engine_event(AudioFound(1), now=52.0)
    made.receive_text(KEEPALIVE, now=53.0)
    made.receive_text(CLOSE_STREAM, now=54.0)
    made.receive_audio(b"not any more", now=54.5)
    made.engine_event(Drained(0.6875), now=55.0)
    (metadata,) = messages(made.actions())
    assert metadata == Metadata(
        request_id=IDENTITY.request_id,
        sha256=hashlib.sha256(b"\x01\x02" + BINARY_KEEPALIVE).hexdigest(),
        created=IDENTITY.created,
        duration=0.6875,
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
        audio_seconds=0.00375,
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


def _close_stream(made: Session) -> None:
    made.receive_text(CLOSE_STREAM, now=30.0)


def _time_out(made: Session) -> None:
    made.handle_deadline(now=30.0)


def _engine_failed(made: Session) -> None:
    made.engine_event(EngineFailed("gone", 1.0), now=30.0)


@pytest.mark.parametrize("end", [_disconnect, _close_stream, _time_out, _engine_failed])
@pytest.mark.parametrize("timers", [Timers(), WITH_FIRST_RESPONSE])
def test_a_pause_is_counted_up_to_however_the_session_ends(end: object, timers: Timers) -> None:
    made = session(timers)
    made.receive_audio(b"\x01", now=12.5)
    made.receive_text(KEEPALIVE, now=16.5)
    if timers is WITH_FIRST_RESPONSE:
        made.receive_text(KEEPALIVE, now=24.5)
    assert callable(end)
    end(made)
    assert made.state is not State.OPEN
    assert made.tally.paused_seconds == 17.5
    made.receive_disconnect(1006, now=90.0)
    assert made.tally.paused_seconds == 17.5
