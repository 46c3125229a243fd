"""MP4: index in front, in fragments, behind the audio, and with false claims."""

from __future__ import annotations

import io
import itertools
import struct
from functools import cache

import numpy as np
import pytest

from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat
from caesura.audio.mp4 import Mp4OrderProbe, decode_file
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import encode
from tests.mp4 import AUDIO_AT, FTYP, aac_packet, aac_tables, box, index_last, track
from tests.signals import correlation, cut, decoded, feed_all, single_bytes, sound

SELF = AudioFormat(None, None)
KINDS = ["mp4", "mp4-faststart", "mp4-index-last"]


@cache
def made(kind: str) -> bytes:
    data, _ = encode(sound(48_000, 2), 48_000, kind)
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("kind", KINDS)
def test_any_cutting_gives_the_same_samples(kind: str) -> None:
    data = made(kind)
    whole = decoded([data], SELF)
    np.testing.assert_array_equal(decoded(single_bytes(data), SELF), whole)
    np.testing.assert_array_equal(decoded(cut(data, 777), SELF), whole)


@pytest.mark.parametrize("kind", ["mp4-faststart", "mp4-index-last"])
def test_the_encoder_delay_is_taken_out_where_the_index_has_it(kind: str) -> None:
    assert correlation(decoded([made(kind)], SELF)[0], sound(16_000, 2)[0]) > 0.99


@pytest.mark.parametrize("kind", ["mp4", "mp4-faststart"])
def test_streams_are_decoded_while_they_come(kind: str) -> None:
    data, stream = made(kind), AudioStream(SELF, split=False)
    assert stream.feed(data[: len(data) // 2]).shape[1] > 8_000
    stream.close()


def test_an_index_behind_the_audio_gives_all_at_once() -> None:
    data, stream = made("mp4-index-last"), AudioStream(SELF, split=False)
    assert stream.feed(data[:-600]).shape[1] == 0
    assert stream.feed(data[-600:]).shape[1] > 30_000
    assert stream.finish().shape[1] < 1_000


def test_a_missing_index_is_refused_at_the_end() -> None:
    stream = AudioStream(SELF, split=False)
    stream.feed(made("mp4-index-last")[:-600])
    with pytest.raises(BadAudio, match="before its index"):
        stream.finish()


def test_no_more_than_64_mib_wait_for_an_index() -> None:
    stream = AudioStream(SELF, split=False)
    stream.feed(b"\0\0\0\x10ftypM4A \0\0\0\0" + (1 << 31).to_bytes(4) + b"mdat")
    with pytest.raises(BadAudio, match="does not come in the first 64 MiB: send it fragmented"):
        feed_all(stream, itertools.repeat(bytes(1 << 20), 70))


@pytest.mark.parametrize(
    ("kind", "box", "offset"), [("mp4", b"trun", 8), ("mp4-faststart", b"stsz", 12), ("mp4-index-last", b"stsz", 12)]
)
def test_an_index_that_claims_hours_is_refused_before_it_is_believed(kind: str, box: bytes, offset: int) -> None:
    """A few bytes must not make libav allocate gigabytes."""
    data = bytearray(made(kind))
    at = data.index(box) + offset
    data[at : at + 4] = (80_000_000).to_bytes(4)
    with pytest.raises(BadAudio, match=f"{box.decode()} of 80000000 samples"):
        decoded([bytes(data)], SELF)


def test_a_box_that_claims_to_be_huge_is_refused_at_once() -> None:
    with pytest.raises(BadAudio, match=r"MP4 box b'moov' of \d+ bytes"):
        AudioStream(SELF, split=False).feed(b"\0\0\0\x10ftypM4A \0\0\0\0\xff\0\0\0moov" + bytes(8))


def test_a_box_smaller_than_its_header_is_refused() -> None:
    with pytest.raises(BadAudio, match="MP4 box of 3 bytes"):
        AudioStream(SELF, split=False).feed(b"\0\0\0\x10ftypM4A \0\0\0\0\0\0\0\x03free" + bytes(8))


@pytest.mark.parametrize(("kind", "audio_first"), [("mp4", False), ("mp4-faststart", False), ("mp4-index-last", True)])
@pytest.mark.parametrize("size", [1, 7, 1_000_000])
def test_the_order_of_a_file_is_known_while_it_passes(kind: str, audio_first: bool, size: int) -> None:
    order = Mp4OrderProbe()
    for piece in cut(made(kind), size):
        order.feed(piece)
    assert order.audio_first is audio_first


@pytest.mark.parametrize("lead", [b"\0\0\0\x08wide", b"\0\0\0\x01free" + bytes(7) + b"\x14" + bytes(4)])
def test_boxes_with_short_and_long_headers_are_passed(lead: bytes) -> None:
    order = Mp4OrderProbe()
    order.feed(lead)
    assert order.audio_first is None
    order.feed(b"\0\0\0\0mdat")
    assert order.audio_first is True


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_decoded_as_the_stream_would_be(kind: str) -> None:
    data, into = made(kind), Collector(split=False)
    decode_file(into, io.BytesIO(data))
    into.finish()
    np.testing.assert_allclose(into.take(), decoded([data], SELF), atol=1e-6)


def test_bytes_after_a_whole_file_are_ignored() -> None:
    data, into = made("mp4-index-last"), Collector(split=False)
    decode_file(into, io.BytesIO(data + b"\0\0\0\x03junk and more of it"))
    assert into.frames > 0


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\0\0\0\x10mdat" + bytes(8), "before its index"),
        (b"\0\0\0\x04mdat" + bytes(8), "at least"),
        (b"\x7f\0\0\0moov" + bytes(8), "at most"),
        (b"\0\0\0\x08moov", "no audio"),
        (index_last(b"", track(*aac_tables(1_000_000, 28, [AUDIO_AT]))), "stsz of 1000000 samples: must be"),
    ],
)
def test_a_file_with_false_claims_is_refused(data: bytes, sentence: str) -> None:
    with pytest.raises(BadAudio, match=sentence):
        decode_file(Collector(split=False), io.BytesIO(data))


def test_a_box_size_beyond_any_file_is_refused() -> None:
    """A long size of a damaged file overflowed where the next box was looked for."""
    data = (
        FTYP + struct.pack(">I4sQ", 1, b"free", (1 << 64) - 1) + index_last(b"", track(*aac_tables(1, 28, [AUDIO_AT])))
    )
    with pytest.raises(BadAudio, match="before its index"):
        decode_file(Collector(split=False), io.BytesIO(data))


def test_a_file_is_decoded_without_the_boxes_that_are_not_needed() -> None:
    packet = aac_packet()
    lying = track(*aac_tables(4_000_000, len(packet), [AUDIO_AT]))
    data = index_last(packet * 10, track(*aac_tables(10, len(packet), [AUDIO_AT])), lying)
    into, file = Collector(split=False), io.BytesIO(data + box(b"udta", lying * 20) + lying)
    decode_file(into, file)
    assert into.seconds == 0.64


def test_few_bytes_that_decode_to_hours_come_in_blocks() -> None:
    """Many chunks at one place: 14 KB took half a minute in one call."""
    packet, chunks, each = aac_packet(), 1_000, 200
    tables = aac_tables(chunks * each, len(packet), [AUDIO_AT] * chunks)
    data = index_last(packet * each, track(*tables))
    assert len(data) < 16_000
    stream = AudioStream(SELF, split=False)
    blocks = stream.blocks(data)
    heard = [next(blocks).shape[1] for _ in range(50)]
    assert max(heard) <= 1.1 * 16_000
    assert 40 < stream.seconds < 60
    stream.close()
    assert sum(block.shape[1] for block in blocks) < 16_000
