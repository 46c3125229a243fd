"""Whole samples from bytes of any chunking, and which chunks may hold speech."""

from __future__ import annotations

import array
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.pcm import Aligner, Loudness, PcmFormat
from caesura.errors import UsageError

EBML = b"\x1a\x45\xdf\xa3"

# ---- whole samples ----


def aligner(frame_bytes: int = 2) -> Aligner:
    return Aligner(PcmFormat("linear16", 16_000, frame_bytes))


def test_odd_bytes_wait_for_the_rest_of_their_sample() -> None:
    made = aligner()
    assert made.align(b"abc") == b"ab"
    assert made.align(b"") == b""
    assert made.align(b"d") == b"cd"
    assert made.align(b"ef") == b"ef"


@given(st.lists(st.binary(max_size=7), max_size=30), st.sampled_from([1, 2, 4, 6, 8]))
def test_however_audio_is_cut_up_the_same_whole_samples_come_out(chunks: list[bytes], frame_bytes: int) -> None:
    made = aligner(frame_bytes)
    chunks.insert(0, bytes(4))  # no file begins like that
    out = [made.align(chunk) for chunk in chunks]
    assert all(len(piece) % frame_bytes == 0 for piece in out)
    whole = b"".join(chunks)
    assert b"".join(out) == whole[: len(whole) - len(whole) % frame_bytes]


@pytest.mark.parametrize(
    ("head", "what"),
    [(b"RIFF", "WAV"), (b"fLaC", "FLAC"), (b"OggS", "Ogg"), (EBML, "WebM"), (b"ID3\x04", "MP3")],
)
@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_a_file_is_not_taken_for_raw_audio(head: bytes, what: str, size: int) -> None:
    """However small the pieces are that it comes in."""
    made, data = aligner(), head + bytes(100)
    with pytest.raises(UsageError, match=f"{what} file, not raw linear16"):
        list(map(made.align, (data[start : start + size] for start in range(0, len(data), size))))


@pytest.mark.parametrize("begin", [b"\x00", b"\x00\x01", b"\x00\x01\x02\x03"])
def test_what_looks_like_a_file_in_the_middle_is_audio(begin: bytes) -> None:
    made = aligner()
    assert (
        made.align(begin) + made.align(b"RIFF") + made.align(b"ID3\x00")
        == (begin + b"RIFFID3\x00")[: (len(begin) + 8) // 2 * 2]
    )


# ---- loudness ----


def linear16(peak: int) -> bytes:
    return array.array("h", [0, peak, 0, -peak // 2]).tobytes()


def linear32(peak: int) -> bytes:
    return array.array("f", [0.0, -peak / 32768, 0.0]).tobytes()


def mulaw(peak: int) -> bytes:
    """The byte that means `peak` or a little less, by the table of G.711."""
    biased = min(peak, 32635) + 0x84
    exponent = biased.bit_length() - 8
    return bytes([0xFF, ~(exponent << 4 | (biased >> (exponent + 3)) & 0x0F) & 0xFF, 0xFF])


def alaw(peak: int) -> bytes:
    """As `mulaw`."""
    value = min(peak, 32767) >> 4
    exponent = max(value.bit_length() - 4, 0)
    mantissa = (value >> max(exponent - 1, 0)) & 0x0F
    return bytes([0xD5, (exponent << 4 | mantissa) ^ 0x55, 0xD5])


ENCODERS = {"linear16": linear16, "linear32": linear32, "mulaw": mulaw, "alaw": alaw}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_a_loud_chunk_may_be_speech_and_a_quiet_one_is_none(encoding: str) -> None:
    loudness, sound = Loudness(encoding), ENCODERS[encoding]
    said = [loudness.is_speech(sound(peak)) for peak in (0, 100, 400, 8000, 450, 30_000, 0)]
    assert said == [False, False, False, True, False, True, False]


@pytest.mark.parametrize("encoding", ENCODERS)
def test_steady_noise_is_no_speech_after_a_while_and_speech_over_it_is(encoding: str) -> None:
    loudness, sound = Loudness(encoding), ENCODERS[encoding]
    said = [loudness.is_speech(sound(2000)) for _ in range(400)]
    assert said[0]
    assert not any(said[200:])
    assert loudness.is_speech(sound(20_000))


def test_the_floor_falls_at_once_when_the_noise_stops() -> None:
    loudness = Loudness("linear16")
    for _ in range(400):
        loudness.is_speech(linear16(2000))
    loudness.is_speech(linear16(20))
    assert loudness.is_speech(linear16(2000))


def test_a_lowest_sample_is_as_loud_as_a_highest_one() -> None:
    assert Loudness("linear16").is_speech(array.array("h", [-32768]).tobytes())


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_samples_that_are_no_numbers_are_no_speech_and_spoil_nothing(bad: float) -> None:
    loudness = Loudness("linear32")
    for _ in range(3):
        assert not loudness.is_speech(array.array("f", [bad]).tobytes())
    assert loudness.is_speech(linear32(20_000))


@pytest.mark.parametrize("encoding", ["linear16", "linear32"])
def test_samples_are_little_endian_on_every_machine(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A big-endian machine swaps what it reads: here that turns swapped samples right."""
    swapped = array.array("h" if encoding == "linear16" else "f", ENCODERS[encoding](20_000))
    swapped.byteswap()
    monkeypatch.setattr(sys, "byteorder", "big")
    assert Loudness(encoding).is_speech(swapped.tobytes())
    assert not Loudness(encoding).is_speech(bytes(8))
