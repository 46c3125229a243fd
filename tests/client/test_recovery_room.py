"""Room for audio: live audio loses the oldest, recordings wait and lose nothing, and how the two are distinguished."""

from __future__ import annotations

from typing import cast

import pytest

from caesura.client.events import Accepted, Buffered, Dropped, Gap, Resumed
from caesura.client.finish_deadline import FINISH_S, RECORDING_FINISH_S
from caesura.errors import UsageError
from tests.client.bench import CLOSE_STREAM, FINALIZE, PATIENT, Bench, metadata, quiet, results


def filled(bench: Bench, *, piece: int = 1000) -> int:
    """Sends at once until there is no room; returns how many samples were taken."""
    before = len(bench.places)
    for _ in range(1000):
        try:
            bench.send_samples(piece)
        except UsageError:
            return len(bench.places) - before
    raise AssertionError("there is always room")


def heard_to_the_end(bench: Bench, samples: int) -> list[int]:
    """What reaches a server that sends finals for everything it has received, when it is waited for."""
    bench.finish(None)
    for _ in range(100):
        if bench.texts and bench.texts[-1][1] == CLOSE_STREAM:
            break
        bench.receive(results(0.0, len(bench.received) / 1000))
        bench.wait(0.01)
    bench.receive(results(0.0, samples / 1000))
    bench.receive(metadata(samples / 1000))
    return bench.received


# ---- a recording ----


def test_a_recording_that_finds_no_room_is_refused_untouched_and_nothing_is_dropped() -> None:
    bench = Bench(live=False, keep_s=30.0, watch=PATIENT)
    assert filled(bench) == 30_000
    before = bench.stats
    with pytest.raises(UsageError, match=r"no room: 30 s of audio wait already.*await line\.send"):
        bench.send_samples(1)
    assert bench.stats == before
    assert heard_to_the_end(bench, 30_000) == list(range(30_000))
    assert bench.machine.transcript(now=bench.now).complete


def test_a_recording_in_one_send_goes_out_bit_by_bit_and_whole() -> None:
    bench = Bench(live=False, keep_s=30.0, watch=PATIENT)
    assert bench.send_samples(50_000) == Accepted()
    assert not bench.machine.accepts_more(now=bench.now)
    with pytest.raises(UsageError, match="no room"):
        bench.send_samples(1)
    assert heard_to_the_end(bench, 50_000) == list(range(50_000))
    assert bench.gaps == []
    assert bench.machine.transcript(now=bench.now).complete


def test_waiting_senders_are_served_in_order_and_are_bounded() -> None:
    bench = Bench(live=False, keep_s=30.0, watch=PATIENT)
    bench.send_samples(31_000)
    for number in range(99):
        bench.machine.send(quiet(10), now=0.0, queue=True)
        assert bench.machine.waiting_s == pytest.approx(1.0 + 0.01 * (number + 1))
    with pytest.raises(UsageError, match="no room"):
        bench.machine.send(quiet(10), now=0.0, queue=True)


def test_a_recording_keeps_two_seconds_ahead_of_the_server() -> None:
    bench = Bench(live=False, watch=PATIENT)
    bench.takes = False
    bench.send_samples(100)
    for _ in range(20):
        assert bench.machine.accepts_more(now=0.0)
        bench.send_samples(100)
    assert not bench.machine.accepts_more(now=0.0)
    bench.accept_frames()
    assert bench.machine.accepts_more(now=0.0)


def test_a_recording_waits_in_a_pause_and_loses_nothing() -> None:
    bench = Bench(live=False, watch=PATIENT)
    bench.send_samples(100)
    bench.pause()
    assert not bench.machine.accepts_more(now=0.0)
    bench.machine.send(quiet(50), now=0.0)
    with pytest.raises(UsageError, match="paused, and a recording waits until it is resumed"):
        bench.machine.send(quiet(50), now=0.0)
    bench.wait(9.0)
    assert len(bench.audio) == 200
    bench.resume()
    assert len(bench.audio) == 300
    assert bench.stats.skipped_s == 0
    assert bench.machine.timeline is not None
    assert bench.machine.timeline.spans[-1].source_end == 150


def test_a_recording_that_waits_when_the_line_ends_is_read_to_its_end() -> None:
    """In a pause too: finishing ends it."""
    bench = Bench(live=False, watch=PATIENT)
    bench.send_samples(100)
    bench.pause()
    bench.machine.send(quiet(50), now=0.0)
    bench.finish()
    assert bench.frames[-1][1] == CLOSE_STREAM
    assert len(bench.audio) == 300
    assert bench.machine.accepts_more(now=bench.now)  # no sender waits for a line that is ending


# ---- a live line that is fed a recording ----


def test_a_live_line_that_is_fed_a_recording_drops_nothing() -> None:
    bench = Bench(watch=PATIENT)
    assert filled(bench) == 60_000
    assert not bench.machine.accepts_more(now=bench.now)
    assert heard_to_the_end(bench, 60_000) == list(range(60_000))
    assert bench.gaps == []
    assert bench.machine.transcript(now=bench.now).complete


def test_a_live_line_waits_only_where_it_would_drop() -> None:
    bench = Bench(watch=PATIENT)
    for _ in range(57):
        bench.send_samples(1000)
        assert bench.machine.accepts_more(now=0.0)
    bench.send_samples(1000)
    assert not bench.machine.accepts_more(now=0.0)
    bench.receive(results(0.0, 10.0))
    assert bench.machine.accepts_more(now=0.0)


def test_a_live_line_without_a_connection_takes_a_recording_as_far_as_there_is_room() -> None:
    bench = Bench(keep_s=30.0, watch=PATIENT)
    bench.cut()
    assert filled(bench) == 30_000
    bench.reopen()
    bench.wait(60.0)
    assert bench.received == list(range(30_000))


def test_a_live_line_that_keeps_to_real_time_drops_the_oldest_and_reports_it() -> None:
    bench = Bench(keep_s=30.0, watch=PATIENT)
    bench.speak(1.0)
    bench.receive(results(0.0, 1.0))
    bench.cut()
    bench.speak(40.0)
    assert bench.machine.accepts_more(now=bench.now)
    assert bench.machine.is_overflowing
    assert bench.gaps[0][0] == 1.0
    assert sum(end - start for start, end in bench.gaps) == 10.0
    assert bench.send_samples(125) == Dropped(125.0, "no room: 30 s of audio wait already")
    bench.open()
    bench.wait(60.0)
    bench.finish()
    bench.receive(results(0.0, 30.0))
    bench.receive(metadata(30.0))
    transcript = bench.machine.transcript(now=bench.now)
    assert not transcript.complete
    assert transcript.error is None
    assert transcript.reason == "10.125 s of audio was lost: no room: 30 s of audio were waiting."


def test_a_container_is_taken_for_a_recording_only_when_no_live_one_is_so_large() -> None:
    bench = Bench(None, keep_s=30.0)
    bench.cut()
    for _ in range(30):
        bench.wait(1.0)
        bench.send(bytes(100_000))  # 800 kbit/s
    assert bench.machine.accepts_more(now=bench.now)
    assert any(gap.why.startswith("no room") for gap in bench.events_of(Gap))
    bench = Bench(None, keep_s=30.0)
    bench.cut()
    for _ in range(10):
        bench.send(bytes(100_000))
    with pytest.raises(UsageError, match="no room"):
        bench.send(bytes(100_000))
    assert bench.events_of(Gap) == []


# ---- a recording at the speed of speech, on a live line ----


def test_a_recording_at_the_speed_of_speech_stands_still_in_a_pause_to_the_sample() -> None:
    bench = Bench(watch=PATIENT)
    bench.machine.declare_recording()
    bench.speak(1.0)
    bench.pause()
    assert not bench.machine.accepts_more(now=bench.now)
    bench.wait(17.3333)
    bench.resume()
    assert bench.events_of(Resumed) == [Resumed(1.0, cast(float, pytest.approx(17.3333)))]
    assert bench.machine.accepts_more(now=bench.now)
    bench.send(quiet(1000))
    assert bench.machine.timeline is not None
    (span,) = bench.machine.timeline.spans
    assert (span.source, span.source_end) == (0, 2000)
    assert bench.stats.skipped_s == 0
    assert [text for _, text in bench.texts if text == FINALIZE] == [FINALIZE]


def test_a_recording_at_the_speed_of_speech_waits_through_an_outage_that_is_longer_than_what_is_kept() -> None:
    bench = Bench(keep_s=10.0, watch=PATIENT)
    bench.machine.declare_recording()
    bench.cut()
    sent = 0
    while bench.machine.accepts_more(now=bench.now):
        bench.wait(0.125)
        bench.machine.send(quiet(125), now=bench.now)
        sent += 125
        assert sent < 20_000
    assert sent == 8000
    bench.wait(100.0)
    assert bench.events_of(Gap) == []


def test_a_pause_of_a_live_line_mutes_what_it_was_found_to_be_fed_too() -> None:
    """No sender waits there for a resume that it may have to call itself."""
    bench = Bench(watch=PATIENT)
    filled(bench)
    assert not bench.machine.accepts_more(now=bench.now)
    bench.pause()
    assert bench.machine.accepts_more(now=bench.now)
    assert bench.send(quiet(125)) == Dropped(125.0, "paused")


def test_live_audio_is_read_through_a_pause() -> None:
    bench = Bench(watch=PATIENT)
    bench.speak(1.0)
    bench.pause()
    bench.wait(2.0)
    assert bench.machine.accepts_more(now=bench.now)
    assert bench.send(quiet(125)) == Dropped(125.0, "paused")


# ---- how long the end may take ----


@pytest.mark.parametrize(("live", "base_s"), [(True, FINISH_S), (False, RECORDING_FINISH_S)])
def test_finish_waits_as_long_as_what_is_on_its_way_needs(live: bool, base_s: float) -> None:
    bench = Bench(live=live, watch=PATIENT)
    for _ in range(20):
        bench.wait(1.0)
        bench.send_samples(1000)
    bench.receive(results(0.0, 4.0))
    bench.finish(None)
    bench.until(20.0 + base_s + 15.9)
    assert not bench.ended
    bench.until(20.0 + base_s + 16.0)
    assert bench.ended
    assert str(bench.closed.error) == f"The server was not done {base_s + 16:g} s after the end of the audio."


def test_a_slow_server_is_waited_for_as_long_as_its_finals_come() -> None:
    """Each final gives the rest its time anew; one that says nothing for so long is given up."""
    bench = Bench(live=False, watch=PATIENT)
    bench.send_samples(20_000)
    bench.finish(None)
    for second in range(20):
        bench.wait(RECORDING_FINISH_S)
        assert not bench.ended
        bench.receive(results(second, second + 1.0))
    bench.wait(RECORDING_FINISH_S - 0.1)
    assert not bench.ended
    bench.wait(0.1)
    assert bench.ended


def test_a_time_limit_of_the_callers_is_one_whatever_comes() -> None:
    bench = Bench(live=False, watch=PATIENT)
    bench.send_samples(20_000)
    bench.finish(5.0)
    bench.wait(4.0)
    bench.receive(results(0.0, 1.0))
    bench.wait(1.0)
    assert bench.ended


def test_what_waits_for_room_counts_in_how_long_the_end_may_take() -> None:
    bench = Bench(live=False, keep_s=30.0, watch=PATIENT)
    bench.send_samples(50_000)
    bench.finish(None)
    bench.until(50.0 + RECORDING_FINISH_S - 0.1)
    assert not bench.ended


def test_a_finish_with_too_little_time_reports_what_it_cost() -> None:
    bench = Bench(live=False, watch=PATIENT)
    bench.send_samples(3000)
    bench.receive(results(0.0, 1.0))
    bench.finish(5.0)
    bench.until(5.0)
    transcript = bench.machine.transcript(now=bench.now)
    assert not transcript.complete
    assert transcript.reason == (
        "2.000 s of audio was lost: the line ended before a final came. "
        "The server was not done 5 s after the end of the audio."
    )


def test_a_complete_transcript_has_no_reason() -> None:
    bench = Bench()
    bench.send_samples(100)
    bench.finish()
    bench.receive(results(0.0, 0.1))
    bench.receive(metadata(0.1))
    transcript = bench.machine.transcript(now=bench.now)
    assert (transcript.complete, transcript.reason) == (True, "")


def test_a_line_that_was_closed_without_audio_says_why_it_is_not_complete() -> None:
    bench = Bench()
    bench.machine.abandon(now=0.0)
    reason = bench.machine.transcript(now=0.0).reason
    assert reason == "The line was closed before the server had sent everything."


def test_what_send_answers_is_awaited_at_once_on_a_live_line() -> None:
    async def answers() -> list[object]:
        return [await Accepted(), await Buffered(5.0), await Dropped(5.0, "paused")]

    coroutine = answers()
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == [Accepted(), Buffered(5.0), Dropped(5.0, "paused")]
