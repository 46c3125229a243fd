"""How connections and lines end, and what is tried again for how long, at literal times."""

from __future__ import annotations

from typing import cast

import pytest

from caesura.client.events import (
    Closed,
    Dropped,
    Notice,
    Reconnected,
    Reconnecting,
    SpeechStarted,
    Stats,
    UtteranceEnd,
)
from caesura.client.line_actions import Action, Phase
from caesura.client.line_settings import LineSettings
from caesura.client.reconnect import Backoff, refusal
from caesura.client.recovery import Recovery
from caesura.errors import (
    BadAnswer,
    BadCredentials,
    CaesuraError,
    ConnectionClosedByServer,
    LineError,
    PaymentRequired,
    ReconnectFailed,
    Unreachable,
)
from tests.client.bench import (
    CLOSE_STREAM,
    FINALIZE,
    MONO,
    Bench,
    metadata,
    results,
    voice,
)

# ---- how connections end ----


@pytest.mark.parametrize("code", [1001, 1005, 1006, 1011, 1012, 1013, 1014, 4408, 4500])
def test_after_most_closes_the_line_tries_again(code: int) -> None:
    bench = Bench()
    bench.send_samples(100)
    bench.cut(code, "why")
    assert bench.machine.phase is Phase.WAITING
    (reconnecting,) = bench.events_of(Reconnecting)
    assert (reconnecting.attempt, reconnecting.delay_s) == (1, 0.25)
    assert reconnecting.why == f"closed with {code} why"
    assert isinstance(reconnecting.error, ConnectionClosedByServer)
    bench.reopen()
    bench.wait(1.0)
    assert bench.received == list(range(100))


@pytest.mark.parametrize("code", [1000, 1002, 1003, 1007, 1008, 1009, 1015, 3000, 4000, 4401, 4402, 4403])
def test_after_other_closes_the_line_ends_with_the_error(code: int) -> None:
    """1000 too, when no CloseStream was sent. Audio without a final is reported as lost."""
    bench = Bench()
    bench.send_samples(100)
    bench.cut(code, "why")
    assert bench.closed == Closed(code, "why")
    assert isinstance(bench.closed.error, ConnectionClosedByServer)
    assert bench.closed.error.code == code
    assert bench.gaps == [(0.0, 0.1)]
    assert not bench.machine.transcript(now=bench.now).complete


def test_a_close_with_429_waits_longer() -> None:
    bench = Bench()
    bench.cut(4429)
    assert bench.events_of(Reconnecting)[0].delay_s == 2.0


@pytest.mark.parametrize(("status", "kind"), [(401, BadCredentials), (402, PaymentRequired), (403, BadCredentials)])
@pytest.mark.parametrize("first", [True, False])
def test_a_refusal_for_good_ends_the_line(status: int, kind: type[CaesuraError], first: bool) -> None:
    bench = Bench(open_line=False)
    bench.start()
    if not first:
        bench.open()
        bench.cut()
        bench.until(0.25)
    bench.fail(status)
    assert type(bench.closed.error) is kind
    assert bench.events_of(Reconnected) == []


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425])
def test_a_refusal_for_now_is_tried_again(status: int) -> None:
    bench = Bench(open_line=False)
    bench.start()
    bench.fail(status)
    bench.reopen()
    assert bench.machine.phase is Phase.OPEN


def test_too_many_streams_waits_and_honours_retry_after() -> None:
    bench = Bench()
    bench.cut()
    bench.until(0.25)
    bench.fail(429)
    assert bench.events_of(Reconnecting)[-1].delay_s == 4.0
    bench.until(4.25)
    bench.fail(refusal(429, retry_after_s=60.0))
    assert bench.events_of(Reconnecting)[-1].delay_s == 62.0
    bench.until(66.24)
    assert bench.machine.phase is Phase.WAITING
    bench.until(66.25)
    assert bench.machine.phase is Phase.CONNECTING


def test_waits_double_and_are_a_random_part_of_the_longest() -> None:
    bench = Bench()
    bench.cut()
    delays = []
    for chance in (0.0, 0.999, 0.5, 0.5, 0.5, 0.5, 0.5):
        bench.chance = chance
        bench.until(bench.machine.next_deadline() or 0.0)
        bench.fail(Unreachable("nobody"))
        delays.append(bench.events_of(Reconnecting)[-1].delay_s)
    assert delays == [0.0, 1.998, 2.0, 4.0, 5.0, 5.0, 5.0]
    assert [event.attempt for event in bench.events_of(Reconnecting)] == list(range(1, 9))


def test_after_a_good_connection_waits_are_short_again() -> None:
    """Good is one on which a final made progress, or which lasted 10 s."""
    bench = Bench()
    for good, last in ((False, 9.9), (True, 0.1), (False, 10.0), (False, 1.0), (False, 1.0)):
        bench.cut()
        bench.until(bench.machine.next_deadline() or 0.0)
        bench.open()
        if good:
            bench.send_samples(250)
            bench.receive(results(0.0, 0.25))
        bench.wait(last)
    bench.cut()
    assert [event.attempt for event in bench.events_of(Reconnecting)] == [1, 2, 1, 1, 2, 3]


def test_a_server_that_speaks_and_dies_again_and_again_is_given_up() -> None:
    """It says something each time, but nothing for good: the attempts and the outage are one."""
    bench = Bench(retry=Backoff(budget_s=60.0))
    bench.send_samples(1000)
    while bench.machine.phase is not Phase.CLOSED:
        bench.receive('{"type":"Hello"}')
        bench.receive(results(0.0, 0.5, final=False))
        bench.receive(results(0.0, 0.0))
        bench.cut(1011)
        if bench.machine.phase is Phase.WAITING:
            bench.until(bench.machine.next_deadline() or 0.0)
            bench.open()
    assert isinstance(bench.closed.error, ReconnectFailed)
    attempts = [event.attempt for event in bench.events_of(Reconnecting)]
    assert attempts == list(range(1, len(attempts) + 1))


# ---- budgets ----


def test_the_first_connection_is_tried_for_ten_seconds_and_then_its_failure_is_the_error() -> None:
    bench = Bench(open_line=False)
    bench.start()
    bench.wait(9.7)
    bench.fail(Unreachable("nobody"))
    assert bench.machine.phase is Phase.WAITING
    bench.wait(0.26)
    error = Unreachable("still nobody")
    bench.fail(error)
    assert bench.closed.error is error


def test_a_connection_that_is_refused_is_reported_at_once_when_it_is_the_first() -> None:
    bench = Bench(open_line=False)
    bench.start()
    error = Unreachable("Nothing listens there.", retryable=False)
    bench.fail(error)
    assert bench.closed.error is error
    assert bench.now == 0.0
    assert bench.events_of(Reconnecting) == []


def test_a_refusal_with_retry_after_is_waited_out() -> None:
    """A server that is started at the same time refuses at first."""
    bench = Bench(open_line=False, open_within_s=60.0)
    bench.start()
    bench.fail(Unreachable("Nothing listens there.", retryable=False))
    assert bench.machine.phase is Phase.WAITING
    bench.reopen()
    assert bench.machine.phase is Phase.OPEN


def test_a_server_that_restarts_may_refuse_for_a_while() -> None:
    """Before the first connection too, when it has answered once."""
    bench = Bench(open_line=False)
    bench.start()
    bench.fail(503)
    bench.until(bench.machine.next_deadline() or 0.0)
    bench.fail(Unreachable("Nothing listens there.", retryable=False))
    bench.reopen()
    bench.cut()
    bench.until(bench.machine.next_deadline() or 0.0)
    bench.fail(Unreachable("Nothing listens there.", retryable=False))
    bench.reopen()
    assert bench.machine.phase is Phase.OPEN


def test_the_first_connection_may_be_tried_once_only() -> None:
    bench = Bench(open_line=False, open_within_s=0.0)
    bench.chance = 0.0
    bench.start()
    bench.fail(Unreachable("nobody"))
    assert isinstance(bench.closed.error, Unreachable)


def test_an_outage_is_fought_for_its_budget_in_time_and_not_in_attempts() -> None:
    bench = Bench(retry=Backoff(budget_s=100.0))
    bench.wait(50.0)
    bench.cut()
    while bench.machine.phase is Phase.WAITING:
        bench.until(bench.machine.next_deadline() or 0.0)
        bench.fail(Unreachable("nobody"))
    assert 140.0 < bench.now < 150.0
    assert isinstance(bench.closed.error, ReconnectFailed)
    assert isinstance(bench.closed.error.__cause__, Unreachable)
    assert str(bench.closed.error) == f"No connection for {bench.now - 50.0:.0f} s. nobody"


def test_a_server_that_requests_a_longer_wait_than_the_budget_ends_the_line_at_once() -> None:
    bench = Bench(retry=Backoff(budget_s=30.0))
    bench.cut()
    bench.until(0.25)
    bench.fail(refusal(503, retry_after_s=60.0))
    assert isinstance(bench.closed.error, ReconnectFailed)


def test_an_outage_begins_when_a_good_connection_breaks() -> None:
    bench = Bench()
    bench.wait(100.0)
    bench.cut()
    bench.reopen()
    assert bench.events_of(Reconnected)[0].outage_s == 0.25


# ---- the end ----


def test_finish_sends_finalize_and_close_stream_and_waits_for_metadata() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.finish()
    assert [text for _, text in bench.texts] == [FINALIZE, CLOSE_STREAM]
    assert bench.send(voice(0, 100)) == Dropped(100.0, "the line is closed")
    bench.receive(results(0.0, 1.0, ("end", 0.5, 0.75), speech_final=True))
    bench.receive(metadata(1.0))
    assert bench.closed == Closed(1000, "")
    assert bench.closed.error is None
    assert bench.actions[-1] == (1.0, Action.CLOSE)
    transcript = bench.machine.transcript(now=bench.now)
    assert transcript.complete
    assert (transcript.text, transcript.error, transcript.gaps) == ("end", None, ())
    assert [word.word for word in transcript.words] == ["end"]
    assert transcript.stats.provider_s == 1.0
    assert [final.raw for final in transcript.finals] == [""]


def test_closed_carries_the_metadata_message_as_it_came() -> None:
    bench = Bench()
    bench.finish()
    bench.receive(metadata(0.0))
    assert bench.closed.raw == metadata(0.0)


def test_finish_is_done_once() -> None:
    bench = Bench()
    bench.finish(5.0)
    bench.finish(50.0)
    bench.machine.finalize()
    bench.pause()
    bench.until(4.9)
    assert not bench.ended
    assert [text for _, text in bench.texts] == [FINALIZE, CLOSE_STREAM]
    bench.until(5.0)
    assert bench.ended
    bench.finish()
    assert len(bench.events_of(Closed)) == 1


def test_finish_gives_up_at_its_deadline_and_reports_what_is_lost() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.receive(results(0.0, 0.4))
    bench.finish(3.0)
    bench.until(10.0)
    assert bench.events[-1] == (4.0, Closed(None, ""))
    assert str(bench.closed.error) == "The server was not done 3 s after the end of the audio."
    assert bench.gaps == [(0.4, 1.0)]
    assert bench.actions[-1] == (4.0, Action.ABORT)


def test_finish_without_a_connection_reports_what_prevented_it() -> None:
    bench = Bench(open_line=False, open_within_s=60.0)
    bench.start()
    bench.send_samples(100)
    bench.fail(Unreachable("Nothing listens there."))
    bench.finish(0.1)
    bench.until(1.0)
    assert str(bench.closed.error).endswith("0.1 s after the end of the audio. Nothing listens there.")
    assert bench.gaps == [(0.0, 0.1)]


def test_finish_in_a_pause_ends_the_pause() -> None:
    bench = Bench()
    bench.send_samples(100)
    bench.pause()
    bench.wait(2.0)
    bench.finish()
    assert not bench.machine.paused
    assert [text for _, text in bench.texts][-1] == CLOSE_STREAM
    assert bench.stats.paused_s == 2.0


def test_finish_before_the_start_ends_the_line() -> None:
    bench = Bench(open_line=False)
    bench.finish()
    assert bench.closed == Closed(None, "")
    assert bench.closed.error is None
    assert bench.actions == []


def test_finish_without_a_deadline_takes_no_more_audio_either() -> None:
    bench = Bench()
    bench.finish(float("inf"))
    assert bench.send(voice(0, 100)) == Dropped(100.0, "the line is closed")
    bench.receive(metadata())
    assert bench.closed.error is None


def test_a_cut_while_finishing_is_recovered_within_the_deadline() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.finish()
    bench.receive(results(0.0, 0.6, ("first", 0.25, 0.5)))
    bench.cut()
    bench.reopen()
    bench.wait(2.0)
    assert bench.received == list(range(600, 1000))
    assert [text for _, text in bench.texts] == [FINALIZE, CLOSE_STREAM]
    bench.receive(results(0.0, 0.4, ("second", 0.1, 0.3)))
    bench.receive(metadata(0.4))
    transcript = bench.machine.transcript(now=bench.now)
    assert (transcript.complete, transcript.text) == (True, "first second")


@pytest.mark.parametrize("code", [1000, 1005, 1006, 1011])
def test_a_server_that_closes_without_metadata_was_done_when_finals_cover_everything(code: int) -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.finish()
    bench.receive(results(0.0, 1.0))
    bench.cut(code)
    assert (bench.closed.code, bench.closed.error) == (code, None)
    assert bench.machine.transcript(now=bench.now).complete


def test_a_requested_close_that_comes_too_early_is_a_loss_and_no_error() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.finish()
    bench.cut(1000)
    assert bench.closed.error is None
    assert bench.gaps == [(0.0, 1.0)]
    assert not bench.machine.transcript(now=bench.now).complete


def test_metadata_in_the_middle_ends_nothing() -> None:
    """Some servers say it when they open, ours before it gives up on an idle client."""
    bench = Bench()
    bench.receive(metadata(0.0))
    assert bench.machine.phase is Phase.OPEN
    bench.receive(metadata(2.0))
    assert bench.stats.provider_s == 2.0


def test_abandon_ends_at_once_and_reports_what_is_lost() -> None:
    bench = Bench()
    bench.send_samples(100)
    error = LineError("enough")
    bench.machine.abandon(now=1.0, error=error)
    bench.settle()
    assert bench.closed.error is error
    assert bench.actions[-1][1] is Action.ABORT
    assert bench.gaps == [(0.0, 0.1)]
    bench.machine.abandon(now=2.0)
    bench.settle()
    assert len(bench.events_of(Closed)) == 1


def test_after_the_end_nothing_happens_any_more() -> None:
    bench = Bench()
    bench.finish()
    bench.receive(metadata())
    events = len(bench.events)
    machine = bench.machine
    machine.resume(now=9.0)
    machine.pause(now=9.0)
    machine.finalize()
    machine.finish(1.0, now=9.0)
    machine.opened("", now=9.0)
    machine.failed(Unreachable("nobody"), now=9.0)
    machine.closed(1006, "", now=9.0)
    machine.receive_text(results(0.0, 1.0), now=9.0)
    machine.receive_pong(now=9.0)
    machine.frame_sent(now=9.0)
    machine.handle_deadline(now=99.0)
    bench.settle()
    assert bench.send(voice(0, 10)) == Dropped(10.0, "the line is closed")
    assert len(bench.events) == events
    assert machine.next_frame(now=99.0) is None
    assert machine.phase is Phase.CLOSED


# ---- what the server says ----


def test_a_broken_message_cuts_the_connection_and_nothing_is_lost() -> None:
    bench = Bench()
    bench.speak(1.0)
    bench.receive(results(0.0, 0.5, ("first", 0.1, 0.4)))
    bench.receive(results(0.5, 1.0, ("second", 0.6, 0.9))[:40])
    assert bench.times(Action.ABORT) == [1.0]
    assert isinstance(bench.events_of(Reconnecting)[0].error, BadAnswer)
    bench.reopen()
    bench.wait(2.0)
    assert bench.received == list(range(500, 1000))
    bench.receive(results(0.0, 0.5, ("second", 0.1, 0.4)))
    assert bench.words == ["first", "second"]
    assert bench.gaps == []


def test_what_is_no_results_is_handed_on() -> None:
    bench = Bench()
    bench.send_samples(1000)
    error = '{"type":"Error","variant":"SchemaError","description":"unknown variant","message":"{}"}'
    for text in (
        error,
        '{"type":"ConfigureSuccess"}',
        '{"type":"SpeechStarted","channel":[0,1],"timestamp":0.5}',
        '{"type":"UtteranceEnd","channel":[0,1],"last_word_end":0.75}',
    ):
        bench.receive(text)
    assert bench.events_of(Notice) == [
        Notice("Error", "unknown variant", error),
        Notice("ConfigureSuccess", "", '{"type":"ConfigureSuccess"}'),
    ]
    assert [(event.stream, event.source) for event in bench.events_of(SpeechStarted)] == [(0.5, 0.5)]
    assert [(event.stream, event.source) for event in bench.events_of(UtteranceEnd)] == [(0.75, 0.75)]


def test_a_line_for_days_keeps_no_finals() -> None:
    bench = Bench(keep_transcript=False)
    bench.send_samples(1000)
    bench.receive(results(0.0, 1.0, ("word", 0.5, 0.75)))
    assert bench.words == ["word"]
    assert bench.machine.transcript(now=bench.now).finals == ()


# ---- stats ----


def test_stats_add_up_over_connections_and_pauses() -> None:
    bench = Bench(open_line=False)
    bench.start()
    bench.wait(1.0)
    bench.open("first")
    bench.speak(2.0)
    bench.pause()
    bench.receive(results(0.0, 1.5))
    bench.wait(9.0)
    bench.receive(metadata(2.0))
    bench.cut(1011)
    bench.until(bench.machine.next_deadline() or 0.0)
    bench.wait(0.75)
    bench.open("second")
    bench.wait(4.0)
    bench.resume()
    bench.finish()
    bench.receive(metadata(0.5))
    assert bench.events_of(Stats) == [
        Stats(
            connected_s=11.0 + 4.0,
            paused_s=cast(float, pytest.approx(9.0 + 1.0 + 4.0)),
            captured_s=2.0,
            audio_sent_s=2.5,
            replayed_s=0.5,
            keepalives=2,
            connections=2,
            reconnects=1,
            provider_s=2.5,
            request_ids=("first", "second"),
        )
    ]


def test_the_ids_of_the_newest_connections_are_remembered() -> None:
    bench = Bench()
    for index in range(40):
        bench.cut()
        bench.reopen(str(index))
        bench.receive('{"type":"Hello"}')
    assert bench.stats.request_ids == tuple(str(index) for index in range(8, 40))
    bench.cut(1008)
    assert str(bench.closed.error).endswith("[request 39]")


# ---- odd turns of the shell ----


def test_a_machine_that_was_not_started_wants_nothing() -> None:
    machine = Recovery(LineSettings(MONO), random=lambda: 0.5)
    assert machine.next_deadline() is None
    assert machine.next_frame(now=0.0) is None
    machine.handle_deadline(now=100.0)
    machine.frame_sent(now=0.0)
    machine.closed(1006, "", now=0.0)
    machine.receive_text("{", now=0.0)
    machine.receive_pong(now=0.0)
    machine.failed(Unreachable("nobody"), now=0.0)
    machine.opened("", now=0.0)
    assert machine.actions() == []
    assert machine.phase is Phase.IDLE


def test_one_frame_at_a_time_is_handed_out() -> None:
    bench = Bench()
    bench.takes = False
    bench.send_samples(500)
    assert bench.machine.next_frame(now=0.0) is None
    assert len(bench.frames) == 1


def test_a_frame_that_an_old_connection_took_late_changes_nothing() -> None:
    bench = Bench()
    bench.takes = False
    bench.send_samples(100)
    bench.cut()
    bench.machine.frame_sent(now=0.1)
    bench.reopen()
    bench.wait(1.0)
    assert bench.received == list(range(100))


# ---- a server that is stopped while the line is finished ----


def test_a_metadata_that_counts_less_than_was_sent_is_not_the_end() -> None:
    """The server is being stopped: what it had not read is sent to the next one."""
    bench = Bench()
    bench.send_samples(1000)
    bench.finish(10.0)
    bench.receive(results(0.0, 0.6))
    bench.receive(metadata(0.6))
    bench.cut(1012)
    bench.reopen()
    bench.wait(1.0)
    assert bench.received == list(range(600, 1000))
    bench.receive(results(0.0, 0.4))
    bench.receive(metadata(0.4))
    assert bench.closed.error is None
    assert bench.gaps == []


def test_a_close_1000_before_close_stream_went_out_is_an_error_when_audio_has_no_final() -> None:
    """A backlog waits, so CloseStream has its turn behind it."""
    bench = Bench()
    bench.cut()
    bench.send_samples(5000)
    bench.reopen()
    bench.finish(20.0)
    assert '{"type":"CloseStream"}' not in [text for _, text in bench.texts]
    bench.cut(1000)
    assert isinstance(bench.closed.error, ConnectionClosedByServer)
