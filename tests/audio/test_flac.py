"""Native FLAC, cut anywhere and damaged."""

from __future__ import annotations

import random

import numpy as np
import pytest

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.encodings import encode, encode_whole
from tests.signals import cut, decoded, feed_all, sound

FLAC = AudioFormat(Encoding.FLAC, 16_000)
SAID = sound(16_000, 3, 2)
DATA = encode_whole(SAID, 16_000, "flac")
WHOLE = decoded([DATA], FLAC)


@pytest.mark.parametrize("size", [1, 13, 1_000, 10**9])
def test_samples_are_exact_however_cut(size: int) -> None:
    heard = decoded(cut(DATA, size), FLAC)
    assert heard.shape == SAID.shape
    np.testing.assert_allclose(heard, SAID, atol=1 / 32768)


@pytest.mark.parametrize("rate", [8_000, 22_050, 48_000, 96_000])
def test_the_rate_in_the_header_overrides_the_declared_one(rate: int) -> None:
    data, _ = encode(sound(rate, 1), rate, "flac")
    assert isinstance(data, bytes)
    assert decoded([data], AudioFormat(Encoding.FLAC, 16_000)).shape == (1, 16_000)


def test_a_frame_is_decoded_when_the_next_one_begins() -> None:
    """At most two frames (here 0.29 s each) are on their way at any time."""
    stream, given_out = AudioStream(FLAC, split=False), 0
    header = len(DATA) - len(DATA[8_000:])
    for at, piece in enumerate(cut(DATA, 500)):
        given_out += stream.feed(piece).shape[1]
        sent = max(0, (at + 1) * 500 - header - 500) / (len(DATA) - header) * 3
        assert sent - given_out / 16_000 < 0.75


@pytest.mark.parametrize("seed", range(8))
def test_damage_costs_the_frames_it_hits_and_no_more(seed: int) -> None:
    dice, damaged = random.Random(seed), bytearray(DATA)
    damaged[dice.randrange(9_000, len(damaged))] ^= 0x55
    heard = decoded(cut(bytes(damaged), 700), FLAC)
    assert heard.shape[1] >= 48_000 - 2 * 4_608
    assert np.abs(heard).max() < 0.5


def test_lost_bytes_cost_the_frames_they_hit() -> None:
    assert decoded([DATA[:20_000], DATA[26_000:]], FLAC).shape[1] > 24_000


def test_a_stream_cut_off_counts_as_far_as_it_goes() -> None:
    heard = decoded([DATA[: len(DATA) // 2]], FLAC)
    np.testing.assert_array_equal(heard, WHOLE[:, : heard.shape[1]])
    assert heard.shape[1] > 8_000


def test_random_bytes_are_refused_at_once() -> None:
    with pytest.raises(BadAudio, match="FLAC stream begins with"):
        AudioStream(FLAC, split=True).feed(random.Random(1).randbytes(1_000))


def test_a_good_header_before_random_bytes_is_refused_after_64_kib() -> None:
    stream, noise = AudioStream(FLAC, split=True), random.Random(2)
    stream.feed(DATA[:42] + b"\x81\0\0\0")
    with pytest.raises(BadAudio, match=r"no FLAC frame in \d+ bytes"):
        feed_all(stream, (noise.randbytes(1_000) for _ in range(300)))


def test_a_good_header_before_a_few_random_bytes_is_refused_at_the_end() -> None:
    stream = AudioStream(FLAC, split=True)
    stream.feed(DATA[:42] + b"\x81\0\0\0" + bytes(100))
    with pytest.raises(BadAudio, match="no frame that can be decoded"):
        stream.finish()


@pytest.mark.parametrize("length", [1, 4, 20, 50, 1_000])
def test_a_header_cut_off_is_refused_at_the_end(length: int) -> None:
    stream = AudioStream(FLAC, split=True)
    assert stream.feed(DATA[:length]).size == 0
    with pytest.raises(BadAudio, match="before its header was complete"):
        stream.finish()


def test_a_header_without_streaminfo_is_refused() -> None:
    with pytest.raises(BadAudio, match="STREAMINFO"):
        AudioStream(FLAC, split=True).feed(b"fLaC\x84\0\0\x10" + bytes(16))
