"""AMR frames, cut anywhere, come in, with or without a file's first line; samples go out, 20 ms for each frame."""

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
    """Narrow or wide: what the file format (RFC 4867, section 5) and the codecs (TS 26.101, TS 26.201) fix.

    `sizes` has the bytes behind a frame's first one, by frame type; None where there is no such type.
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
# One byte in ten may begin a frame; four of them at the right distances are hardly chance.
_CHAIN = 4
_PATIENCE = 4096


class AmrDecoder:
    """AMR or AMR-WB in the storage format: bare frames, or a file that begins with `#!AMR`.

    A file's first line tells its band, whatever was declared. A frame that is lost or damaged takes
    its 20 ms all the same. Bytes that are no frames are passed over; behind the first frame they
    count as the frames that would have filled them.
    """

    def __init__(self, into: Collector, band: Band) -> None:
        self._into = into
        self._band = band
        self._codec = open_decoder(band.decoders, band.rate)
        self._buffer = bytearray()
        self._in_step = False
        self._usual = 0
        """Bytes of the last frame; 0 before the first."""
        self._lost = 0
        """Bytes passed over since the last frame."""
        self._told = 0
        """Frames of silence given for those."""

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes all whole frames. Raises BadAudio when the first 4 KiB hold none."""
        self._buffer += data
        yield from self._run(final=False)

    def finish(self) -> Iterator[None]:
        """Decodes the rest; a frame that was cut off is dropped. Raises BadAudio when there never was one."""
        yield from self._run(final=True)
        if self._lost and not self._into.frames:
            self._refuse()
        self._buffer.clear()

    def close(self) -> None:
        """Nothing to free."""

    def _run(self, *, final: bool) -> Iterator[None]:
        # Each frame cut off the buffer's front would move all that is behind it.
        at, then = 0, self._step(0, final=final)
        while then is not None:
            yield
            at, then = then, self._step(then, final=final)
        del self._buffer[:at]

    def _step(self, at: int, *, final: bool) -> int | None:
        """Deals with what lies at `at` and tells where to go on; None: more bytes are needed."""
        if at >= len(self._buffer):
            return None
        magic = self._magic(at, final=final)
        if magic is None:
            return None
        if magic:
            self._begin(magic)
            return at + len(magic)
        if not self._in_step:
            return self._search(at, final=final)
        size = self._size(at)
        if size is None:
            self._in_step = False
            return at
        if at + size > len(self._buffer):
            return None
        self._decode(bytes(self._buffer[at : at + size]))
        return at + size

    def _magic(self, at: int, *, final: bool) -> bytes | None:
        # A file's first line at this place, empty where there is none, None where there may be one.
        head = bytes(self._buffer[at : at + _MOST_MAGIC])
        for magic in _MAGICS:
            if head.startswith(magic):
                return magic
        return None if not final and any(magic.startswith(head) for magic in _MAGICS) else b""

    def _begin(self, magic: bytes) -> None:
        if magic in _SEVERAL_CHANNELS:
            raise BadAudio(f"AMR file of several channels ({magic.decode().strip()}): must have one channel")
        self._fill(over=True)
        self._band = _BANDS[magic]
        self._codec = open_decoder(self._band.decoders, self._band.rate)
        self._in_step = True

    def _size(self, at: int) -> int | None:
        # A frame's first byte: a zero, four bits of type, one of quality, two zeros. None where that is not so.
        first = self._buffer[at]
        size = None if first & 0x83 else self._band.sizes[first >> 3]
        return None if size is None else 1 + size

    def _search(self, at: int, *, final: bool) -> int | None:
        begins = self._begins(at, final=final)
        if begins is None:
            return None
        if begins:
            self._fill(over=True)
            self._in_step = True
            return at
        self._lost += 1
        if self._lost > _PATIENCE and not self._into.frames:
            self._refuse()
        self._fill(over=False)
        return at + 1

    def _begins(self, at: int, *, final: bool) -> bool | None:
        # Whether frames follow each other from here on; None: more bytes are needed to tell.
        place = at
        for _ in range(_CHAIN):
            if place >= len(self._buffer):
                return (place == len(self._buffer) or not self._lost) if final else None
            size = self._size(place)
            if size is None:
                return False
            place += size
        return True

    def _fill(self, *, over: bool) -> None:
        # Silence for what was passed over: one frame at least, for damage may also have shortened it.
        if self._lost and self._usual:
            frames = max(1, round(self._lost / self._usual)) if over else self._lost // self._usual
            self._silence(frames - self._told)
            self._told = frames
        if over:
            self._lost = self._told = 0

    def _decode(self, frame: bytes) -> None:
        self._usual = len(frame)
        try:
            decoded = self._codec.decode(av.Packet(frame))
        except av.FFmpegError:
            decoded = []
        for one in decoded:
            for _ in put_frame(self._into, one):
                pass
        if not decoded:
            self._silence(1)

    def _silence(self, frames: int) -> None:
        samples = np.zeros((1, frames * self._band.rate // _FRAMES_A_SECOND), np.float32)
        self._into.put(samples, self._band.rate)

    def _refuse(self) -> None:
        raise BadAudio(
            f"{self._lost} bytes and no AMR frame: must be frames of the storage format (RFC 4867, section 5.3), "
            "with or without a file's first line"
        )
