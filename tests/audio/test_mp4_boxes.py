"""Headers of MP4 boxes."""

from __future__ import annotations

import struct

import pytest

from caesura.audio.mp4_boxes import BoxHeader, read_box
from caesura.errors import BadAudio


def test_a_short_header_has_its_size_first() -> None:
    assert read_box(b"before" + struct.pack(">I4s", 20, b"moov"), 6) == BoxHeader(b"moov", 8, 20)


def test_a_long_header_has_its_size_behind_the_kind() -> None:
    assert read_box(struct.pack(">I4sQ", 1, b"mdat", 1 << 40)) == BoxHeader(b"mdat", 16, 1 << 40)


@pytest.mark.parametrize("head", [struct.pack(">I4s", 0, b"mdat"), struct.pack(">I4sQ", 1, b"mdat", 0)])
def test_a_box_without_a_size_goes_on_to_the_end(head: bytes) -> None:
    box = read_box(head)
    assert box is not None
    assert box.size is None


@pytest.mark.parametrize(("head", "end"), [(b"\0\0\0\x08moo", None), (bytes(16), 7), (b"\0\0\0\x01mdat1234567", None)])
def test_an_incomplete_header_gives_none(head: bytes, end: int | None) -> None:
    assert read_box(head, 0, end) is None


@pytest.mark.parametrize("head", [struct.pack(">I4s", 7, b"moov"), struct.pack(">I4sQ", 1, b"moov", 15)])
def test_a_box_smaller_than_its_header_is_refused(head: bytes) -> None:
    with pytest.raises(BadAudio, match=r"MP4 box of (7|15) bytes: must be (8|16) at least"):
        read_box(head)
