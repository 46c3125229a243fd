"""The queue of undecoded audio and marks."""

from __future__ import annotations

import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.pipeline.stream_input import (
    BATCH_BYTES,
    ROOM_BYTES,
    ROOM_ITEMS,
    SMALL_BYTES,
    SMALL_MESSAGES,
    EndMark,
    FlushMark,
    ReleaseHeldMark,
    StreamInput,
)


def made(encoding: Encoding | None = Encoding.LINEAR16) -> StreamInput:
    return StreamInput(AudioFormat(encoding, 16_000, 1))


def test_audio_leaves_in_batches_and_marks_alone_in_the_order_they_came() -> None:
    queue = made()
    queue.add_audio(b"one")
    queue.add_audio(b"two")
    queue.add_mark(FlushMark(1))
    queue.add_audio(b"three")
    assert queue.audio_is_next
    assert queue.take_mark() is None
    assert queue.take_batch() == [b"one", b"two"]
    assert not queue.audio_is_next
    assert queue.take_batch() == []
    assert queue.take_mark() == FlushMark(1)
    assert queue.waiting_bytes == 5
    assert queue.take_batch() == [b"three"]
    assert queue.take_mark() is None
    assert queue.waiting_bytes == 0


def test_a_batch_is_bounded_and_a_large_message_is_cut() -> None:
    queue = made()
    queue.add_audio(bytes(BATCH_BYTES - 1))
    queue.add_audio(bytes(2 * BATCH_BYTES + 1))
    sizes = []
    while batch := queue.take_batch():
        sizes.append([len(message) for message in batch])
    assert sizes == [[BATCH_BYTES - 1], [BATCH_BYTES], [BATCH_BYTES], [1]]


@pytest.mark.parametrize(("encoding", "messages"), [(Encoding.OPUS, 1), (Encoding.SPEEX, 64), (None, 2)])
def test_a_message_that_is_a_unit_of_its_encoding_is_not_cut(encoding: Encoding | None, messages: int) -> None:
    queue = made(encoding)
    queue.add_audio(bytes(2 * BATCH_BYTES))
    taken = 0
    while batch := queue.take_batch():
        taken += len(batch)
    assert taken == messages


def test_little_audio_waits_for_more() -> None:
    queue = made()
    queue.add_audio(bytes(SMALL_BYTES - 1))
    assert not queue.is_large
    queue.add_audio(b"1")
    assert queue.is_large
    many = made()
    for _ in range(SMALL_MESSAGES):
        assert not many.is_large
        many.add_audio(b"1")
    assert many.is_large


def test_the_queue_is_full_by_bytes_or_by_items() -> None:
    queue = made()
    queue.add_audio(bytes(ROOM_BYTES))
    assert not queue.is_full
    queue.add_audio(b"1")
    assert queue.is_full
    queue.clear()
    assert (queue.is_full, queue.waiting_bytes, queue.take_mark()) == (False, 0, None)
    for _ in range(ROOM_ITEMS):
        queue.add_mark(ReleaseHeldMark())
    assert not queue.is_full
    queue.add_mark(EndMark())
    assert queue.is_full
