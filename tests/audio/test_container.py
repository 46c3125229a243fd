"""Recognising a stream by its first bytes."""

from __future__ import annotations

import itertools
import json
import random
from functools import cache

import numpy as np
import pytest

from caesura.audio.format import AudioFormat
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import KINDS, as_int16, encode, mux
from tests.signals import correlation, cut, decoded, delayed_correlation, feed_all, single_bytes, sound

SELF = AudioFormat(None, None)
SAYS_ITSELF = [name for name, kind in KINDS.items() if kind.encoding is None]
SAID = sound(16_000, 1)


@cache
def made(kind: str, rate: int = 16_000, channels: int = 1, seconds: float = 1.0) -> bytes:
    data, _ = encode(sound(rate, seconds, channels), rate, kind)
    assert isinstance(data, bytes)
    return data


@pytest.mark.parametrize("kind", SAYS_ITSELF)
@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_every_container_is_recognised_and_sounds_right(kind: str, rate: int) -> None:
    heard = decoded([made(kind, rate)], SELF, split=False)
    assert 0.95 < heard.shape[1] / 16_000 < 1.2
    # AAC streams without an index keep the encoder's delay, 1024 samples.
    delay = 1024 * 16_000 // rate if kind in ("aac", "mp4") else 0
    assert correlation(heard[0, delay:], SAID[0]) > 0.99


@pytest.mark.parametrize("kind", [kind for kind in SAYS_ITSELF if kind != "ogg-vorbis"])
def test_channels_stay_apart(kind: str) -> None:
    heard = decoded([made(kind, 48_000, 2)], SELF)
    said, delay = sound(16_000, 1, 2), 341 if kind in ("aac", "mp4") else 0
    assert [correlation(heard[c, delay:], said[c]) > 0.95 for c in range(2)] == [True, True]


@pytest.mark.parametrize("kind", SAYS_ITSELF)
def test_any_cutting_gives_the_same_samples(kind: str) -> None:
    data = made(kind, 16_000, 1, 0.5)
    whole = decoded([data], SELF)
    np.testing.assert_array_equal(decoded(single_bytes(data), SELF), whole)
    np.testing.assert_array_equal(decoded(cut(data, 100), SELF), whole)


@pytest.mark.parametrize("kind", [kind for kind in SAYS_ITSELF if not kind.startswith("mp4")])
def test_a_second_recording_of_the_same_kind_follows_on(kind: str) -> None:
    """A browser that stops its recorder and starts it again sends a new header in the middle."""
    data = made(kind, 48_000)
    once, twice = decoded([data], SELF).shape[1], decoded(cut(data + data, 500), SELF).shape[1]
    assert abs(twice - 2 * once) < 800


def test_an_id3_tag_of_any_size_is_passed_over() -> None:
    """A picture of 3 MiB in front of the music is neither kept nor counted."""
    plain = made("mp3")
    plain = plain[plain.index(b"\xff\xf3", 40) if plain.startswith(b"ID3") else 0 :]
    size = 3 << 20
    tag = b"ID3\4\0\0" + bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0)) + b"\xff\xfb" * (size // 2)
    np.testing.assert_array_equal(decoded(cut(tag + plain, 4_000), SELF), decoded([plain], SELF))


LESS_USUAL = {
    "AIFF": ("aiff", "pcm_s16be"),
    "AIFF-C": ("aiff", "pcm_f32be"),
    "AU": ("au", "pcm_s16be"),
    "AU, mu-law": ("au", "pcm_mulaw"),
    "CAF": ("caf", "pcm_s16be"),
    "Wave64": ("w64", "pcm_s16le"),
    "WMA": ("asf", "wmav2"),
    "ASF": ("asf", "libmp3lame"),
    "AVI": ("avi", "libmp3lame"),
    "AVI, PCM": ("avi", "pcm_s16le"),
    "FLV": ("flv", "aac"),
    "MPEG-TS": ("mpegts", "aac"),
    "MPEG-TS, layer 2": ("mpegts", "mp2"),
    "MP2": ("mp2", "mp2"),
    "3GP": ("3gp", "aac"),
    "QuickTime": ("mov", "pcm_s16le"),
    "M4A, lossless": ("ipod", "alac"),
    "Matroska": ("matroska", "aac"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LESS_USUAL)
def test_less_usual_containers_are_recognised_and_sound_right(name: str) -> None:
    """Some codecs have a delay of up to 70 ms that their container cannot declare."""
    data = mux(SAID, 16_000, *LESS_USUAL[name], bit_rate=64_000)
    heard = decoded(cut(data, 1000), SELF)
    assert 0.99 < heard.shape[1] / 16_000 < 1.15
    assert delayed_correlation(heard[0], SAID[0]) > (0.9 if name == "WMA" else 0.98)
    for size in (1, 1 << 20):
        np.testing.assert_array_equal(decoded(cut(data, size), SELF), heard)


@pytest.mark.parametrize("name", [name for name, (form, _) in LESS_USUAL.items() if form not in ("mov", "ipod", "3gp")])
def test_less_usual_containers_that_are_cut_off_count_as_far_as_they_go(name: str) -> None:
    data = mux(SAID, 16_000, *LESS_USUAL[name], bit_rate=64_000)
    assert 0.1 < decoded(cut(data[: len(data) // 2], 100), SELF).shape[1] / 16_000 < 0.8


@pytest.mark.parametrize(
    "magic",
    [
        b"FORM\0\0\0\0AIFF",
        b".snd\0\0\0\x20",
        b"caff\0\1\0\0",
        b"riff\x2e\x91\xcf\x11",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\0\xaa\0\x62\xce\x6c",
        b"RIFF\0\0\0\0AVI LIST",
        b"FLV\x01\5\0\0\0\x09",
    ],
    ids=["AIFF", "AU", "CAF", "Wave64", "ASF", "AVI", "FLV"],
)
def test_a_magic_before_noise_is_refused(magic: bytes) -> None:
    dice, stream = random.Random(8), AudioStream(SELF, split=True)
    with pytest.raises(BadAudio):
        feed_all(stream, itertools.chain([magic], (dice.randbytes(50_000) for _ in range(400))))


@pytest.mark.parametrize("kind", ["mp3", "aac"])
def test_a_stream_may_be_joined_inside_a_frame(kind: str) -> None:
    data = made(kind)[777:]
    assert decoded(cut(data, 50), SELF).shape[1] > 10_000


@pytest.mark.parametrize(
    "data",
    [
        b"The quick brown fox jumps over the lazy dog. " * 200,
        json.dumps({"type": "KeepAlive"}).encode() * 300,
        as_int16(SAID).tobytes(),
        bytes(10_000),
        random.Random(4).randbytes(10_000),
    ],
    ids=["text", "json", "linear16", "zeros", "noise"],
)
def test_unknown_data_are_refused_after_4_kib(data: bytes) -> None:
    stream = AudioStream(SELF, split=False)
    assert stream.feed(data[:4_000]).size == 0
    with pytest.raises(BadAudio, match="of no known kind: must be WAV, FLAC, Ogg"):
        stream.feed(data[4_000:])


@pytest.mark.parametrize("data", [b"R", b"RIF", b"hello", b"\xff\xfb", b"ID3"])
def test_too_few_bytes_to_recognise_are_refused_at_the_end(data: bytes) -> None:
    stream = AudioStream(SELF, split=False)
    assert stream.feed(data).size == 0
    with pytest.raises(BadAudio, match=r"begins with|inside its ID3 tag"):
        stream.finish()


def test_a_stream_that_ends_inside_its_tag_is_refused() -> None:
    stream = AudioStream(SELF, split=False)
    stream.feed(b"ID3\4\0\0\0\0\7\x68" + bytes(100))
    with pytest.raises(BadAudio, match="inside its ID3 tag"):
        stream.finish()
