"""The laws of a session, each at literal times."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from caesura.events import (
    AudioFound,
    AudioRefused,
    Drained,
    EngineFailed,
    SpeechBegan,
    TranscriptSegment,
    UtteranceEnded,
)
from caesura.protocol.actions import (
    Action,
    CloseSocket,
    Covered,
    EndAudio,
    FeedAudio,
    Reconfigure,
    ReleaseHeldFinals,
    Send,
    StopAudio,
    Warn,
)
from caesura.protocol.codec import write_server_message
from caesura.protocol.messages import (
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Metadata,
    ModelInfo,
    Results,
    UtteranceEndMessage,
)
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Session, State, Tally, Timers
from caesura.words import Word
from tests.protocol.play import (
    BINARY_KEEPALIVE,
    CLOSE_STREAM,
    FINALIZE,
    FINISHED,
    IDENTITY,
    KEEPALIVE,
    MODEL,
    NET_0000,
    NET_0001,
    SPEECH,
    WITH_FIRST_RESPONSE,
    flushing,
    messages,
    segment,
    session,
)
from tests.server_messages import read_server_message

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
    for event in (AudioFound(1), SpeechBegan(0, 0.5), segment(final=False), segment(final=True, endpoint=True)):
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
    assert made.tally == Tally(keepalive_count=100, paused=True)


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


# ---- law 3: FLUSHING ends the audio once; the transcript, one Metadata, one CloseSocket ----


def test_the_transcript_while_flushing_goes_out_then_metadata_then_the_close() -> None:
    made = flushing()
    made.engine_event(segment(final=True, endpoint=True), now=5.25)
    made.engine_event(Drained(3.0), now=5.5)
    results, metadata, close = made.actions()
    assert isinstance(results, Send)
    assert isinstance(read_server_message(results.text), Results)
    assert isinstance(metadata, Send)
    assert isinstance(read_server_message(metadata.text), Metadata)
    assert close == FINISHED
    assert made.state is State.CLOSED


def test_flushing_ignores_what_the_client_sends_and_counts_none_of_it() -> None:
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


def test_the_drain_cap_begins_anew_while_last_words_are_on_their_way() -> None:
    made = flushing(Timers(drain_s=4.0))
    made.actions()
    made.prolong_drain(now=3.0)
    assert made.next_deadline() == 7.0
    made.handle_deadline(now=6.9)
    assert made.actions() == []
    made.handle_deadline(now=7.0)
    assert made.actions() == [NET_0000]


def test_only_a_drain_can_be_prolonged() -> None:
    made = session()
    deadline = made.next_deadline()
    made.prolong_drain(now=100.0)
    assert made.next_deadline() == deadline
    made.receive_disconnect(1006, now=0.0)
    made.prolong_drain(now=100.0)
    assert made.next_deadline() is None


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
    assert isinstance(read_server_message(metadata.text), Metadata)
    assert close == CloseSocket(1008, "DATA-0000")
    assert made.tally.close_code == 1008


def test_an_engine_that_failed_closes_with_net_0000() -> None:
    made = flushing()
    made.engine_event(EngineFailed("worker lost twice", 2.0), now=5.5)
    warning, metadata, close = made.actions()
    assert warning == Warn("engine failed: worker lost twice")
    assert isinstance(metadata, Send)
    assert isinstance(read_server_message(metadata.text), Metadata)
    assert read_server_message(metadata.text).duration == 2.0  # type: ignore[union-attr]
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
    made.engine_event(segment(final=True), now=6.0)
    made.engine_event(Drained(9.0), now=6.0)
    made.handle_deadline(now=1e9)
    made.receive_disconnect(1000, now=6.0)
    assert made.actions() == []
    assert made.next_deadline() is None
    assert (made.tally.close_code, made.tally.close_reason) == tally


def test_actions_are_given_once() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    assert made.actions() == [FeedAudio(b"\x01\x02")]
    assert made.actions() == []


def test_a_client_that_leaves_an_open_stream_is_sent_nothing() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    made.actions()
    made.receive_disconnect(1001, now=2.0)
    assert made.state is State.CLOSED
    assert made.actions() == []
    assert made.next_deadline() is None
    assert (made.tally.close_code, made.tally.close_reason) == (1001, "the client closed")


def test_a_client_that_leaves_during_the_drain_is_sent_nothing_more() -> None:
    made = flushing()
    made.receive_disconnect(1006, now=5.5)
    made.engine_event(segment(final=True, endpoint=True), now=5.75)
    made.engine_event(Drained(3.0), now=6.0)
    assert made.actions() == []
    assert made.next_deadline() is None
    assert made.tally.close_code == 1006
    assert made.tally.close_reason == "the client closed before its last words"


# ---- law 5 and what goes out only when requested ----


@pytest.mark.parametrize("endpoint", [False, True])
@pytest.mark.parametrize("flushed", [False, True])
@pytest.mark.parametrize("final", [False, True])
def test_speech_final_and_from_finalize_never_come_without_is_final(final: bool, endpoint: bool, flushed: bool) -> None:
    made = session(interim_results=True)
    made.engine_event(segment(final=final, endpoint=endpoint, flushed=flushed), now=1.0)
    (results,) = messages(made.actions())
    assert isinstance(results, Results)
    assert results.is_final is final
    assert results.speech_final is (final and endpoint)
    assert results.from_finalize is (final and flushed)


def test_interims_speech_started_and_utterance_end_are_sent_only_when_requested() -> None:
    made = session()
    for event in (AudioFound(1), SpeechBegan(0, 0.5), segment(final=False), UtteranceEnded(0, 1.0)):
        made.engine_event(event, now=1.0)
    assert made.actions() == []


def test_an_utterance_that_an_endpoint_closed_already_ends_at_minus_one() -> None:
    made = session(utterance_end_ms=1000)
    made.engine_event(UtteranceEnded(0, None), now=1.0)
    made.engine_event(UtteranceEnded(0, 8.5), now=2.0)
    assert messages(made.actions()) == [UtteranceEndMessage(0, 1, -1.0), UtteranceEndMessage(0, 1, 8.5)]


def test_results_carry_identity_extra_and_the_format_requested() -> None:
    made = session(punctuate=True, extra={"call": "7"})
    made.engine_event(segment(final=True), now=1.0)
    (results,) = messages(made.actions())
    assert isinstance(results, Results)
    assert (results.request_id, results.model, results.extra) == (IDENTITY.request_id, MODEL, {"call": "7"})
    assert (results.start, results.duration) == (1.0, 2.0)
    assert results.transcript == "Hello."
    assert results.words[0].punctuated_word == "Hello."
    assert results.diarizer is None


def test_results_carry_the_diarizer() -> None:
    diarizer = ModelInfo("id", "voices", "1", "x-vector")
    made = Session(ListenOptions(diarize=True), replace(IDENTITY, diarizer=diarizer), Timers(), now=0.0)
    made.engine_event(segment(final=True), now=1.0)
    (send,) = made.actions()
    assert isinstance(send, Send)
    assert json.loads(send.text)["metadata"]["diarize_info"] == {"model_uuid": "id", "arch": "x-vector"}


def test_results_leave_punctuation_out_by_default() -> None:
    made = session()
    made.engine_event(TranscriptSegment(0, 0.0, 1.0, (Word("Yes.", 0.25, 0.5, 0.75),), final=True), now=1.0)
    (results,) = messages(made.actions())
    assert isinstance(results, Results)
    assert (results.transcript, results.words[0].punctuated_word) == ("yes", None)


# ---- Configure ----


def configure(made: Session, fields: str) -> list[Action]:
    made.receive_text('{"type":"Configure",' + fields + "}", now=1.0)
    return made.actions()


def biasing() -> Session:
    options = ListenOptions(encoding="linear16", sample_rate=16_000)
    return Session(options, replace(IDENTITY, biases=True), Timers(), now=0.0)


def test_a_configure_takes_its_place_between_the_audio_and_is_answered() -> None:
    made = biasing()
    made.receive_audio(b"\x01\x02", now=0.5)
    assert configure(made, '"features":{"numerals":true},"keyterms":["Norland"]') == [
        FeedAudio(b"\x01\x02"),
        Reconfigure({"numerals": True}, ("Norland",)),
        Send(write_server_message(ConfigureSuccess(IDENTITY.request_id, ("Norland",))), reply=True),
    ]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ('"features":{"diarize":true}', "CONFIGURE_FEATURE_NOT_SUPPORTED"),
        ('"language_hints":["en"]', "CONFIGURE_NOT_SUPPORTED"),
        ('"keyterms":["' + "x" * 2001 + '"]', "CONFIGURE_KEYTERM_LIMIT_EXCEEDED"),
    ],
)
def test_a_configure_that_cannot_be_honoured_changes_nothing(fields: str, code: str) -> None:
    (failure,) = messages(configure(biasing(), fields + ',"features":{"numerals":true}' * ("features" not in fields)))
    assert isinstance(failure, ConfigureFailure)
    assert (failure.request_id, failure.code) == (IDENTITY.request_id, code)
    assert failure.description.endswith(".")


def test_keyterms_are_refused_where_the_model_takes_none() -> None:
    (failure,) = messages(configure(session(), '"keyterms":["x"]'))
    assert failure == ConfigureFailure(
        IDENTITY.request_id, "CONFIGURE_KEYTERMS_NOT_SUPPORTED", "The model general-test does not support keyterms."
    )
    assert configure(session(), '"keyterms":[]')[0] == Reconfigure({}, ())


def test_a_configure_restarts_the_idle_window() -> None:
    made = session()
    configure(made, '"features":{}')
    assert made.next_deadline() == 11.0


# ---- finals that wait, and a pause ----


@pytest.mark.parametrize(
    "options", [{"smart_format": True}, {"redact": ("pci",)}, {"redact": ("ssn",), "no_delay": True}]
)
def test_three_seconds_without_audio_release_held_finals(options: dict[str, Any]) -> None:
    made = session(**options)
    made.receive_audio(SPEECH, now=1.0)
    assert made.next_deadline() == 4.0
    made.receive_text(KEEPALIVE, now=2.0)
    made.actions()
    made.handle_deadline(now=3.9)
    assert made.actions() == []
    made.handle_deadline(now=4.0)
    assert made.actions() == [ReleaseHeldFinals()]
    assert made.next_deadline() == 12.0
    made.receive_audio(SPEECH, now=11.0)
    assert made.next_deadline() == 14.0


@pytest.mark.parametrize("options", [{}, {"numerals": True}, {"smart_format": True, "no_delay": True}])
def test_where_nothing_waits_there_is_no_such_deadline(options: dict[str, Any]) -> None:
    made = session(**options)
    made.receive_audio(SPEECH, now=1.0)
    assert made.next_deadline() == 11.0


def test_a_late_deadline_releases_held_finals_and_then_ends_the_idle_stream() -> None:
    made = session(smart_format=True)
    made.receive_audio(SPEECH, now=1.0)
    made.actions()
    made.handle_deadline(now=11.0)
    assert made.actions() == [ReleaseHeldFinals(), EndAudio()]


def test_time_in_which_we_do_not_read_is_no_pause() -> None:
    made = session(smart_format=True)
    made.receive_audio(SPEECH, now=1.0)
    made.hold_idle()
    assert made.next_deadline() is None
    made.resume_idle(now=20.0)
    assert made.next_deadline() == 23.0


def test_smart_format_that_comes_by_configure_waits_too() -> None:
    made = session()
    configure(made, '"features":{"smart_format":true}')
    made.receive_audio(SPEECH, now=2.0)
    assert made.next_deadline() == 5.0


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
    for event in (AudioFound(1), SpeechBegan(0, 0.0), segment(final=False), UtteranceEnded(0, 1.0)):
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


# ---- what a shell learns of a message without reading it ----


def test_an_interim_may_be_shed_and_a_final_not_and_both_cover_audio() -> None:
    made = session(interim_results=True)
    made.engine_event(segment(final=False), now=1.0)
    made.engine_event(segment(final=True), now=2.0)
    interim, final = (each for each in made.actions() if isinstance(each, Send))
    assert (interim.sheddable, interim.covers, interim.reply) == (True, Covered(0, 3.0), False)
    assert (final.sheddable, final.covers, final.reply) == (False, Covered(0, 3.0), False)


def test_what_answers_the_client_is_no_part_of_the_transcript() -> None:
    made = session(vad_events=True, utterance_end_ms=1000)
    made.receive_text("hello", now=1.0)
    made.receive_text('{"type":"Configure"}', now=1.0)
    made.receive_text('{"type":"Configure","features":{"x":true}}', now=1.0)
    made.engine_event(SpeechBegan(0, 0.5), now=2.0)
    made.engine_event(UtteranceEnded(0, 1.0), now=3.0)
    made.engine_event(Drained(3.0), now=4.0)
    sends = [each for each in made.actions() if isinstance(each, Send)]
    assert [each.reply for each in sends] == [True, True, True, False, False, False]
    assert not any(each.sheddable or each.covers for each in sends)


def test_a_client_that_leaves_while_a_callback_listens_is_drained_under_its_own_code() -> None:
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    made.receive_disconnect(1012, now=2.0, reason="the client closed", drain=True)
    assert made.state is State.FLUSHING
    made.engine_event(Drained(1.0), now=3.0)
    assert made.actions()[-1] == CloseSocket(1012, "the client closed")
    assert made.tally.closed_by_client


@pytest.mark.parametrize(
    ("keepalive_at", "stop_at", "end"),
    [(None, 9.0, StopAudio()), (1.5, 1.99, StopAudio()), (1.5, 2.0, EndAudio()), (5.0, 5.0, EndAudio())],
)
def test_a_stop_takes_the_audio_as_whole_only_where_keep_alive_holds_the_stream(
    keepalive_at: float | None, stop_at: float, end: EndAudio | StopAudio
) -> None:
    """Some clients send KeepAlive between two pieces of audio too."""
    made = session()
    made.receive_audio(b"\x01\x02", now=1.0)
    if keepalive_at is not None:
        made.receive_text('{"type":"KeepAlive"}', now=keepalive_at)
    made.actions()
    made.stop(now=stop_at)
    assert made.actions() == [end]


def test_audio_ends_what_keep_alive_held() -> None:
    made = session()
    made.receive_text('{"type":"KeepAlive"}', now=1.0)
    assert made.is_held(now=1.0)
    made.receive_audio(b"\x01\x02", now=2.0)
    assert not made.is_held(now=9.0)


def test_a_restart_of_ours_is_not_the_client_s() -> None:
    made = session()
    made.stop(now=1.0)
    made.engine_event(Drained(0.0), now=2.0)
    assert (made.tally.close_code, made.tally.closed_by_client) == (1012, False)
