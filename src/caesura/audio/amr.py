"""AMR and AMR-WB decoder for the storage format (RFC 4867, section 5), with or without a file's first line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
import numpy as np

from caesura.audio.avframe import put_frame
from caesura.audio.collector import Collector
from caesura.audio.libav import open_decoder
from caesura.errors import BadAudio


@dataclass(frozen=True, slots=True)
class Band:
    """Constants of AMR (narrow) or AMR-WB (wide), from the file format (RFC 4867, section 5) and TS 26.101, TS 26.201.

    `sizes` has the number of bytes after a frame's first one, by frame type; None for types that do not exist.
    `decoders` are libav's, the best first: OpenCORE's fills in pauses and losses, libav's own does not.
    """

    magic: bytes
    rate: int
    sizes: tuple[int | None, ...]
    decoders: tuple[str, ...]


NARROW = Band(
    b"#!AMR\n",
    8_000,
    (12, 13, 15, 17, 19, 20, 26, 31, 5, None, None, None, None, None, None, 0),
    ("libopencore_amrnb", "amrnb"),
)
WIDE = Band(
    b"#!AMR-WB\n",
    16_000,
    (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, None, None, None, None, 0, 0),
    ("libopencore_amrwb", "amrwb"),
)
_BANDS = {band.magic: band for band in (NARROW, WIDE)}
_SEVERAL_CHANNELS = (b"#!AMR_MC1.0\n", b"#!AMR-WB_MC1.0\n")
_MAGICS = (*_BANDS, *_SEVERAL_CHANNELS)
_MOST_MAGIC = max(map(len, _MAGICS))
_FRAMES_A_SECOND = 50
# A frame's first byte: a zero, four bits of type, one of quality, two zeros.
_NOT_IN_FIRST_BYTE = 0x83


class AmrDecoder:
    """AMR or AMR-WB in the storage format: bare frames, or a file that begins with `#!AMR`, in pieces of any size.

    A file's first line decides its band, whatever was declared. A frame marked as lost still takes its 20 ms. Bytes
    that are not a frame are refused: TCP delivers everything in order, so they are not AMR, or not from its first byte
    on.
    """

    def __init__(self, into: Collector, band: Band) -> None:
        self._into = into
        self._band = band
        self._codec = open_decoder(band.decoders, band.rate)
        self._buffer = bytearray()
        self._position = 0
        """Position in the stream of the buffer's first byte."""

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes all whole frames. Raises BadAudio where no frame begins."""
        self._buffer += data
        yield from self._run(final=False)

    def finish(self) -> Iterator[None]:
        """Decodes the rest; a frame that was cut off is dropped. Raises BadAudio where no frame begins."""
        yield from self._run(final=True)
        self._buffer.clear()

    def close(self) -> None:
        """Nothing to free."""

    def _run(self, *, final: bool) -> Iterator[None]:
        # The buffer is cut once per call: removing each frame from its front would move the rest every time.
        at, after = 0, self._step(0, final=final)
        while after is not None:
            yield
            at, after = after, self._step(after, final=final)
        del self._buffer[:at]
        self._position += at

    def _step(self, at: int, *, final: bool) -> int | None:
        """Decode the frame or file header at `at`; returns the position after it, None when more bytes are needed."""
        if at >= len(self._buffer):
            return None
        magic = self._magic(at, final=final)
        if magic is None:
            return None
        if magic:
            self._begin(magic)
            return at + len(magic)
        size = self._frame_bytes(at)
        if at + size > len(self._buffer):
            return None
        self._decode(bytes(self._buffer[at : at + size]))
        return at + size

    def _magic(self, at: int, *, final: bool) -> bytes | None:
        # A file's first line at this position; empty when there is none, None when it may still be one.
        head = bytes(self._buffer[at : at + _MOST_MAGIC])
        for magic in _MAGICS:
            if head.startswith(magic):
                return magic
        return None if not final and any(magic.startswith(head) for magic in _MAGICS) else b""

    def _begin(self, magic: bytes) -> None:
        if magic in _SEVERAL_CHANNELS:
            raise BadAudio(f"AMR file of several channels ({magic.decode().strip()}): must have one channel")
        self._band = _BANDS[magic]
        self._codec = open_decoder(self._band.decoders, self._band.rate)

    def _frame_bytes(self, at: int) -> int:
        first = self._buffer[at]
        size = None if first & _NOT_IN_FIRST_BYTE else self._band.sizes[first >> 3]
        if size is None:
            raise BadAudio(
                f"byte {self._position + at} of the AMR stream is {first:#04x}, which does not begin a frame: "
                "must be frames of the storage format (RFC 4867, section 5.3), with or without a file's first line"
            )
        return 1 + size

    def _decode(self, frame: bytes) -> None:
        try:
            decoded = self._codec.decode(av.Packet(frame))
        except av.FFmpegError:
            decoded = []  # libav's own decoders refuse frames that stand for lost ones
        for one in decoded:
            for _ in put_frame(self._into, one):
                pass
        if not decoded:
            silence = np.zeros((1, self._band.rate // _FRAMES_A_SECOND), np.float32)
            self._into.put(silence, self._band.rate)
