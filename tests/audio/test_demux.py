"""libav on its thread: when samples come, damage, and that no thread outlives its stream."""

from __future__ import annotations

import gc
import io
import itertools
import random
import threading
from functools import cache
from typing import Any

import av
import numpy as np
import pytest
from av.container import InputContainer

from caesura.audio.collector import Collector
from caesura.audio.demux import MP3, DemuxDecoder
from caesura.audio.format import AudioFormat
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import encode, mux
from tests.signals import cut, decoded, feed_all, run, sound

SELF = AudioFormat(None, None)
SAID = sound(48_000, 4)


@cache
def made(kind: str) -> bytes:
    data, _ = encode(SAID, 48_000, kind)
    assert isinstance(data, bytes)
    return data


@pytest.fixture(scope="module")
def webm() -> bytes:
    return made("webm")


def demuxers() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("demux-")}


def ended(threads: set[threading.Thread]) -> bool:
    for thread in threads:
        thread.join(5)
    return not any(thread.is_alive() for thread in threads)


def test_live_webm_is_decoded_while_it_arrives(webm: bytes) -> None:
    """Never more than 0.3 s behind what was sent (a block is 20 ms, a cluster's size unknown)."""
    stream, given_out = AudioStream(SELF, split=False), 0
    pieces = cut(webm, 200)
    for at, piece in enumerate(pieces):
        given_out += stream.feed(piece).shape[1]
        assert (at + 1) / len(pieces) * 4 - given_out / 16_000 < 0.3
    stream.close()


def test_the_same_bytes_give_the_same_samples_each_time(webm: bytes) -> None:
    """feed is synchronous: each call returns the same number of samples in each run."""
    runs = []
    for _ in range(2):
        stream = AudioStream(SELF, split=False)
        runs.append([stream.feed(piece).shape[1] for piece in cut(webm, 333)])
        stream.close()
    assert runs[0] == runs[1]


def test_no_thread_before_the_first_byte() -> None:
    before = demuxers()
    decoder = DemuxDecoder(Collector(split=False), MP3)
    run(decoder.feed(b""))
    run(decoder.finish())
    assert demuxers() <= before


@pytest.mark.parametrize("end", ["finish", "close", "garbage"])
def test_the_thread_ends_with_its_stream(webm: bytes, end: str) -> None:
    before = demuxers()
    stream = AudioStream(SELF, split=False)
    stream.feed(webm[:3_000])
    threads = demuxers() - before
    assert len(threads) == 1
    match end:
        case "finish":
            stream.finish()
        case "close":
            stream.close()
    del stream
    gc.collect()
    assert ended(threads)


def test_close_from_another_thread_while_idle(webm: bytes) -> None:
    before = demuxers()
    stream = AudioStream(SELF, split=False)
    stream.feed(webm[:3_000])
    threads = demuxers() - before
    closer = threading.Thread(target=stream.close)
    closer.start()
    closer.join(5)
    assert ended(threads)
    assert stream.feed(webm[3_000:]).size == 0
    assert stream.finish().size == 0


def test_close_from_another_thread_while_fed(webm: bytes) -> None:
    """A call of `feed` in progress returns; nothing hangs."""
    stream = AudioStream(SELF, split=False)
    feeder = threading.Thread(target=lambda: [stream.feed(piece) for piece in cut(webm, 5)])
    feeder.start()
    stream.close()
    feeder.join(10)
    assert not feeder.is_alive()


@pytest.mark.parametrize("kind", ["webm", "mp3", "ogg-opus-file", "ogg-vorbis", "aac", "mp4"])
def test_a_stream_cut_off_counts_as_far_as_it_goes(kind: str) -> None:
    data = made(kind)
    whole, half = decoded([data], SELF), decoded(cut(data[: len(data) // 2], 999), SELF)
    assert 12_000 < half.shape[1] < 40_000
    # The last frame before the cut may be half of one.
    np.testing.assert_array_equal(half[:, :12_000], whole[:, :12_000])


@pytest.mark.parametrize("kind", ["webm", "mp3", "ogg-opus-file", "aac", "mp4"])
@pytest.mark.parametrize("seed", range(4))
def test_damage_in_the_middle_is_survived(kind: str, seed: int) -> None:
    dice, data = random.Random(seed), bytearray(made(kind))
    at = dice.randrange(len(data) // 3, len(data) // 2)
    data[at : at + 20] = dice.randbytes(20)
    heard = decoded(cut(bytes(data), 500), SELF)
    assert heard.shape[1] > 20_000
    assert np.isfinite(heard).all()


@pytest.mark.parametrize("kind", ["webm", "mp3", "ogg-opus-file"])
def test_a_header_cut_off_is_refused_at_the_end(kind: str) -> None:
    stream = AudioStream(SELF, split=True)
    assert stream.feed(made(kind)[:60]).shape == (1, 0)
    with pytest.raises(BadAudio):
        stream.finish()


@pytest.mark.parametrize("magic", [b"\x1a\x45\xdf\xa3", b"OggS", b"\0\0\0\x10ftypM4A \0\0\0\0"])
def test_a_magic_before_noise_is_refused(magic: bytes) -> None:
    noise, stream = random.Random(3), AudioStream(SELF, split=True)
    messages = (noise.randbytes(50_000) for _ in range(400))
    with pytest.raises(BadAudio):
        feed_all(stream, itertools.chain([magic], messages))


def test_mp3_without_any_audio_is_refused() -> None:
    """The bytes that may pass without one sample are counted."""
    before = demuxers()
    decoder = DemuxDecoder(Collector(split=False), MP3)
    with pytest.raises(BadAudio, match="MP3"):
        run(decoder.feed(bytes(1_000_000)))
    decoder.close()
    assert ended(demuxers() - before)


def test_video_alone_holds_no_audio() -> None:
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as container:
        video = container.add_stream("mpeg4", rate=25)
        video.width = video.height = 16
        video.pix_fmt = "yuv420p"
        for packet in [*video.encode(av.VideoFrame(16, 16, "yuv420p")), *video.encode(None)]:
            container.mux(packet)
    with pytest.raises(BadAudio, match="WebM or Matroska stream holds no audio"):
        decoded([target.getvalue()], SELF)


def test_a_stream_that_appears_in_the_middle_is_skipped() -> None:
    """A tag of video in FLV that announces none; PyAV looked for its stream in vain."""
    data = mux(SAID, 48_000, "flv", "mp3")
    tags, at = list[int](), 13
    while at < len(data):
        tags.append(at)
        at += 15 + int.from_bytes(data[at + 1 : at + 4])
    middle = tags[len(tags) // 2]
    video = b"\x09\0\0\x05" + data[middle + 4 : middle + 8] + bytes(3) + b"\x12abcd" + (16).to_bytes(4)
    heard = decoded([data[:middle] + video + data[middle:]], SELF)
    assert heard.shape == decoded([data], SELF).shape


def many(streams: int) -> bytes:
    """A file of so many streams, of which the first one has audio."""
    target = io.BytesIO()
    with av.open(target, "w", format="matroska") as container:
        made = [container.add_stream("libopus", rate=48_000, layout="mono") for _ in range(streams)]
        frame = av.AudioFrame.from_ndarray(SAID, format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, 0
        for packet in [*made[0].encode(frame), *made[0].encode(None)]:
            container.mux(packet)
    return target.getvalue()


def test_only_so_many_streams_are_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """libav keeps a decoder for each: 400 of them took 60 MB."""
    seen: list[int] = []
    data, opened = many(100), av.open

    def counted(*arguments: Any, **options: Any) -> InputContainer:
        container: InputContainer = opened(*arguments, **options)
        seen.append(len(container.streams))
        return container

    monkeypatch.setattr(av, "open", counted)
    assert decoded([data], SELF).shape[1] > 60_000
    assert seen == [64]


def test_tags_of_unknown_alphabets_do_no_harm(webm: bytes) -> None:
    assert decoded([webm.replace(b"Lavf", b"\xff\xfe\xfd\xfc")], SELF).shape == decoded([webm], SELF).shape
