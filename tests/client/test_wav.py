"""WAV headers, usual, unusual and broken, in pieces of any size."""

from __future__ import annotations

import io
import struct
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.audio_spec import AudioSpec
from caesura.client.input import Input, Source, open_input
from caesura.client.wav import Wav, read_wav
from caesura.errors import UsageError

SAMPLES = bytes(range(256)) * 4


def riff(*chunks: bytes, kind: bytes = b"RIFF") -> bytes:
    return struct.pack("<4sI4s", kind, 0xFFFFFFFF, b"WAVE") + b"".join(chunks)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(tag: int = 1, channels: int = 2, rate: int = 8_000, bits: int = 16, *, align: int | None = None) -> bytes:
    width = channels * bits // 8 if align is None else align
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * width, width, bits))


def extensible(tag: int, bits: int) -> bytes:
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    body = struct.pack("<HHIIHHHHI", 0xFFFE, 2, 8_000, 8_000 * bits // 4, bits // 4, bits, 22, bits, 3) + guid
    return chunk(b"fmt ", body)


PLAIN = riff(fmt(), chunk(b"data", SAMPLES))


class Pieces:
    """A pipe that delivers what it has in pieces of these sizes, again and again."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data = data
        self._sizes = sizes
        self._reads = 0

    def read(self, size: int) -> bytes:
        most = min(size, self._sizes[self._reads % len(self._sizes)])
        self._reads += 1
        piece, self._data = self._data[:most], self._data[most:]
        return piece


def piped(data: bytes, *sizes: int) -> Input:
    return open_input(cast(Source, Pieces(data, list(sizes) or [len(data) + 1])))


def filed(data: bytes) -> Input:
    file: BinaryIO = io.BytesIO(data)
    return open_input(file)


def refusal(data: bytes) -> str:
    with pytest.raises(UsageError) as caught:
        read_wav(filed(data))
    return str(caught.value)


@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=9), extra=st.binary(max_size=99))
def test_any_chunks_and_any_chunks_in_front_are_the_same_header(sizes: list[int], extra: bytes) -> None:
    file = riff(chunk(b"JUNK", extra), fmt(), chunk(b"LIST", extra), chunk(b"data", SAMPLES))
    source = piped(file, *sizes)
    assert read_wav(source) == Wav(AudioSpec("linear16", 8_000, 2, 256 / 8_000), len(SAMPLES))
    assert source.take(10_000) == SAMPLES


@pytest.mark.parametrize(
    ("header", "encoding"),
    [
        (fmt(1, bits=16), "linear16"),
        (fmt(3, bits=32), "linear32"),
        (fmt(6, bits=8), "alaw"),
        (fmt(7, bits=8), "mulaw"),
        (fmt(1, bits=12, align=4), "linear16"),
        (fmt(7, bits=8, align=0), "mulaw"),
        (extensible(1, 16), "linear16"),
        (extensible(3, 32), "linear32"),
    ],
)
def test_samples_that_the_wire_has_a_name_for_are_recognised(header: bytes, encoding: str) -> None:
    wav = read_wav(filed(riff(header, chunk(b"data", SAMPLES))))
    assert wav is not None
    assert (wav.spec.encoding, wav.spec.sample_rate, wav.spec.channels) == (encoding, 8_000, 2)
    assert wav.spec.seconds == len(SAMPLES) / wav.spec.bytes_per_s


@pytest.mark.parametrize(
    "file",
    [
        riff(fmt(bits=8), chunk(b"data", SAMPLES)),
        riff(fmt(bits=24), chunk(b"data", SAMPLES)),
        riff(fmt(tag=2, bits=4), chunk(b"data", SAMPLES)),
        riff(chunk(b"LIST", b"odd"), fmt(3, bits=64), chunk(b"data", SAMPLES)),
        riff(fmt(align=6), chunk(b"data", SAMPLES)),
        riff(fmt(align=5), chunk(b"data", SAMPLES)),
        b"RIFF\0\0\0\0AVI LIST\0\0\0\0",
        b"RIFX" + PLAIN[4:],
        b"fLaC",
        b"",
    ],
)
def test_anything_else_is_left_as_it_was(file: bytes) -> None:
    source = piped(file, 5)
    assert read_wav(source) is None
    assert source.take(10_000) == file


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF - 36, 0x80000000])
def test_a_length_that_is_unknown_is_none(size: int) -> None:
    file = riff(fmt(), chunk(b"data", SAMPLES, size))
    assert read_wav(piped(file, 7)) == Wav(AudioSpec("linear16", 8_000, 2), None)
    assert read_wav(filed(file)) == Wav(AudioSpec("linear16", 8_000, 2, 256 / 8_000), None)


def test_a_length_is_believed_where_the_file_is_as_long() -> None:
    source = piped(riff(fmt(), chunk(b"data", SAMPLES, 0xFFFFFF00)))
    source.size = 0x100000000
    assert read_wav(source) == Wav(AudioSpec("linear16", 8_000, 2, 0xFFFFFF00 / 32_000), 0xFFFFFF00)


@pytest.mark.parametrize("kind", [b"RF64", b"BW64"])
def test_a_long_file_keeps_its_length_elsewhere(kind: bytes) -> None:
    long = chunk(b"ds64", struct.pack("<QQQI", 0, len(SAMPLES), 0, 0))
    wav = read_wav(piped(riff(long, fmt(), chunk(b"data", SAMPLES, 0xFFFFFFFF), kind=kind)))
    assert wav == Wav(AudioSpec("linear16", 8_000, 2, 256 / 8_000), len(SAMPLES))


def test_a_file_that_was_cut_off_is_noted() -> None:
    wav = read_wav(filed(PLAIN[:-24]))
    assert wav is not None
    assert wav.spec.seconds == 250 / 8_000
    assert wav.spec.note == "the open file is cut off: 1000 of the 1024 bytes of samples it declares are there."


@pytest.mark.parametrize("length", [4, 8, 12, 15, 25, 36, 40])
def test_a_file_that_ends_in_its_header_is_refused(length: int) -> None:
    assert refusal(PLAIN[:length]) == "the open file is cut off: it ends inside its WAV header."


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (PLAIN[:44], "the open file is empty: nothing follows its WAV header."),
        (riff(chunk(b"data", SAMPLES)), "WAV data before its fmt chunk."),
        (riff(chunk(b"fmt ", bytes(4)), chunk(b"data", SAMPLES)), "WAV fmt chunk of 4 bytes: must be 16 to 4096."),
        (riff(fmt(rate=100)), "a sample rate of 100 Hz; it must be 4000 to 192000."),
        (riff(fmt(channels=0)), "0 channels; there must be 1 to 20."),
        (riff(fmt(channels=21)), "21 channels; there must be 1 to 20."),
        (riff(chunk(b"LIST", bytes(5_000_000))), "no audio in the first 4194304 bytes of the WAV."),
    ],
)
def test_a_broken_header_is_named(file: bytes, sentence: str) -> None:
    assert refusal(file).endswith(sentence)
