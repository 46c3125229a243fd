"""What a line finds dead, when, and what it leaves alone."""

from __future__ import annotations

import pytest

from caesura.client.events import Reconnecting
from caesura.client.line_actions import Action, Phase
from caesura.errors import LineError
from tests.client.bench import FINALIZE, KEEPALIVE, Bench, loud, metadata, quiet, results

LOUD, QUIET = loud(125), quiet(125)


def found(bench: Bench) -> tuple[float, str]:
    """When the only alarm came, and what it says."""
    (reconnecting,) = bench.events_of(Reconnecting)
    assert isinstance(reconnecting.error, LineError)
    (at,) = bench.times(Action.ABORT)
    return at, reconnecting.why


# ---- a server that transcribes nothing ----


def test_a_server_that_is_mute_while_speech_is_sent_is_given_up_after_ten_seconds() -> None:
    """It answers every ping (pipecat #5735)."""
    bench = Bench()
    bench.stream(11.0, LOUD, piece_s=0.125)
    assert found(bench) == (10.125, "the server is there, but transcribes nothing of the speech sent")
    bench.until(10.375)
    bench.open()
    bench.wait(10.0)
    assert bench.audio == LOUD * 88
    assert bench.gaps == []


def test_a_server_that_falls_silent_in_the_middle_of_speech_is_given_up_ten_seconds_later() -> None:
    bench = Bench()
    bench.stream(5.0, LOUD, piece_s=0.125)
    bench.receive(results(0.0, 4.5))
    bench.stream(10.0, LOUD, piece_s=0.125)
    assert found(bench)[0] == 15.0


def test_a_server_that_sends_nothing_for_silence_is_kept() -> None:
    """For as long as it answers pings (vellum PR #38371)."""
    bench = Bench()
    bench.stream(5.0, LOUD, piece_s=0.125)
    bench.receive(results(0.0, 5.0))
    bench.stream(600.0, QUIET, piece_s=0.125)
    assert bench.times(Action.ABORT) == []
    assert bench.stats.connections == 1


def test_a_server_that_answers_all_speech_in_time_lives() -> None:
    bench = Bench()
    for index in range(60):
        bench.stream(9.0, LOUD, piece_s=0.125)
        bench.receive(results(9.0 * index, 9.0 * (index + 1)))
    assert bench.times(Action.ABORT) == []


# ---- a dead connection ----


@pytest.mark.parametrize("sound", [LOUD, QUIET], ids=["speech", "silence"])
def test_a_connection_that_is_dead_although_it_is_open_is_found_within_five_seconds(sound: bytes) -> None:
    """A ping goes out after 2 s without an answer, and none comes."""
    bench = Bench()
    bench.stream(10.0, LOUD, piece_s=0.125)
    bench.receive(results(0.0, 10.0))
    bench.answers = False
    bench.stream(6.0, sound, piece_s=0.125)
    at, why = found(bench)
    assert bench.times(Action.PING)[-1] == 12.125
    assert (at, why) == (15.125, "the connection is dead although it is open: nothing answers the audio sent")


def test_a_late_pong_saves_a_connection() -> None:
    bench = Bench()
    bench.answers = False
    bench.stream(5.0, QUIET, piece_s=0.125)
    bench.machine.receive_pong(now=bench.now)
    bench.answers = True
    bench.stream(5.0, QUIET, piece_s=0.125)
    assert bench.times(Action.ABORT) == []


def test_audio_of_a_container_needs_an_answer_too() -> None:
    bench = Bench(None)
    bench.answers = False
    bench.send(b"\x1a\x45\xdf\xa3 tracks \x1f\x43\xb6\x75 opus")
    bench.until(5.0)
    assert found(bench)[0] == 5.0


# ---- a socket that takes nothing ----


def test_a_frame_that_is_not_taken_is_found_after_five_seconds_and_sent_again() -> None:
    """The peer has stopped reading, and all buffers are full (pipecat #5796)."""
    bench = Bench()
    bench.speak(1.0)
    bench.receive(results(0.0, 1.0))
    bench.takes = False
    bench.speak(1.0)
    bench.until(7.0)
    assert found(bench) == (1.125 + 5.0, "the connection takes nothing any more")
    bench.open()
    bench.wait(2.0)
    assert bench.received == list(range(1000, 2000))
    assert bench.gaps == []


def test_a_keepalive_that_is_not_taken_is_found_too() -> None:
    """In the middle of a pause (omi #5870)."""
    bench = Bench()
    bench.takes = False
    bench.until(8.9)
    assert bench.texts == [(4.0, KEEPALIVE)]
    assert bench.times(Action.ABORT) == []
    bench.until(9.0)
    assert found(bench)[0] == 9.0


# ---- pauses ----


def test_nothing_is_given_up_in_a_pause() -> None:
    """Not even when Finalize is not answered: little was sent since the last final, and a server may keep it back."""
    bench = Bench()
    bench.stream(5.0, LOUD, piece_s=0.125)
    bench.receive(results(0.0, 4.5))
    bench.pause()
    bench.wait(3600.0)
    assert bench.times(Action.ABORT) == []
    assert [text for _, text in bench.texts] == [FINALIZE, *[KEEPALIVE] * 900]


def test_after_a_pause_a_server_has_its_ten_seconds_anew() -> None:
    bench = Bench()
    bench.stream(5.0, LOUD, piece_s=0.125)
    bench.pause()
    bench.wait(3600.0)
    bench.resume()
    bench.stream(9.75, LOUD, piece_s=0.125)
    assert bench.times(Action.ABORT) == []
    bench.stream(1.0, LOUD, piece_s=0.125)
    assert found(bench)[0] == 3615.125


def test_a_connection_that_died_in_a_pause_is_found_within_five_seconds_of_the_audio_after_it() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.receive(results(0.0, 1.0))
    bench.pause()
    bench.receive(results(1.0, 1.0, from_finalize=True))
    bench.answers = False
    bench.wait(3600.0)
    assert bench.times(Action.ABORT) == []
    bench.resume()
    bench.speak(6.0)
    assert found(bench)[0] == 3601.0 + 5.125
    bench.wait(10.0)
    if bench.machine.phase is Phase.CONNECTING:
        bench.open()
    bench.answers = True
    bench.wait(10.0)
    assert bench.received == list(range(1000, 7000))


# ---- the end ----


def test_a_server_that_dies_behind_close_stream_is_found_and_the_end_is_sent_again() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.answers = False
    bench.finish(20.0)
    bench.until(7.0)
    assert found(bench)[0] == 5.125
    bench.answers = True
    bench.open()
    bench.wait(2.0)
    assert bench.received == list(range(1000))
    bench.receive(results(0.0, 1.0))
    bench.receive(metadata(1.0))
    assert bench.machine.transcript(now=bench.now).complete


def test_a_server_that_is_mute_behind_close_stream_is_found_after_ten_seconds() -> None:
    bench = Bench()
    bench.stream(1.0, LOUD, piece_s=0.125)
    bench.finish(30.0)
    bench.until(12.0)
    assert found(bench)[0] == 10.125
