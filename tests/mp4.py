"""MP4 files built box by box, also invalid ones that no encoder writes."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import av

from tests.encodings import mux
from tests.signals import sound


def box(kind: bytes, *parts: bytes) -> bytes:
    """One box with its header."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def table(kind: bytes, count: int, *numbers: int) -> bytes:
    """A table: its count first, then its numbers."""
    return box(kind, struct.pack(f">II{len(numbers)}I", 0, count, *numbers))


def sizes(count: int, fixed: int, *each: int) -> bytes:
    """The table of sample sizes."""
    return box(b"stsz", struct.pack(f">III{len(each)}I", 0, fixed, count, *each))


def sample_entry(inside: bytes = b"") -> bytes:
    """The sample description of 16 kHz mono AAC, taken from a file that libav wrote."""
    data = mux(sound(16_000, 0.3), 16_000, "mp4", "aac")
    at = data.index(b"stsd") - 4
    described = data[at : at + int.from_bytes(data[at : at + 4])]
    return box(b"stsd", described[8:], inside)


def aac_packet() -> bytes:
    """One AAC frame of 64 ms of near silence."""
    with av.open(io.BytesIO(mux(sound(16_000, 1.0) * 1e-4, 16_000, "mp4", "aac")), "r") as source:
        return min((bytes(packet) for packet in source.demux(audio=0) if packet.size), key=len)


def track(*tables: bytes, handler: bytes = b"soun", edits: bytes = b"", number: int = 1) -> bytes:
    """One track with the tables given."""
    head = struct.pack(">IIIII", 3, 0, 0, number, 0) + bytes(64)
    media = struct.pack(">IIIII", 0, 0, 0, 16_000, 1_000_000) + bytes(4)
    return box(
        b"trak",
        box(b"tkhd", head),
        edits,
        box(
            b"mdia",
            box(b"mdhd", media),
            box(b"hdlr", bytes(8), handler, bytes(13)),
            box(b"minf", box(b"smhd", bytes(8)), box(b"stbl", *tables)),
        ),
    )


def index(*inside: bytes) -> bytes:
    """The `moov` box."""
    head = struct.pack(">IIIII", 0, 0, 0, 1_000, 0) + struct.pack(">II", 0x10000, 0x0100 << 16) + bytes(72)
    return box(b"moov", box(b"mvhd", head), *inside)


FTYP = box(b"ftyp", b"M4A \0\0\0\0M4A ")


def index_last(audio: bytes, *inside: bytes) -> bytes:
    """A file that has its audio first, at offset 28."""
    return FTYP + box(b"mdat", audio) + index(*inside)


AUDIO_AT = len(FTYP) + 8


def aac_tables(samples: int, size: int, chunks: Sequence[int], entry: bytes | None = None) -> list[bytes]:
    """Tables of `samples` frames of AAC of `size` bytes, spread evenly over chunks at these places."""
    return [
        sample_entry() if entry is None else entry,
        table(b"stts", 1, samples, 1024),
        table(b"stsc", 1, 1, samples // len(chunks), 1),
        sizes(samples, size),
        table(b"stco", len(chunks), *chunks),
    ]
