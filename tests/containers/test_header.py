"""The length of a container's header, by its first bytes."""

from __future__ import annotations

import struct

import pytest

from caesura.containers.header import EBML_MAGIC, container_name, header_bytes
from caesura.errors import BadAudio

CLUSTER = b"\x1f\x43\xb6\x75"


def ogg_page(granule: int, *packets: bytes, lacing: bytes | None = None) -> bytes:
    body = b"".join(packets)
    table = lacing or bytes(len(packet) for packet in packets)
    return b"OggS\x00\x00" + struct.pack("<qIIIB", granule, 7, 0, 0, len(table)) + table + body


def flac_block(kind: int, body: bytes, *, last: bool = False) -> bytes:
    return bytes([kind | (0x80 if last else 0)]) + len(body).to_bytes(3, "big") + body


WEBM = EBML_MAGIC + b"\x9f\x42\x86\x81\x01 segment, info, tracks "
OGG = ogg_page(0, b"OpusHead....") + ogg_page(0, b"OpusTags....")
LONG_OGG = ogg_page(0, b"OpusHead....") + ogg_page(-1, b"O" * 255, lacing=b"\xff") + ogg_page(0, b"tags")
FLAC = b"fLaC" + flac_block(0, bytes(34)) + flac_block(4, b"tags", last=True)
WAV = b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00" + bytes(16) + b"data\xff\xff\xff\xff"
HEADERS = [
    pytest.param(WEBM, CLUSTER + bytes(50), id="webm"),
    pytest.param(OGG, ogg_page(960, b"audio"), id="ogg"),
    pytest.param(LONG_OGG, ogg_page(960, b"audio"), id="ogg with a long comment"),
    pytest.param(OGG, b"no page at all, and long enough to see", id="ogg that breaks off"),
    pytest.param(FLAC, b"\xff\xf8" + bytes(50), id="flac"),
    pytest.param(WAV, bytes(50), id="wav"),
]


@pytest.mark.parametrize(("header", "audio"), HEADERS)
def test_the_header_is_what_comes_before_the_audio(header: bytes, audio: bytes) -> None:
    assert header_bytes(header + audio) == len(header)


@pytest.mark.parametrize(("header", "audio"), HEADERS)
def test_the_length_is_not_known_before_the_header_is_whole(header: bytes, audio: bytes) -> None:
    assert all(header_bytes(header[:size]) is None for size in range(4, len(header)))


def test_a_kind_without_a_header_has_none() -> None:
    assert header_bytes(b"\xff\xfb\x90\x00" + bytes(50)) == 0


def test_a_broken_header_is_refused() -> None:
    with pytest.raises(BadAudio, match="STREAMINFO"):
        header_bytes(b"fLaC" + flac_block(4, bytes(34)))


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"RIFF", "a WAV file"),
        (b"RF64", "a WAV file"),
        (b"fLaC", "a FLAC file"),
        (b"OggS", "an Ogg file"),
        (EBML_MAGIC, "a WebM file"),
        (b"ID3\x04", "an MP3 file"),
        (b"fLa", None),
        (bytes(4), None),
    ],
)
def test_a_container_is_named_by_its_first_bytes(head: bytes, name: str | None) -> None:
    assert container_name(head) == name
