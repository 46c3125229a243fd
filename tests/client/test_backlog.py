"""Backlog of a recording: order, positions and bounds of waiting audio."""

from __future__ import annotations

from caesura.client.backlog import Backlog
from caesura.client.replay_buffer import Range


def test_audio_is_taken_bit_by_bit_in_order_and_keeps_its_place() -> None:
    backlog = Backlog(2)
    backlog.append(b"aabbcc", 10, 1.0)
    backlog.append(b"dd", 20, 2.0)
    assert (backlog.samples, backlog.start, len(backlog)) == (4, 10, 2)
    assert backlog.ranges == (Range(10, 13), Range(20, 21))
    taken = []
    while (entry := backlog.take(2)) is not None:
        taken.append((bytes(entry.data), entry.source, entry.wall))
    assert taken == [(b"aabb", 10, 1.0), (b"cc", 12, 1.0), (b"dd", 20, 2.0)]
    assert (backlog.samples, backlog.start, len(backlog), backlog.ranges) == (0, None, 0, ())


def test_without_room_nothing_is_taken() -> None:
    backlog = Backlog(2)
    backlog.append(b"aa", 0, 0.0)
    assert backlog.take(0) is None
    assert backlog.take(-1) is None
    assert backlog.samples == 1


def test_a_packet_is_taken_whole_or_not_at_all() -> None:
    backlog = Backlog(1, whole=True)
    backlog.append(b"packet", 0, 0.0)
    assert backlog.take(5) is None
    entry = backlog.take(6)
    assert entry is not None
    assert bytes(entry.data) == b"packet"


def test_clearing_leaves_nothing() -> None:
    backlog = Backlog(1)
    backlog.append(b"abc", 0, 0.0)
    backlog.clear()
    assert (backlog.samples, backlog.take(9)) == (0, None)
