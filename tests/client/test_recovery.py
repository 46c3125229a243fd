"""The laws of a line over any number of connections, one by one, at literal times."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.events import (
    Accepted,
    Buffered,
    Dropped,
    Final,
    Gap,
    Paused,
    Reconnected,
    Resumed,
)
from caesura.errors import (
    UsageError,
)
from tests.client.bench import (
    CLOSE_STREAM,
    FINALIZE,
    KEEPALIVE,
    PATIENT,
    STEREO,
    Bench,
    loud,
    metadata,
    quiet,
    results,
    voice,
)
from tests.example_count import examples

# ---- KeepAlive ----


def test_a_keepalive_goes_out_every_four_seconds_from_the_moment_of_opening() -> None:
    bench = Bench()
    bench.until(60.0)
    assert bench.frames == [(4.0 * each, KEEPALIVE) for each in range(1, 16)]
    assert bench.stats.keepalives == 15


def test_the_keepalive_clock_begins_at_the_opening_and_not_at_the_start() -> None:
    bench = Bench(open_line=False)
    bench.until(5.0)
    bench.start()
    bench.until(7.5)
    bench.open()
    bench.until(12.0)
    assert bench.frames == [(11.5, KEEPALIVE)]


def test_no_keepalive_goes_out_while_audio_flows() -> None:
    bench = Bench()
    for second in range(30):
        bench.stream(1.0)
        bench.receive(results(second, second + 1))
    assert bench.texts == []


def test_keepalives_hold_a_pause_for_hours() -> None:
    bench = Bench()
    bench.stream(2.0)
    bench.receive(results(0.0, 2.0))
    bench.pause()
    bench.receive(results(2.0, 2.0, from_finalize=True))
    bench.until(4 * 3600.0 + 2.0)
    assert [text for _, text in bench.texts].count(KEEPALIVE) == 3600
    assert max(b - a for (a, _), (b, _) in zip(bench.texts, bench.texts[1:], strict=False)) == 4.0
    assert bench.stats.connections == 1
    assert bench.stats.paused_s == 4 * 3600.0


def test_a_keepalive_waits_for_a_socket_that_is_busy() -> None:
    bench = Bench()
    bench.wait(1.0)
    bench.takes = False
    bench.send_samples(100)
    bench.until(5.9)
    assert bench.texts == []
    bench.accept_frames()
    assert bench.texts == [(5.9, KEEPALIVE)]


def test_a_keepalive_that_was_due_does_not_follow_close_stream() -> None:
    bench = Bench()
    bench.now = 4.0
    bench.machine.handle_deadline(now=4.0)
    bench.finish()
    assert [text for _, text in bench.texts] == [FINALIZE, CLOSE_STREAM]


# ---- pause and resume ----


def test_a_pause_sends_finalize_behind_the_last_audio() -> None:
    bench = Bench()
    bench.send_samples(600)
    bench.now = 0.6
    bench.pause()
    bench.wait(4.0)
    assert [type(frame) for _, frame in bench.frames] == [bytes, bytes, bytes, str, str]
    assert bench.texts == [(0.6, FINALIZE), (4.0, KEEPALIVE)]
    assert bench.events_of(Paused) == [Paused(0.6)]


def test_audio_in_a_pause_is_not_sent_and_moves_the_source_clock() -> None:
    bench = Bench()
    bench.send_samples(500)
    bench.pause()
    assert bench.send(voice(0, 250)) == Dropped(250.0, "paused")
    bench.wait(0.25)
    bench.resume()
    assert bench.send(voice(500, 250)) == Accepted()
    assert bench.received == list(range(750))
    assert bench.events_of(Resumed) == [Resumed(0.75, 0.25)]
    assert bench.stats.skipped_s == 0.25
    bench.receive(results(0.0, 0.75, ("before", 0.4, 0.6), ("after", 0.5, 0.6)))
    (final,) = bench.events_of(Final)
    assert [(word.source_start, word.source_end) for word in final.words] == [(0.4, 0.5), (0.75, 0.85)]


def test_pausing_twice_and_resuming_twice_is_doing_it_once() -> None:
    bench = Bench()
    bench.resume()
    bench.pause()
    bench.wait(1.0)
    bench.pause()
    bench.wait(1.0)
    bench.resume()
    bench.resume()
    assert [type(event) for _, event in bench.events] == [Paused, Resumed]
    assert bench.stats.paused_s == 2.0
    assert not bench.machine.paused


def test_a_pause_before_the_connection_sends_its_finalize_behind_the_audio_when_there_is_one() -> None:
    bench = Bench(open_line=False)
    bench.start()
    bench.send_samples(100)
    bench.pause()
    bench.open()
    assert [frame for _, frame in bench.frames] == [voice(0, 100), FINALIZE]


def test_a_thousand_pauses_and_fifty_reconnects_drift_by_no_sample() -> None:
    bench = Bench()
    stream, base = 0, 0
    for index in range(1, 1001):
        bench.wait(0.02)
        bench.send_samples(20)
        bench.pause()
        end = (stream + 20) / 1000
        if index % 20:
            bench.receive(results(stream / 1000, end, (str(index), stream / 1000, end), from_finalize=True))
            stream += 20
        else:
            bench.cut()
            bench.reopen()
            bench.receive(results(0.0, 0.02, (str(index), 0.0, 0.02), from_finalize=True))
            stream = 20
        bench.wait(7 + index / 1000)
        bench.resume()
    words = [word for final in bench.events_of(Final) for word in final.words]
    assert [word.word for word in words] == [str(index) for index in range(1, 1001)]
    assert [word.source_start for word in words] == [place / 1000 for place in bench.places[::20]]
    assert bench.stats.reconnects == 50
    assert bench.stats.lost_s == base


# ---- finalize ----


def test_finalize_has_its_place_in_the_audio() -> None:
    bench = Bench()
    bench.send_samples(100)
    bench.machine.finalize(1)
    bench.send_samples(100)
    assert [frame for _, frame in bench.frames] == [
        voice(0, 100),
        '{"type":"Finalize","channel":1}',
        voice(100, 100),
    ]


@pytest.mark.parametrize(("covered", "again"), [(0.0, True), (0.9, True), (1.0, False)])
def test_finalize_is_sent_again_exactly_when_its_audio_was_not_covered(covered: float, again: bool) -> None:
    bench = Bench()
    bench.send_samples(1000)
    bench.pause()
    bench.receive(results(0.0, covered))
    bench.cut()
    bench.reopen()
    bench.wait(1.0)
    assert ([text for _, text in bench.texts] == [FINALIZE]) is again
    assert bench.received == list(range(round(covered * 1000), 1000))
    if again:
        assert bench.frames[-1][1] == FINALIZE


# ---- what is sent again ----


def test_a_replay_begins_at_the_last_final_boundary_to_the_sample() -> None:
    bench = Bench()
    bench.speak(3.0)
    bench.receive(results(0.0, 1.357))
    bench.cut()
    bench.reopen()
    bench.wait(10.0)
    assert bench.received == list(range(1357, 3000))
    assert bench.events_of(Reconnected) == [Reconnected(1, "", 0.25, 1.643)]
    assert bench.stats.replayed_s == 1.643
    assert bench.stats.audio_sent_s == 4.643


@examples(30)
@given(st.integers(1, 60), st.lists(st.integers(1, 50), max_size=60))
def test_a_replay_is_paced_with_live_audio_queued_behind_it(backlog: int, pieces: list[int]) -> None:
    """In any stretch of time after the reopening: no more than 1.25 times as much audio, and one frame."""
    bench = Bench(watch=PATIENT)
    bench.send_samples(backlog * 100)
    bench.cut()
    bench.reopen()
    opened = bench.now
    for piece in pieces:
        bench.wait(piece / 100)
        if bench.machine.waiting_s == 0:
            break
        bench.send_samples(piece * 10)
    sent = [(at, len(frame) / 2000) for at, frame in bench.frames if isinstance(frame, bytes)]
    for first in range(len(sent)):
        total, began = 0.0, opened if first == 0 else sent[first][0]
        for at, seconds in sent[first:]:
            total += seconds
            assert total <= 1.25 * (at - began) + 0.25 + 1e-6
    bench.wait(100.0)
    assert bench.received == list(range(len(bench.places)))


def test_a_backlog_is_sent_when_its_time_has_come() -> None:
    """10 s wait; at 1.25 times real time, with a live source behind it, that takes 40 s."""
    bench = Bench(watch=PATIENT)
    bench.speak(10.0)
    bench.cut()
    bench.reopen()
    bench.speak(38.0)
    assert bench.machine.waiting_s > 0.25
    bench.speak(5.0)
    assert bench.machine.waiting_s == 0.0
    assert bench.received == list(range(len(bench.places)))


def test_a_socket_that_takes_its_time_is_not_caught_up_with_in_a_burst() -> None:
    """Whenever one looks: 1.25 times the time that passed, a frame, and what a late timer is forgiven, at most."""
    bench = Bench(watch=PATIENT)
    bench.speak(20.0)
    bench.cut()
    bench.reopen()
    for late in (0.0, 0.05, 1.0, 0.3, 4.0, 0.0, 0.01):
        for _ in range(5):
            deadline = bench.machine.next_deadline()
            assert deadline is not None
            bench.now = max(bench.now, deadline + late)
            bench.machine.handle_deadline(now=bench.now)
            bench.settle()
    sent = [(at, len(frame) / 2000) for at, frame in bench.frames if isinstance(frame, bytes)]
    for first in range(len(sent)):
        for last in range(first, len(sent)):
            elapsed = sent[last][0] - sent[first][0]
            assert sum(seconds for _, seconds in sent[first : last + 1]) <= 1.25 * elapsed + 0.25 + 0.3125 + 1e-6


def test_timers_that_are_a_little_late_do_not_slow_a_replay_down() -> None:
    bench = Bench(watch=PATIENT)
    bench.speak(20.0)
    bench.cut()
    bench.reopen()
    opened = bench.now
    while bench.machine.waiting_s > 0:
        deadline = bench.machine.next_deadline()
        assert deadline is not None
        bench.now = deadline + 0.05
        bench.machine.handle_deadline(now=bench.now)
        bench.settle()
    assert bench.now - opened == pytest.approx(20.0 / 1.25, abs=0.3)


def test_a_recording_is_sent_again_as_fast_as_the_server_takes_it() -> None:
    bench = Bench(live=False)
    bench.send_samples(30_000)
    bench.cut()
    bench.reopen()
    assert len(bench.received) == 30_000


def test_audio_captured_during_an_outage_follows_what_is_sent_again() -> None:
    bench = Bench()
    bench.send_samples(100)
    bench.cut()
    assert bench.send_samples(100) == Buffered(200.0)
    bench.reopen()
    bench.wait(1.0)
    assert bench.received == list(range(200))
    assert bench.stats.replayed_s == 0.1


# ---- what is lost ----


def test_what_finds_no_room_during_an_outage_is_a_gap_to_the_sample() -> None:
    bench = Bench(keep_s=1.0)
    bench.send_samples(600)
    bench.cut()
    assert bench.send_samples(500) == Dropped(100.0, "no room: 1 s of audio wait already")
    assert bench.send_samples(7) == Dropped(7.0, "no room: 1 s of audio wait already")
    assert bench.gaps == [(0.0, 0.1), (0.1, 0.107)]
    assert [(gap.start, gap.end) for gap in bench.machine.transcript(now=0.0).gaps] == [(0.0, 0.107)]
    assert (bench.machine.waiting_s, bench.machine.room_s) == (1.0, 0.0)
    bench.reopen()
    bench.wait(2.0)
    assert bench.received == list(range(107, 1107))
    bench.receive(results(0.0, 1.0, ("late", 0.5, 0.6)))
    assert [word.source_start for word in bench.events_of(Final)[0].words] == [0.607]
    assert bench.stats.lost_s == 0.107


def test_what_is_no_longer_kept_is_no_gap_while_its_connection_stands() -> None:
    bench = Bench(keep_s=1.0)
    bench.speak(3.0)
    bench.receive(results(0.0, 3.0))
    bench.cut()
    assert bench.gaps == []


def test_what_is_no_longer_kept_is_one_gap_when_its_connection_breaks() -> None:
    bench = Bench(keep_s=1.0)
    bench.speak(3.0)
    bench.receive(results(0.0, 0.5))
    assert bench.gaps == []
    bench.cut()
    assert bench.gaps == [(0.5, 2.0)]


# ---- words once each ----


def test_two_real_yes_survive_and_one_recognized_again_does_not() -> None:
    bench = Bench(STEREO, watch=PATIENT)
    bench.speak(4.0)
    bench.receive(results(0.0, 4.0, ("yes", 1.0, 1.3), ("yes", 3.0, 3.3), channel=(0, 2)))
    bench.receive(results(0.0, 2.0, ("no", 1.0, 1.3), channel=(1, 2)))
    bench.cut()
    bench.speak(2.0)
    bench.open()
    bench.wait(10.0)
    assert bench.received == list(range(2000, 6000))
    bench.receive(results(0.0, 1.9, ("yes", 1.02, 1.3), channel=(0, 2)))
    bench.receive(results(0.0, 4.0, ("yes", 1.02, 1.3), ("yes", 3.0, 3.3), channel=(0, 2)))
    bench.receive(results(0.0, 4.0, ("no", 1.0, 1.3), channel=(1, 2)))
    assert bench.words == ["yes", "yes", "no", "yes", "no"]
    assert [word.source_start for final in bench.events_of(Final) for word in final.words] == [1.0, 3.0, 1.0, 5.0, 3.0]


def test_a_server_that_spoke_of_the_replay_is_still_understood_after_a_second_cut() -> None:
    bench = Bench(watch=PATIENT)
    bench.speak(2.0)
    for _ in range(3):
        bench.cut()
        bench.reopen()
        bench.wait(5.0)
    bench.receive(results(0.0, 2.0, ("once", 0.5, 0.75)))
    (final,) = bench.events_of(Final)
    assert (final.epoch, final.words[0].epoch, final.words[0].source_start) == (3, 3, 0.5)


# ---- the clock on the wall ----


def test_words_have_the_moment_at_which_they_were_spoken() -> None:
    """Captured from 1000.0 to 1001.0, after a pause of 60 s from 1061.0 on, and the last second only sent again."""
    bench = Bench(wall_offset_s=999.0, watch=PATIENT)
    bench.wait(1.0)
    bench.speak(1.0)
    bench.pause()
    bench.receive(results(0.0, 1.0, ("one", 0.5, 0.75)))
    bench.wait(60.0)
    bench.resume()
    bench.speak(1.0)
    bench.cut()
    bench.wait(30.0)
    bench.open()
    bench.wait(5.0)
    bench.receive(results(0.0, 1.0, ("two", 0.5, 0.75)))
    words = [word for final in bench.events_of(Final) for word in final.words]
    assert [word.wall_start.timestamp() for word in words if word.wall_start] == [1000.5, 1061.5]
    assert [word.source_start for word in words] == [0.5, 61.5]


def test_audio_with_a_clock_of_its_own_is_placed_by_it() -> None:
    bench = Bench()
    bench.send(voice(0, 100), at=5.0)
    with pytest.raises(UsageError, match="goes back"):
        bench.send(voice(0, 100), at=5.05)
    bench.send(voice(0, 100), at=7.0)
    bench.receive(results(0.0, 0.2, ("a", 0.0, 0.05), ("b", 0.1, 0.2)))
    assert [word.source_start for word in bench.events_of(Final)[0].words] == [5.0, 7.0]


# ---- bytes ----


def test_empty_audio_sends_no_frame() -> None:
    bench = Bench()
    assert bench.send(b"") == Accepted()
    assert bench.send(b"\x01") == Accepted()
    assert bench.frames == []
    assert bench.send(b"\x02\x03") == Accepted()
    assert bench.audio == b"\x01\x02"


def test_a_file_is_not_taken_for_raw_audio() -> None:
    with pytest.raises(UsageError, match="a WAV file"):
        Bench().send(b"RIFF" + bytes(100))


# ---- containers ----

WEBM = b"\x1a\x45\xdf\xa3 segment, tracks "
CLUSTER = b"\x1f\x43\xb6\x75 opus "


def test_a_container_continues_behind_its_header_and_its_loss_has_no_range() -> None:
    bench = Bench(None)
    bench.send(WEBM + CLUSTER)
    bench.receive(results(0.0, 0.5, ("one", 0.1, 0.3)))
    bench.send(b"more")
    bench.cut()
    assert bench.send(b"and more") == Buffered(0.25)
    bench.reopen()
    assert [frame for _, frame in bench.frames] == [WEBM, b"and more"]
    bench.receive(results(0.0, 0.5, ("two", 0.1, 0.3)))
    assert bench.events_of(Gap)[0].start is None
    assert bench.events_of(Gap)[0].seconds == 0.0
    assert bench.events_of(Reconnected)[0].replay_s == 0.0
    assert bench.words == ["one", "two"]
    words = [word for final in bench.events_of(Final) for word in final.words]
    assert [(word.source_start, word.wall_start) for word in words] == [(None, None), (None, None)]
    assert bench.machine.timeline is None
    assert bench.stats.captured_s == 0.0


def test_a_container_may_pause_and_its_loss_is_not_reported_where_there_is_none() -> None:
    bench = Bench(None, keep_s=0.01)
    bench.send(WEBM + CLUSTER)
    bench.pause()
    assert bench.send(b"in the pause") == Dropped(0.375, "paused")
    bench.resume()
    bench.send(b"more")
    bench.wait(4.0)
    assert [frame for _, frame in bench.frames] == [WEBM + CLUSTER, FINALIZE, b"more", KEEPALIVE]
    assert bench.events_of(Resumed) == [Resumed(None, 0.0)]
    bench.cut()
    bench.send(bytes(400))
    bench.send(bytes(400))
    assert len(bench.events_of(Gap)) == 3
    assert len(bench.machine.transcript(now=4.0).gaps) == 3


def test_a_container_is_finished_in_order() -> None:
    bench = Bench(None)
    bench.send(WEBM + CLUSTER)
    bench.finish()
    assert [frame for _, frame in bench.frames] == [WEBM + CLUSTER, FINALIZE, CLOSE_STREAM]
    bench.receive(metadata(1.0))
    assert bench.machine.transcript(now=bench.now).complete


def test_loud_and_quiet_are_what_they_are_called() -> None:
    """The bench itself: numbered samples are speech, silence is none."""
    bench = Bench()
    bench.send(quiet(250))
    assert bench.machine.next_deadline() == 2.0
    assert len(loud(250)) == len(quiet(250)) == 500


def test_what_waits_when_the_line_is_finished_goes_as_fast_as_the_deadline_needs() -> None:
    """30 s wait; at 1.25 times real time not half of it would be sent in 10 s."""
    bench = Bench()
    bench.cut()
    bench.stream(30.0)
    bench.open()
    bench.finish(10.0)
    bench.wait(6.0)
    assert bench.stats.audio_sent_s == 30.0
    assert [text for _, text in bench.texts][-1] == '{"type":"CloseStream"}'
