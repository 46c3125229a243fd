"""The send buffer: capture clock, cursor, control messages and losses, one rule at a time."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from caesura.client.events import Accepted, Buffered, Dropped, Gap, Sent
from caesura.client.pcm import PcmFormat
from caesura.client.send_buffer import SendBuffer
from caesura.errors import UsageError
from caesura.protocol.messages import CloseStream, Finalize
from caesura.timeline import Lost, Span, Timeline
from tests.client.bench import MONO, RATE, loud, numbers, voice


class Store:
    """A buffer, its timeline, and a caller who numbers samples."""

    def __init__(self, pcm: PcmFormat | None = MONO, *, live: bool = True, keep_s: float = 60.0, **more: Any) -> None:
        self.timeline = Timeline(pcm.sample_rate) if pcm else None
        self.buffer = SendBuffer(pcm, self.timeline, live=live, keep_s=keep_s, **more)
        self.captured = 0
        self.wall = 0.0
        self.connected = True

    def say(self, samples: int, *, at: float | None = None) -> Sent:
        self.captured += samples
        return self.capture(voice(self.captured - samples, samples), at=at)

    def wait(self, samples: int, *, at: float | None = None) -> Sent:
        """Audio that can wait."""
        self.captured += samples
        data = voice(self.captured - samples, samples)
        return self.buffer.capture(data, self.wall, at=at, connected=self.connected, waits=True)

    def capture(self, data: bytes, *, at: float | None = None) -> Sent:
        return self.buffer.capture(data, self.wall, at=at, connected=self.connected)

    def out(self) -> list[Any]:
        """Everything there is to be sent: numbers of samples, and control messages between them."""
        sent: list[Any] = []
        while True:
            header = self.buffer.next_header()
            mark = self.buffer.next_control() if header is None else None
            piece = self.buffer.next_audio() if header is None and mark is None else None
            if header is None and mark is None and piece is None:
                return sent
            sent += [header] if header else [mark] if mark else []
            sent += numbers(piece.data) if piece and self.timeline else [piece.data] if piece else []

    def cut(self, confirmed: int = 0) -> None:
        """The connection was lost, and there is a new one."""
        self.buffer.rewind(confirmed)
        if self.timeline:
            self.timeline.begin_epoch()

    def gaps(self) -> list[tuple[float | None, float | None]]:
        return [(gap.start, gap.end) for gap in self.buffer.gaps()]


# ---- pieces ----


def test_audio_goes_out_in_order_and_in_chunks_of_a_quarter_second() -> None:
    store = Store()
    store.say(600)
    pieces = [store.buffer.next_audio() for _ in range(4)]
    assert [(piece.samples, piece.seconds) for piece in pieces if piece] == [(250, 0.25), (250, 0.25), (100, 0.1)]
    assert pieces[-1] is None
    assert store.buffer.counts.sent == 600


def test_a_recording_goes_out_in_large_pieces() -> None:
    store = Store(live=False)
    store.say(9000)
    piece = store.buffer.next_audio()
    assert piece is not None
    assert len(piece.data) == 16_384


def test_a_chunk_says_whether_it_may_hold_speech() -> None:
    store = Store()
    for data, speech in ((bytes(200), False), (loud(100), True)):
        store.capture(data)
        piece = store.buffer.next_audio()
        assert piece is not None
        assert piece.speech is speech


def test_a_chunk_does_not_go_across_a_gap() -> None:
    store = Store()
    store.say(100)
    store.say(100, at=5.0)
    assert [piece.samples for _ in range(2) if (piece := store.buffer.next_audio())] == [100, 100]
    assert store.timeline is not None
    assert store.timeline.spans == (Span(0, 0, 100), Span(100, 5000, 100))


# ---- the capture clock ----


def test_the_clock_of_the_caller_may_go_forward_but_not_back() -> None:
    store = Store()
    store.say(100, at=1.0)
    with pytest.raises(UsageError, match=r"at=1.05 goes back: the audio before it ends at 1.1 s"):
        store.say(100, at=1.05)
    store.say(100, at=1.1)
    assert store.buffer.captured_at == 1.2


def test_a_pause_moves_the_clock_by_its_length() -> None:
    store = Store()
    store.say(100)
    store.buffer.pause()
    store.buffer.resume(20.0, wall=20.1)
    assert store.buffer.captured_at == 20.1


def test_parts_of_a_sample_add_up_over_many_pauses() -> None:
    """A third of a millisecond, a thousand times over, is a third of a second."""
    store = Store()
    for _ in range(1000):
        store.buffer.pause()
        store.buffer.resume(10.0 + 1 / 3000, wall=0.0)
    assert store.buffer.captured_at == pytest.approx(10_000 + 1 / 3, abs=0.0006)


@pytest.mark.parametrize(
    ("skipped", "seconds", "moved"), [(2000, 1.994, 2.0), (2000, 2.019, 2.0), (20, 2.0, 2.0), (0, 0.3, 0.3)]
)
def test_capturing_on_through_a_pause_measures_it_to_the_sample(skipped: int, seconds: float, moved: float) -> None:
    """Otherwise each pause would be off by a part of a piece, and a thousand of them by seconds."""
    store = Store()
    store.buffer.pause()
    for _ in range(skipped // 20):
        assert store.buffer.skip(voice(0, 20)) == 20.0
    store.buffer.resume(seconds, wall=0.0)
    assert store.buffer.captured_at == moved
    assert store.buffer.counts.skipped == skipped


def test_a_recording_waits_through_a_pause_and_its_clock_stands_still() -> None:
    store = Store(live=False)
    store.say(100)
    store.buffer.pause()
    store.buffer.resume(20.0, 1000.0)
    assert store.buffer.captured_at == 0.1
    store.say(10)
    store.buffer.pause()
    store.buffer.skip(voice(110, 50))
    store.buffer.resume(20.0, 2000.0)
    assert store.buffer.captured_at == 0.16


def test_a_caller_s_own_clock_decides_about_a_pause() -> None:
    """The length of a pause is a guess when the next audio says when it was captured."""
    store = Store()
    store.say(100)
    store.out()
    store.buffer.pause()
    store.buffer.resume(2.018, wall=0.0)
    store.say(100, at=2.0)
    assert store.out() == list(range(100, 200))
    assert store.timeline is not None
    assert store.timeline.spans[-1] == Span(100, 2000, 100)


def test_audio_before_the_end_of_a_pause_is_sent_after_a_reconnect_too() -> None:
    store = Store()
    store.say(100)
    store.out()
    store.buffer.confirm(100)
    store.buffer.pause()
    store.buffer.resume(2.018, wall=0.0)
    store.cut(100)
    store.say(100, at=2.0)
    assert store.out() == list(range(100, 200))


# ---- the wall clock ----


def test_the_first_sample_was_captured_its_length_before_it_came() -> None:
    store = Store()
    store.wall = 1000.0
    store.say(250)
    assert store.timeline is not None
    assert store.timeline.to_wall(0.0) == 999.75


def test_jitter_does_not_move_the_wall_clock_and_a_break_does() -> None:
    store = Store()
    assert store.timeline is not None
    for wall, known in ((0.5, 0.0), (3.0, 0.5), (3.01, 1.0), (5.0, 4.5)):
        store.wall = wall
        store.say(500)
        assert store.timeline.to_wall((store.captured - 500) / RATE) == known


def test_a_recording_that_is_read_slowly_moves_no_wall_clock() -> None:
    store = Store(live=False)
    store.say(500)
    store.wall = 100.0
    store.say(500)
    assert store.timeline is not None
    assert store.timeline.to_wall(0.5) == 0.0


def test_a_resume_reads_the_wall_clock_anew() -> None:
    store = Store()
    store.wall = 0.1
    store.say(100)
    store.buffer.pause()
    store.buffer.resume(20.0, wall=1020.1)
    assert store.timeline is not None
    assert store.timeline.to_wall(20.2) == pytest.approx(1020.2)


# ---- what `capture` answers ----


def test_audio_is_accepted_while_no_more_than_a_frame_waits_before_it() -> None:
    store = Store()
    assert store.say(1000) == Accepted()
    assert store.say(100) == Buffered(1100.0)
    store.out()
    assert store.say(250) == Accepted()
    assert store.say(100) == Accepted()
    assert store.say(100) == Buffered(450.0)


def test_without_a_connection_all_waiting_audio_is_counted() -> None:
    store = Store()
    store.connected = False
    assert store.say(100) == Buffered(100.0)
    assert store.say(200) == Buffered(300.0)
    assert store.buffer.waiting == 300
    assert store.buffer.waiting_s == 0.3
    assert store.buffer.room_s == 59.7


# ---- control messages ----


def test_a_control_message_goes_out_behind_the_audio_before_it() -> None:
    store = Store()
    store.say(10)
    store.buffer.mark(Finalize())
    store.say(10)
    store.buffer.mark(CloseStream())
    assert store.out() == [*range(10), Finalize(), *range(10, 20), CloseStream()]
    assert store.buffer.has_ended


def test_a_control_message_goes_out_in_its_place_after_a_pause_too() -> None:
    """All of it was captured before any of it was sent, so one piece of the tape holds both sides of the place."""
    store = Store()
    store.say(10)
    store.out()
    store.buffer.pause()
    store.buffer.resume(20.0, wall=0.0)
    store.say(10)
    store.buffer.mark(Finalize())
    store.say(10)
    assert store.out() == [*range(10, 20), Finalize(), *range(20, 30)]


def test_the_same_control_message_twice_in_one_place_is_one() -> None:
    store = Store()
    store.say(10)
    store.buffer.mark(Finalize())
    store.buffer.mark(Finalize())
    store.buffer.mark(Finalize(1))
    assert store.out() == [*range(10), Finalize(), Finalize(1)]


def test_pauses_without_audio_between_them_send_one_finalize() -> None:
    store = Store()
    store.say(10)
    for _ in range(44):
        store.buffer.pause()
        store.buffer.mark(Finalize())
        store.buffer.resume(1.0, wall=0.0)
    assert store.out() == [*range(10), Finalize()]


def test_a_finalize_that_was_not_sent_is_not_forgotten_when_a_final_comes_as_far() -> None:
    store = Store()
    store.say(100)
    store.buffer.next_audio()
    store.buffer.mark(Finalize())
    store.buffer.confirm(100)
    assert store.out() == [Finalize()]


@pytest.mark.parametrize(("confirmed", "again"), [(100, False), (99, False), (98, True), (0, True)])
def test_finalize_is_sent_again_exactly_when_its_audio_was_not_covered(confirmed: int, again: bool) -> None:
    """A sample here is a millisecond, and the wire may round one away."""
    store = Store()
    store.say(100)
    store.buffer.mark(Finalize())
    store.out()
    store.buffer.confirm(confirmed)
    store.cut(confirmed)
    assert (Finalize() in store.out()) is again


def test_close_stream_is_sent_again_until_the_line_has_ended() -> None:
    store = Store()
    store.say(100)
    store.buffer.mark(CloseStream())
    store.out()
    store.buffer.confirm(100)
    store.cut(100)
    assert not store.buffer.has_ended
    assert store.out() == [CloseStream()]


# ---- what finals cover ----


def test_a_new_connection_is_sent_everything_from_the_last_final_boundary_on() -> None:
    store = Store()
    store.say(1000)
    store.out()
    store.buffer.confirm(317)
    store.cut(317)
    assert store.buffer.waiting == 683
    assert store.out() == list(range(317, 1000))
    assert store.buffer.counts.replayed == 683
    assert store.buffer.counts.sent == 1683


def test_audio_that_was_never_sent_is_not_replayed_when_it_is() -> None:
    store = Store()
    store.say(100)
    store.buffer.next_audio()
    store.cut()
    store.say(50)
    store.out()
    assert store.buffer.counts.replayed == 100


def test_a_final_of_what_was_not_sent_confirms_nothing_of_it() -> None:
    store = Store()
    store.say(600)
    store.buffer.next_audio()
    store.buffer.confirm(600)
    assert store.out() == list(range(250, 600))


def test_audio_is_uncovered_until_a_final_covers_it_but_for_a_millisecond() -> None:
    store = Store()
    store.say(100)
    store.out()
    store.buffer.confirm(98)
    assert store.buffer.unheard
    store.buffer.confirm(99)
    assert not store.buffer.unheard


# ---- what is lost ----


def test_without_a_connection_the_oldest_audio_is_lost_and_reported_exactly() -> None:
    store = Store(keep_s=1.0)
    store.connected = False
    store.say(900)
    assert store.say(300) == Dropped(200.0, "no room: 1 s of audio wait already")
    assert store.gaps() == [(0.0, 0.2)]
    assert store.say(50) == Dropped(50.0, "no room: 1 s of audio wait already")
    assert store.gaps() == [(0.2, 0.25)]
    assert store.buffer.counts.lost == 250
    assert store.timeline is not None
    assert store.timeline.losses == (Lost(0, 250),)
    assert store.out() == list(range(250, 1250))


def test_audio_that_was_sent_is_lost_only_when_the_connection_breaks() -> None:
    store = Store(keep_s=1.0)
    for _ in range(30):
        assert store.say(100) == Accepted()
        store.out()
    assert store.gaps() == []
    store.cut()
    assert store.gaps() == [(0.0, 2.0)]
    assert store.out() == list(range(2000, 3000))


def test_audio_that_a_late_final_covers_is_not_lost_although_it_was_not_kept() -> None:
    store = Store(keep_s=1.0)
    for _ in range(30):
        store.say(100)
        store.out()
    store.buffer.confirm(500)
    store.buffer.confirm(1500)
    store.cut(1500)
    assert store.gaps() == [(1.5, 2.0)]
    store.buffer.confirm(3000)
    store.cut(3000)
    assert store.gaps() == []


def test_a_server_that_confirms_nothing_for_hours_fills_no_memory() -> None:
    store = Store(keep_s=0.1)
    for _ in range(5000):
        store.say(10)
        store.buffer.next_audio()
    assert len(pickle.dumps(store.buffer)) < 3_000


def test_what_was_not_kept_in_two_stretches_is_lost_in_two() -> None:
    store = Store(keep_s=1.0)
    store.say(500)
    store.say(500, at=10.0)
    store.out()
    store.say(1000, at=20.0)
    store.out()
    store.cut()
    assert store.gaps() == [(0.0, 0.5), (10.0, 10.5)]


def test_a_socket_that_takes_nothing_loses_what_was_not_sent_and_not_what_was() -> None:
    store = Store(keep_s=1.0)
    store.say(250)
    store.buffer.next_audio()
    store.say(1000)
    assert store.say(100) == Dropped(100.0, "no room: 1 s of audio wait already")
    assert store.gaps() == [(0.25, 0.35)]
    store.cut()
    assert store.gaps() == [(0.0, 0.25)]


def test_a_line_that_ends_without_finals_has_lost_the_rest_in_one_piece() -> None:
    store = Store(live=False)
    for _ in range(4):
        store.say(9000)
    store.out()
    store.buffer.confirm(5000)
    store.buffer.end(complete=False)
    assert store.gaps() == [(5.0, 36.0)]
    store.buffer.end(complete=False)
    assert store.gaps() == []


def test_a_line_whose_server_has_sent_everything_has_lost_nothing() -> None:
    store = Store()
    store.say(100)
    store.out()
    store.buffer.end(complete=True)
    assert store.gaps() == []
    assert store.out() == []


def test_audio_that_comes_too_late_is_refused() -> None:
    assert Store().buffer.reject(voice(0, 100)) == 100.0


# ---- containers ----

WEBM = b"\x1a\x45\xdf\xa3 segment, tracks "
CLUSTER = b"\x1f\x43\xb6\x75 opus "


def test_a_new_connection_is_sent_the_header_of_a_container_first() -> None:
    store = Store(None)
    store.capture(WEBM + CLUSTER)
    assert store.out() == [WEBM + CLUSTER]
    store.capture(b"more")
    assert store.out() == [b"more"]
    store.cut()
    assert store.gaps() == [(None, None)]
    store.capture(b"and more")
    assert store.out() == [WEBM, b"and more"]


def test_a_header_that_was_not_sent_is_not_sent_twice() -> None:
    store = Store(None)
    store.cut()
    store.capture(WEBM + CLUSTER)
    assert store.out() == [WEBM + CLUSTER]


@pytest.mark.parametrize("at", [1, 4, len(WEBM) - 1, len(WEBM)])
def test_a_connection_that_breaks_in_the_header_loses_nothing(at: int) -> None:
    store = Store(None)
    store.capture(WEBM[:at])
    assert store.out() == [WEBM[:at]]
    store.cut()
    store.capture(WEBM[at:] + CLUSTER)
    assert b"".join(store.out()) == WEBM + CLUSTER
    assert store.gaps() == []


def test_a_connection_that_was_sent_nothing_of_a_container_loses_nothing() -> None:
    store = Store(None)
    store.capture(WEBM + CLUSTER)
    store.out()
    store.cut()
    assert store.gaps() == [(None, None)]
    store.cut()
    assert store.gaps() == []


def test_a_container_that_finds_no_room_loses_its_oldest_bytes_but_not_its_header() -> None:
    store = Store(None, keep_s=0.01)
    store.connected = False
    assert store.capture(WEBM + CLUSTER + bytes(400)) == Dropped(
        1000 * (len(WEBM + CLUSTER) + 400 - 320) / 32_000, "no room: 0.01 s of audio wait already"
    )
    assert store.gaps() == [(None, None)]
    store.connected = True
    assert store.out() == [WEBM, bytes(320)]
    assert store.buffer.seconds(320) == 0.0
    assert store.buffer.captured_at is None


def test_a_container_that_ends_unsent_is_lost() -> None:
    store = Store(None)
    store.capture(WEBM + CLUSTER, at=1.0)
    store.buffer.end(complete=False)
    assert store.gaps() == [(None, None)]


def test_a_container_that_was_sent_is_not_lost_at_the_end() -> None:
    store = Store(None)
    store.capture(WEBM + CLUSTER)
    store.out()
    store.buffer.end(complete=False)
    assert store.gaps() == []


def test_finalize_is_sent_once_where_samples_cannot_be_counted() -> None:
    store = Store(None)
    store.capture(WEBM + CLUSTER)
    store.buffer.mark(Finalize())
    store.buffer.mark(CloseStream())
    assert store.out() == [WEBM + CLUSTER, Finalize(), CloseStream()]
    store.cut()
    assert store.out() == [WEBM, CloseStream()]


def test_a_container_is_not_aligned_and_packets_stay_apart() -> None:
    store = Store(None, packets=True)
    for packet in (b"one!", b"three", b"!"):
        store.capture(store.buffer.align(packet))
    assert store.out() == [b"one!", b"three", b"!"]


def test_a_gap_says_why() -> None:
    store = Store(keep_s=0.1)
    store.connected = False
    store.say(150)
    assert store.buffer.gaps() == [Gap(0.0, 0.05, "no room: 0.1 s of audio were waiting")]


# ---- what waits for room ----


def test_audio_that_can_wait_pushes_nothing_out_and_goes_out_in_order() -> None:
    store = Store(keep_s=30.0)
    assert store.wait(20_000) == Accepted()
    assert store.wait(20_000) == Buffered(40_000.0)
    assert store.wait(5_000) == Buffered(45_000.0)
    assert (store.buffer.waiting, store.buffer.unheard_s, store.buffer.free_s) == (45_000, 45.0, 0.0)
    assert store.buffer.sends_waiting == 2
    store.buffer.mark(CloseStream())
    heard: list[Any] = []
    for _ in range(10):
        sent = store.out()
        heard += sent
        store.buffer.confirm(sum(isinstance(each, int) for each in heard))
    assert heard == [*range(45_000), CloseStream()]
    assert store.gaps() == []
    assert store.buffer.counts.lost == 0


def test_one_send_may_be_longer_than_all_there_is() -> None:
    store = Store(live=False, keep_s=30.0)
    store.wait(60_000)
    heard = store.out()
    assert heard == list(range(30_000))
    store.buffer.confirm(30_000)
    assert [*heard, *store.out()] == list(range(60_000))


def test_without_room_for_a_sentence_audio_that_was_sent_holds_up_nothing() -> None:
    """A server sends no final before it has received the end of the sentence."""
    store = Store(keep_s=1.0)
    store.wait(5000)
    assert store.out() == list(range(5000))
    assert store.gaps() == []
    store.cut()
    assert store.gaps() == [(0.0, 4.0)]  # but it cannot be sent again


def test_what_waits_for_room_is_lost_when_the_line_ends() -> None:
    store = Store(live=False, keep_s=30.0)
    store.wait(40_000)
    store.buffer.end(complete=False)
    assert store.gaps() == [(0.0, 40.0)]
    assert store.buffer.waiting == 0


def test_a_new_connection_is_sent_what_waited_for_room_behind_the_rest() -> None:
    store = Store(live=False, keep_s=30.0)
    store.wait(40_000)
    store.out()
    store.buffer.confirm(10_000)
    store.cut(10_000)
    heard = store.out()
    store.buffer.confirm(40_000)
    assert [*heard, *store.out()] == list(range(10_000, 40_000))


def test_a_pause_keeps_back_what_waits_for_room_and_makes_the_rest_final() -> None:
    store = Store(live=False, keep_s=30.0)
    store.wait(40_000)
    store.buffer.pause()
    store.buffer.mark(Finalize())
    assert store.out() == [*range(30_000), Finalize()]
    store.buffer.confirm(30_000)
    assert store.out() == []
    store.buffer.resume(20.0, wall=0.0)
    assert store.out() == list(range(30_000, 40_000))
    assert store.timeline is not None
    assert store.timeline.spans == (Span(0, 0, 40_000),)  # the place in the file, as if there had been no pause


def test_a_place_of_ones_own_holds_for_what_waits_too() -> None:
    store = Store(live=False, keep_s=30.0)
    store.wait(40_000)
    with pytest.raises(UsageError, match=r"at=39 goes back: the audio before it ends at 40 s"):
        store.wait(1000, at=39.0)
    store.captured -= 1000
    store.wait(1000, at=50.0)
    store.out()
    store.buffer.confirm(30_000)
    store.out()
    assert store.timeline is not None
    assert store.timeline.spans == (Span(0, 0, 40_000), Span(40_000, 50_000, 1000))


def test_a_packet_that_can_wait_stays_whole() -> None:
    store = Store(None, live=False, keep_s=0.5, packets=True)
    packets = [bytes([number]) * 10_000 for number in range(4)]
    for packet in packets:
        store.buffer.capture(packet, 0.0, at=None, connected=True, waits=True)
    assert store.out() == packets


def test_the_room_is_short_from_the_first_loss_until_half_of_it_is_free() -> None:
    store = Store(keep_s=1.0)
    store.connected = False
    store.say(1000)
    assert not store.buffer.is_overflowing
    store.say(100)
    assert store.buffer.is_overflowing
    store.out()
    store.buffer.confirm(599)
    assert store.buffer.is_overflowing
    store.buffer.confirm(600)
    assert not store.buffer.is_overflowing


def test_a_source_that_stands_still_loses_no_sample_of_its_clock_in_a_pause() -> None:
    store = Store()
    store.buffer.stop_clock_in_pauses()
    store.say(333)
    store.buffer.pause()
    store.buffer.resume(17.3, wall=1017.3)
    store.say(667)
    assert store.out() == list(range(1000))
    assert store.timeline is not None
    assert store.timeline.spans == (Span(0, 0, 1000),)
    assert store.timeline.to_wall(0.333) == 1017.3
