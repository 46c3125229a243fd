"""WAV, whole, endless and odd."""

from __future__ import annotations

import struct
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.format import AudioFormat
from caesura.audio.stream import AudioStream
from caesura.errors import BadAudio
from tests.coded_recordings import coded, level_correlation
from tests.encodings import as_int16, encode, mux, wav
from tests.example_count import examples
from tests.signals import cut, decoded, delayed_correlation, single_bytes, sound

SELF = AudioFormat(None, None)
SAID = sound(16_000, 0.05, 2)
DATA = as_int16(SAID).tobytes()
PLAIN = wav(DATA, 16_000, 2)
HEARD = decoded([PLAIN], SELF)


def with_chunk(file: bytes, chunk: bytes) -> bytes:
    """The file with a chunk between header and data."""
    return file[:36] + chunk + file[36:]


def test_samples_are_exact() -> None:
    np.testing.assert_allclose(HEARD, SAID, atol=1 / 32768)
    assert HEARD.shape == SAID.shape


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF])
def test_an_endless_stream_is_decoded_to_its_end(size: int) -> None:
    np.testing.assert_array_equal(decoded([wav(DATA, 16_000, 2, size=size)], SELF), HEARD)


@pytest.mark.parametrize("step", [1, 7, 10_000])
def test_chunks_around_the_data_are_no_sound(step: int) -> None:
    """Odd-sized chunks before the data and a trailing chunk leave the samples as they are."""
    extra = struct.pack("<4sI", b"LIST", 5) + b"hello\0"
    file = with_chunk(PLAIN, extra) + extra + b"id3 \x10\0\0\0" + bytes(range(16))
    np.testing.assert_array_equal(decoded(cut(file, step), SELF), HEARD)


def test_a_second_wav_of_the_same_kind_follows_on() -> None:
    np.testing.assert_array_equal(decoded([PLAIN, PLAIN], SELF), np.concatenate([HEARD, HEARD], axis=1))


def test_a_second_wav_of_another_kind_is_refused() -> None:
    with pytest.raises(BadAudio, match="another format"):
        decoded([PLAIN, wav(DATA, 8_000, 2)], SELF)


@pytest.mark.parametrize(
    ("tag", "bits", "dtype", "scale"),
    [(1, 8, "u1", 0), (1, 24, "", 0), (1, 32, "<i4", 2**31), (3, 32, "<f4", 1), (3, 64, "<f8", 1)],
)
def test_all_widths(tag: int, bits: int, dtype: str, scale: int) -> None:
    flat = SAID.T.ravel().astype(np.float64)
    if bits == 8:
        data = np.round(flat * 128 + 128).astype("u1").tobytes()
    elif bits == 24:
        wide = np.round(flat * 2**23).astype("<i4").tobytes()
        data = b"".join(wide[at : at + 3] for at in range(0, len(wide), 4))
    else:
        data = (flat * scale).astype(dtype).tobytes()
    heard = decoded([wav(data, 16_000, 2, tag=tag, bits=bits)], SELF)
    np.testing.assert_allclose(heard, SAID, atol=1 / 128 if bits == 8 else 1e-6)


def test_extensible_has_its_type_in_the_guid() -> None:
    guid = struct.pack("<H", 3) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 16_000, 128_000, 8, 32, 22, 32, 3) + guid
    data = SAID.T.astype("<f4").tobytes()
    head = struct.pack("<4sI4s4sI", b"RIFF", 0xFFFFFFFF, b"WAVE", b"fmt ", len(fmt)) + fmt
    file = head + struct.pack("<4sI", b"data", len(data)) + data
    np.testing.assert_array_equal(decoded(cut(file, 13), SELF), SAID)


def test_rf64_takes_the_long_size() -> None:
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 0, len(DATA), 0, 0)
    file = b"RF64\xff\xff\xff\xffWAVE" + ds64 + PLAIN[12:40] + b"\xff\xff\xff\xff" + DATA + b"LIST\x04\0\0\0abcd"
    np.testing.assert_array_equal(decoded(cut(file, 11), SELF), HEARD)


@examples(30)
@given(cuts=st.lists(st.integers(1, 300), min_size=1, max_size=9))
@pytest.mark.parametrize("kind", ["wav", "wav-float", "wav-mulaw"])
def test_any_cutting_gives_the_same_samples(kind: str, cuts: list[int]) -> None:
    data, declared = encode(SAID, 8_000, kind)
    assert isinstance(data, bytes)
    messages: list[bytes] = []
    at = 0
    while at < len(data):
        messages.append(data[at : at + cuts[len(messages) % len(cuts)]])
        at += len(messages[-1])
    np.testing.assert_array_equal(decoded(messages, declared), decoded([data], declared))


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (wav(DATA, 16_000, 2, tag=0x2001, bits=4), "format tag 0x2001"),
        (wav(DATA, 16_000, 0), "0 audio channels"),
        (wav(DATA, 16_000, 21), "21 audio channels"),
        (wav(DATA, 100, 2), "sample rate 100 Hz"),
        (PLAIN[:16] + b"\x04\0\0\0" + PLAIN[20:], "fmt chunk of 4 bytes"),
        (PLAIN[:12] + PLAIN[36:], "data before its fmt"),
        (b"RIFF\0\0\0\0WEBPVP8 \0\0\0\0", "RIFF holds b'WEBP': must be b'WAVE' or b'AVI '"),
    ],
)
def test_a_broken_header_is_refused_at_once(file: bytes, reason: str) -> None:
    with pytest.raises(BadAudio, match=reason):
        AudioStream(SELF, split=True).feed(file)


@pytest.mark.parametrize("codec", ["adpcm_ms", "adpcm_ima_wav", "libmp3lame", "mp2", "g726"])
def test_coded_samples_are_left_to_libav(codec: str) -> None:
    said, rate = sound(16_000, 1), 8_000 if codec == "g726" else 16_000
    data = mux(sound(rate, 1), rate, "wav", codec, bit_rate=rate * 4)
    heard = decoded([data], SELF)
    np.testing.assert_array_equal(decoded(single_bytes(data), SELF), heard)
    np.testing.assert_array_equal(decoded(cut(data, 100), SELF), heard)
    assert heard.shape[1] / 16_000 == pytest.approx(1.0, abs=0.1)
    assert delayed_correlation(heard[0], said[0]) > 0.98


def test_gsm_and_g729_in_a_wav_file_sound_like_their_original() -> None:
    """What telephone systems record; libav writes neither."""
    frames = coded("lv-0880.g729")
    fmt = struct.pack("<HHIIHHH", 0x83, 1, 8_000, 1_000, 10, 1, 0)
    g729 = struct.pack("<4sI4s4sI", b"RIFF", 38 + len(frames), b"WAVE", b"fmt ", len(fmt)) + fmt
    g729 += struct.pack("<4sI", b"data", len(frames)) + frames
    for data, samples in ((coded("lv-0880-gsm.wav"), 48_000), (g729, 47_840)):
        heard = decoded(cut(data, 300), SELF)
        assert heard.shape == (1, samples)
        assert level_correlation(heard[0]) > 0.9


def test_coded_samples_that_are_cut_off_count_as_far_as_they_go() -> None:
    data = mux(sound(16_000, 1), 16_000, "wav", "adpcm_ima_wav")
    assert decoded(cut(data[: len(data) // 2], 100), SELF).shape[1] / 16_000 == pytest.approx(0.5, abs=0.05)


def test_a_stream_given_up_ends_libavs_thread() -> None:
    before = {thread for thread in threading.enumerate() if thread.name.startswith("demux-")}
    stream = AudioStream(SELF, split=True)
    stream.feed(mux(sound(16_000, 1), 16_000, "wav", "adpcm_ms")[:4000])
    threads = {thread for thread in threading.enumerate() if thread.name.startswith("demux-")} - before
    assert len(threads) == 1
    stream.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize("length", [4, 12, 30, 40])
def test_a_header_cut_off_is_refused_at_the_end(length: int) -> None:
    stream = AudioStream(SELF, split=True)
    assert stream.feed(PLAIN[:length]).size == 0
    with pytest.raises(BadAudio):
        stream.finish()


def test_samples_cut_off_count_as_far_as_they_go() -> None:
    np.testing.assert_array_equal(decoded([PLAIN[:-101]], SELF), HEARD[:, : -(101 // 4 + 1)])
