"""Whole sessions at literal times: the documented pause, and the acceptance tests of the wire's timers."""

from __future__ import annotations

import hashlib
from array import array

import pytest

from caesura.protocol.messages import Error, Metadata, Results, SpeechStartedMessage, UtteranceEndMessage
from caesura.protocol.session import State, Timers
from tests.protocol.play import (
    BYTES_PER_S,
    CLOSE_STREAM,
    FINALIZE,
    FINISHED,
    KEEPALIVE,
    MODEL,
    NET_0001,
    SILENCE,
    SPEECH,
    Play,
    SimulatedPipeline,
)

PAUSED = (14.0, 18.0, 22.0, 26.0)
"""When KeepAlives come in a pause from 10.0 to 30.0."""


def test_the_documented_pause_leaves_no_gap_in_stream_time() -> None:
    """Audio 0-10 s, KeepAlive only 10-30 s, audio again 30-35 s: Results at 5, 10, 35 s cover 0-5, 5-10, 10-15."""
    play = Play()
    play.audio(0.0, 10.0)
    assert play.spans == [(5.0, 0.0, 5.0), (10.0, 5.0, 10.0)]
    play.keep_alive(13.0, 16.0, 19.0, 22.0, 25.0, 28.0)
    play.until(30.0)
    assert len(play.sent) == 2
    assert play.state is State.OPEN
    play.audio(30.0, 5.0)
    assert play.spans == [(5.0, 0.0, 5.0), (10.0, 5.0, 10.0), (35.0, 10.0, 15.0)]
    assert play.session.tally.paused_seconds == 20.25  # the first chunk after the pause is complete at 30.25


@pytest.mark.parametrize("window", [10.0, 12.0])
def test_1_a_connection_that_sends_nothing_is_closed_at_the_window(window: float) -> None:
    play = Play(Timers(idle_s=window))
    play.until(60.0)
    assert play.closed == (window, NET_0001)
    assert play.sent == [(window, play.metadata)]
    assert (play.metadata.duration, play.metadata.model) == (0.0, None)


def test_2_a_pause_held_by_keepalives_does_not_move_stream_time() -> None:
    play = Play()
    play.audio(0.0, 10.0)
    play.keep_alive(*PAUSED, 30.0)
    play.audio(30.0, 5.0)
    play.text(35.0, CLOSE_STREAM)
    assert play.spans[-1] == (35.0, 10.0, 15.0)
    assert (play.metadata.duration, play.metadata.model) == (15.0, MODEL)
    assert play.closed == (35.0, FINISHED)


def test_3_a_pause_that_nothing_holds_ends_at_the_window_after_the_last_audio() -> None:
    play = Play()
    play.audio(0.0, 10.0)
    play.until(60.0)
    assert play.closed == (20.0, NET_0001)
    assert play.metadata.duration == 10.0
    assert play.session.tally.paused_seconds == 0.0


def test_4_binary_keepalives_hold_the_socket_as_audio_and_shift_what_follows() -> None:
    samples = array("h", range(1, 401)).tobytes()
    play = Play()
    play.binary(0.0, samples)
    for at in (4.0, 8.0, 12.0):
        play.binary(at, b'{"type": "KeepAlive"}')
    play.until(15.0)
    assert play.state is State.OPEN
    assert play.session.tally.bytes_in == len(samples) + 3 * 21
    assert play.session.tally.keepalive_count == 0
    assert len(play.warnings) == 1
    assert play.messages(Error) == []
    play.binary(15.0, samples)
    play.text(15.0, CLOSE_STREAM)
    assert play.metadata.duration == pytest.approx((2 * len(samples) + 3 * 21) / BYTES_PER_S, abs=5e-4)
    assert play.metadata.sha256 == hashlib.sha256(play.pipeline.segment).hexdigest()
    # 63 bytes are 31 samples and a half: what follows is read one byte late, and is not what was sent.
    segment = array("h", bytes(play.pipeline.segment[: len(play.pipeline.segment) // 2 * 2]))
    assert segment[:400] == array("h", samples)
    assert segment[432:] != array("h", samples)[1:]
    assert segment[432:] == array("h", samples[1:-1])


def test_5_pings_only_is_silence() -> None:
    """Pings have no entry into a session: they cannot hold it open."""
    play = Play()
    play.audio(0.0, 1.0)
    for at in (5.0, 10.0):  # a ping comes: the shell has nothing to report
        play.until(at)
    play.until(60.0)
    assert play.closed == (11.0, NET_0001)


def test_6_a_keepalive_with_a_blank_is_a_schema_error_and_the_stream_stays_open() -> None:
    play = Play()
    text = '{ "type": "KeepAlive "}'
    play.text(8.0, text)
    description = (
        "Could not deserialize last text message: unknown variant `KeepAlive `, expected one of `CloseStream`, "
        "`Configure`, `Sync`, `KeepAlive`, `Finalize` at line 1 column 22"
    )
    assert play.sent == [(8.0, Error("SchemaError", description, text))]
    play.until(17.0)
    assert play.state is State.OPEN
    play.until(60.0)
    assert play.closed == (18.0, NET_0001)


def test_7_keepalives_yield_no_message_for_an_hour() -> None:
    play = Play(interim_results=True, vad_events=True, utterance_end_ms=1000)
    play.keep_alive(*(float(at) for at in range(4, 3601, 4)))
    assert play.sent == []
    assert play.state is State.OPEN
    assert play.session.tally.keepalive_count == 900


def test_8_finalize_while_paused_answers_at_once_and_the_next_segment_starts_there() -> None:
    play = Play()
    play.audio(0.0, 3.0)
    play.keep_alive(7.0)
    assert play.sent == []
    play.text(11.0, FINALIZE)
    (flushed,) = play.messages(Results)
    assert play.spans == [(11.0, 0.0, 3.0)]
    assert (flushed.is_final, flushed.speech_final, flushed.from_finalize) == (True, True, True)
    play.keep_alive(15.0, 19.0)
    play.audio(20.0, 5.0)
    assert play.spans[1:] == [(25.0, 3.0, 8.0)]
    assert play.messages(Results)[1].from_finalize is False


def test_8_finalize_without_anything_to_flush_is_answered_too() -> None:
    play = Play()
    play.text(4.0, FINALIZE)
    (flushed,) = play.messages(Results)
    assert (flushed.transcript, flushed.words, flushed.confidence) == ("", (), 0.0)
    assert flushed.from_finalize is True


@pytest.mark.parametrize("empty_binary", [False, True])
def test_9_close_stream_and_an_empty_binary_send_the_rest_then_metadata_then_1000(empty_binary: bool) -> None:
    play = Play()
    play.audio(0.0, 7.0)
    if empty_binary:
        play.binary(7.5, b"")
    else:
        play.text(7.5, CLOSE_STREAM)
    assert play.spans == [(5.0, 0.0, 5.0), (7.5, 5.0, 7.0)]
    assert [type(message) for _, message in play.sent] == [Results, Results, Metadata]
    assert play.messages(Results)[-1].from_finalize is False
    assert play.metadata.duration == 7.0
    assert play.closed == (7.5, FINISHED)
    assert play.session.tally.bytes_in == 7 * BYTES_PER_S


def test_10_the_record_counts_audio_not_the_life_of_the_connection() -> None:
    play = Play()
    play.audio(0.0, 10.0)
    play.keep_alive(*PAUSED)
    play.audio(30.0, 5.0)
    play.text(35.0, CLOSE_STREAM)
    tally = play.session.tally
    assert tally.bytes_in == 15 * BYTES_PER_S
    assert (tally.paused_seconds, tally.keepalive_count) == (20.25, 4)
    assert (tally.channels, tally.close_code, tally.close_reason) == (1, 1000, "")


def test_11_one_keepalive_just_before_the_end_prolongs_by_a_whole_window() -> None:
    play = Play()
    play.text(9.9, KEEPALIVE)
    assert play.session.next_deadline() == pytest.approx(19.9)
    play.until(19.8)
    assert play.state is State.OPEN
    play.until(60.0)
    assert play.closed is not None
    assert play.closed == (pytest.approx(19.9), NET_0001)


def test_12_a_pause_is_no_silence_to_endpointing_and_utterance_end() -> None:
    play = Play(
        pipeline=SimulatedPipeline(cut_s=60.0),
        interim_results=True,
        vad_events=True,
        utterance_end_ms=1000,
        endpointing_ms=500,
    )
    play.audio(0.0, 10.0)
    play.keep_alive(*PAUSED)
    play.until(30.0)
    assert play.messages(SpeechStartedMessage) == [SpeechStartedMessage(0, 1, 0.0)]
    assert play.messages(Results) == []
    assert play.messages(UtteranceEndMessage) == []
    # The same wait as audio ends the utterance, on the stream clock.
    play.audio(30.0, 1.0, SILENCE)
    assert play.spans == [(30.5, 0.0, 10.5)]
    assert play.messages(Results)[0].speech_final is True
    assert play.sent[-1] == (31.0, UtteranceEndMessage(0, 1, 10.0))


def test_the_simulated_pipeline_distinguishes_speech_from_silence() -> None:
    """What test 12 rests on: without it, its pipeline could stay silent for another reason."""
    play = Play(vad_events=True)
    play.audio(0.0, 2.0, SILENCE)
    assert play.messages(SpeechStartedMessage) == []
    play.audio(2.0, 1.0, SPEECH)
    assert play.messages(SpeechStartedMessage) == [SpeechStartedMessage(0, 1, 2.0)]
