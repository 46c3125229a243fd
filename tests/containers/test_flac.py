"""Metadata blocks of FLAC streams, cut into pieces anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.containers.flac import FlacReader, StreamInfo, header_bytes
from caesura.errors import BadAudio
from tests.flac import silence

STREAM = silence(1, 44_100, channels=2)
INFO = STREAM[8:42]
HEADER = b"fLaC\0" + STREAM[5:42] + b"\x04\0\0\x05tags." + b"\x81\0\0\0"


@given(st.integers(1, 80))
def test_the_stream_info_is_read_however_it_is_cut(step: int) -> None:
    reader, rest = FlacReader(), b""
    for at in range(0, len(HEADER) + 3, step):
        rest += reader.feed((HEADER + b"abc")[at : at + step])
    assert reader.info == StreamInfo(44_100, 2, 16, 65_535, INFO)
    assert (reader.is_done, reader.position, rest) == (True, len(HEADER), b"abc")


def test_the_stream_info_is_known_before_the_other_blocks_have_come() -> None:
    reader = FlacReader()
    reader.feed(HEADER[:42])
    assert reader.info is not None
    assert not reader.is_done


def test_the_length_of_a_header_is_where_the_frames_begin() -> None:
    assert header_bytes(STREAM) == 42
    assert header_bytes(HEADER) == len(HEADER)
    assert header_bytes(HEADER[:-1]) is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"OggS", "FLAC stream begins with b'OggS': must be b'fLaC'"),
        (b"fLaC\x84\0\0\x10", "does not begin with its STREAMINFO block"),
        (b"fLaC\x00\0\0\x10", "does not begin with its STREAMINFO block"),
    ],
)
def test_bytes_that_are_not_flac_are_refused(data: bytes, reason: str) -> None:
    with pytest.raises(BadAudio, match=reason):
        FlacReader().feed(data)
