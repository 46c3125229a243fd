"""Chunks of WAV streams, cut into pieces anywhere."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.containers.wav import (
    FLOAT,
    PCM,
    RiffHeader,
    WavChunk,
    WavData,
    WavFormat,
    WavReader,
    format_header,
    header_bytes,
    is_wav,
    riff_header,
)
from caesura.errors import BadAudio

RIFF = struct.pack("<4sI4s", b"RIFF", 0xFFFFFFFF, b"WAVE")


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack("<4sI", name, len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def fmt(tag: int = PCM, channels: int = 2, align: int = 4, bits: int = 16) -> bytes:
    return struct.pack("<HHIIHH", tag, channels, 8_000, 8_000 * align, align, bits)


STEREO = WavFormat(PCM, 2, 8_000, 4, 16, fmt())
FILE = RIFF + chunk(b"LIST", b"odd") + chunk(b"fmt ", fmt()) + chunk(b"data", b"", 5)


def read(file: bytes, step: int) -> list[WavChunk]:
    """The chunks of a header that is fed in pieces; nothing may be left over."""
    reader, chunks = WavReader(), list[WavChunk]()
    for at in range(0, len(file), step):
        piece = file[at : at + step]
        while piece:
            found, piece = reader.feed(piece)
            chunks += [] if found is None else [found]
    assert reader.position == len(file)
    return chunks


@given(st.integers(1, 60))
def test_the_chunks_that_matter_are_read_however_they_are_cut(step: int) -> None:
    assert read(FILE, step) == [RiffHeader(b"RIFF", 0xFFFFFFFF, b"WAVE"), STEREO, WavData(5)]


def test_the_reader_stops_behind_each_chunk_and_wants_no_byte_of_the_samples() -> None:
    reader, rest = WavReader(), FILE + b"12345"
    found: WavChunk | None = None
    while not isinstance(found, WavData):
        found, _ = reader.feed(rest[: reader.wanted])
        rest = FILE[reader.position :] + b"12345"
    assert rest == b"12345"


def test_samples_of_an_odd_length_are_followed_by_a_padding_byte() -> None:
    reader = WavReader()
    found, rest = reader.feed(FILE)
    while not isinstance(found, WavData):
        found, rest = reader.feed(rest)
    found, _ = reader.feed(b"\0" + RIFF)
    assert found == RiffHeader(b"RIFF", 0xFFFFFFFF, b"WAVE")


@pytest.mark.parametrize(("size", "known"), [(0, None), (0xFFFFFFFF, None), (7, 7)])
def test_an_unknown_size_is_none(size: int, known: int | None) -> None:
    assert read(RIFF + chunk(b"fmt ", fmt()) + chunk(b"data", b"", size), 1000)[-1] == WavData(known)


def test_the_size_of_a_long_file_is_in_its_ds64_chunk() -> None:
    long = chunk(b"ds64", struct.pack("<QQQI", 0, 1 << 33, 0, 0))
    file = b"RF64" + RIFF[4:] + long + chunk(b"fmt ", fmt()) + chunk(b"data", b"", 0xFFFFFFFF)
    assert read(file, 7)[-1] == WavData(1 << 33)


def test_an_extensible_format_has_its_tag_in_the_guid() -> None:
    body = fmt(0xFFFE, align=8, bits=32) + struct.pack("<HHIH", 22, 32, 3, FLOAT) + bytes(14)
    (_, found) = read(RIFF + chunk(b"fmt ", body), 100)
    assert isinstance(found, WavFormat)
    assert (found.tag, found.width, found.is_consistent) == (FLOAT, 4, True)


@pytest.mark.parametrize(
    ("channels", "align", "bits", "width", "is_consistent"),
    [(2, 4, 12, 2, True), (2, 0, 12, 2, True), (2, 5, 16, 2, False), (0, 4, 16, 2, False)],
)
def test_the_width_of_a_sample_is_that_of_its_place_in_a_block(
    channels: int, align: int, bits: int, width: int, is_consistent: bool
) -> None:
    (_, found) = read(RIFF + chunk(b"fmt ", fmt(PCM, channels, align, bits)), 100)
    assert isinstance(found, WavFormat)
    assert (found.width, found.is_consistent) == (width, is_consistent)


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        (RIFF + chunk(b"fmt ", bytes(4)), "WAV fmt chunk of 4 bytes: must be 16 to 4096"),
        (RIFF + chunk(b"fmt ", b"", 5000), "WAV fmt chunk of 5000 bytes"),
        (RIFF + chunk(b"data", b"", 8), "WAV data before its fmt chunk"),
    ],
)
def test_a_chunk_that_cannot_be_is_refused(file: bytes, reason: str) -> None:
    with pytest.raises(BadAudio, match=reason):
        read(file, 1000)


def test_the_length_of_a_header_is_where_the_samples_begin() -> None:
    assert header_bytes(FILE + b"12345") == len(FILE)
    assert header_bytes(FILE[:-1]) is None


def test_headers_can_be_written_again() -> None:
    assert format_header(fmt()) == RIFF + chunk(b"fmt ", fmt())
    assert riff_header(RiffHeader(b"RIFF", 0xFFFFFFFF, b"WAVE")) == RIFF


def test_wav_is_recognised_by_its_first_twelve_bytes() -> None:
    assert is_wav(RIFF)
    assert is_wav(b"BW64" + RIFF[4:])
    assert not is_wav(b"RIFF\0\0\0\0AVI ")
    assert not is_wav(RIFF[:8])
