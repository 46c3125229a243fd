"""Reader of the metadata blocks in front of a native FLAC stream (RFC 9639, section 8), cut into pieces anywhere."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.errors import BadAudio

MAGIC = b"fLaC"
_BLOCK_HEADER = 4
_STREAMINFO, _STREAMINFO_BYTES = 0, 34


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """The STREAMINFO block: sample rate in Hz, channels, bits per sample, and longest block in samples."""

    sample_rate: int
    channels: int
    bits: int
    max_block: int
    body: bytes


class FlacReader:
    """Reads the marker and all metadata blocks; `is_done` after the last one."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._wanted = _BLOCK_HEADER
        self._skip = 0
        self._has_magic = False
        self._is_last = False
        self.info: StreamInfo | None = None
        """The STREAMINFO block; None until it has arrived. It is the first block."""
        self.position = 0
        """Number of bytes read or skipped so far."""

    @property
    def is_done(self) -> bool:
        """Whether all metadata have been read, so that audio follows."""
        return self._is_last and not self._skip

    def feed(self, data: bytes) -> bytes:
        """Read the next bytes; returns those after the last block. Raises BadAudio when this is not a FLAC stream."""
        while data and not self.is_done:
            used = min(self._skip or self._wanted - len(self._head), len(data))
            self.position += used
            if self._skip:
                self._skip -= used
            else:
                self._head += data[:used]
                if len(self._head) == self._wanted:
                    self._step()
            data = data[used:]
        return data

    def _step(self) -> None:
        head = bytes(self._head)
        if not self._has_magic:
            if head != MAGIC:
                raise BadAudio(f"FLAC stream begins with {head!r}: must be {MAGIC!r}")
            self._has_magic = True
        elif self.info is None and len(head) == _BLOCK_HEADER:
            if head[0] & 0x7F != _STREAMINFO or int.from_bytes(head[1:4]) != _STREAMINFO_BYTES:
                raise BadAudio("FLAC stream does not begin with its STREAMINFO block")
            self._wanted += _STREAMINFO_BYTES
            return
        else:
            self._is_last = bool(head[0] & 0x80)
            if self.info is None:
                self.info, self._wanted = _parse_info(head[_BLOCK_HEADER:]), _BLOCK_HEADER
            else:
                self._skip = int.from_bytes(head[1:4])
        self._head.clear()


def header_bytes(head: bytes) -> int | None:
    """Number of bytes of marker and metadata at the start of `head`; None when they are incomplete. Raises BadAudio."""
    reader = FlacReader()
    reader.feed(head)
    return reader.position if reader.is_done else None


def _parse_info(body: bytes) -> StreamInfo:
    packed = int.from_bytes(body[10:18])
    return StreamInfo(packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, int.from_bytes(body[2:4]), body)
