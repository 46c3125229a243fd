"""Chunk reader for WAV (RIFF) streams that are cut into pieces anywhere.

It yields the three chunks that matter (the RIFF header, `fmt ` and `data`) and skips all others. The samples in a
`data` chunk are left to the caller, which continues with this reader after them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from caesura.errors import BadAudio

MAGICS = (b"RIFF", b"RF64", b"BW64")
PCM, FLOAT, ALAW, MULAW = 1, 3, 6, 7
"""Format tags."""

_EXTENSIBLE = 0xFFFE
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_MAX_FMT = 4096
_DS64_BYTES = 16
UNKNOWN = 0xFFFFFFFF
"""Data size that stands for "in the ds64 chunk" or "until the end"."""


@dataclass(frozen=True, slots=True)
class RiffHeader:
    """The first chunk of a file: its magic, the declared size, and the form type, which is `WAVE` for audio."""

    magic: bytes
    size: int
    form: bytes


@dataclass(frozen=True, slots=True)
class WavFormat:
    """The `fmt ` chunk. `tag` is that of the subformat where the chunk is extensible; `body` the chunk as it came."""

    tag: int
    channels: int
    sample_rate: int
    align: int
    bits: int
    body: bytes

    @property
    def width(self) -> int:
        """Bytes of one sample of one channel; samples of fewer bits are left-justified in them."""
        return self.align // self.channels if self.align and self.channels else (self.bits + 7) // 8

    @property
    def is_consistent(self) -> bool:
        """Whether one sample of every channel fills a block exactly."""
        return self.align in (0, self.width * self.channels)


@dataclass(frozen=True, slots=True)
class WavData:
    """The header of a `data` chunk, followed by `size` bytes of samples; None if they go on until the end."""

    size: int | None


WavChunk = RiffHeader | WavFormat | WavData


class WavReader:
    """Reads chunk after chunk from bytes that are fed in pieces of any size."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._skip = 0
        self._long_size = 0
        self._has_format = False
        self.position = 0
        """Bytes read and passed over so far."""

    @property
    def wanted(self) -> int:
        """Number of bytes to feed next; they all belong to a header."""
        if self._skip:
            return self._skip
        if len(self._head) < _CHUNK.size:
            return _CHUNK.size - len(self._head)
        return _CHUNK.size + _body_bytes(*_CHUNK.unpack_from(self._head)) - len(self._head)

    def feed(self, data: bytes) -> tuple[WavChunk | None, bytes]:
        """Read bytes up to the end of the next chunk that matters.

        Returns that chunk, or None when more bytes are needed, and the bytes after it. Raises BadAudio for an invalid
        chunk.
        """
        while data:
            used = min(self.wanted, len(data))
            self.position += used
            if self._skip:
                self._skip -= used
            else:
                self._head += data[:used]
            data = data[used:]
            if self._head and not self.wanted and (chunk := self._end_chunk()) is not None:
                return chunk, data
        return None, data

    def _end_chunk(self) -> WavChunk | None:
        name, size = _CHUNK.unpack_from(self._head)
        body = bytes(self._head[_CHUNK.size :])
        self._head.clear()
        match name:
            case b"RIFF" | b"RF64" | b"BW64":
                return RiffHeader(name, size, body)
            case b"fmt ":
                self._has_format = True
                return _parse_format(body[:size])
            case b"data":
                return self._data(size)
            case b"ds64":
                self._long_size = int.from_bytes(body[8:16], "little")
        self._skip = max(size + size % 2 - len(body), 0)
        return None

    def _data(self, size: int) -> WavData:
        if not self._has_format:
            raise BadAudio("WAV data before its fmt chunk")
        if size == UNKNOWN:
            size = self._long_size
        self._skip = size % 2
        return WavData(size or None)


def is_wav(head: bytes) -> bool:
    """Whether a WAV file begins with these 12 bytes."""
    return head[:4] in MAGICS and head[8:12] == b"WAVE"


def header_bytes(head: bytes) -> int | None:
    """Number of bytes of the WAV header at the start of `head`; None when it is incomplete. Raises BadAudio."""
    reader = WavReader()
    chunk: WavChunk | None = None
    while not isinstance(chunk, WavData):
        chunk, head = reader.feed(head)
        if chunk is None:
            return None
    return reader.position


def format_header(body: bytes) -> bytes:
    """The header of an endless WAV stream with the `fmt ` chunk `body`, including the header of its data chunk."""
    return _CHUNK.pack(b"RIFF", UNKNOWN) + b"WAVE" + _CHUNK.pack(b"fmt ", len(body)) + body + bytes(len(body) % 2)


def riff_header(header: RiffHeader) -> bytes:
    """The original bytes of a RIFF header."""
    return _CHUNK.pack(header.magic, header.size) + header.form


def _body_bytes(name: bytes, size: int) -> int:
    """Number of bytes of a chunk's body that are kept; the rest is skipped."""
    match name:
        case b"RIFF" | b"RF64" | b"BW64":
            return 4
        case b"ds64":
            return _DS64_BYTES
        case b"fmt ":
            if not _FMT.size <= size <= _MAX_FMT:
                raise BadAudio(f"WAV fmt chunk of {size} bytes: must be {_FMT.size} to {_MAX_FMT}")
            return size + size % 2
        case _:
            return 0


def _parse_format(body: bytes) -> WavFormat:
    tag, channels, rate, _, align, bits = _FMT.unpack_from(body)
    if tag == _EXTENSIBLE and len(body) >= 26:
        tag = int.from_bytes(body[24:26], "little")
    return WavFormat(tag, channels, rate, align, bits, body)
