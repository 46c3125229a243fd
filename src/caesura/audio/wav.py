"""A WAV file or endless WAV stream, cut anywhere, comes in; its samples go out and nothing else of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from caesura.audio.collector import Collector
from caesura.audio.demux import AVI, CODED_WAV, Container, DemuxDecoder
from caesura.audio.format import check_channels, check_rate
from caesura.audio.pcm import Pcm, PcmDecoder
from caesura.errors import BadAudio

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# By tag and bytes a sample. One narrower than its bytes (20 bits in 3) is left-justified, so bytes are enough.
_KINDS = {
    (_PCM, 1): Pcm.U8,
    (_PCM, 2): Pcm.S16,
    (_PCM, 3): Pcm.S24,
    (_PCM, 4): Pcm.S32,
    (_FLOAT, 4): Pcm.F32,
    (_FLOAT, 8): Pcm.F64,
    (_ALAW, 1): Pcm.ALAW,
    (_MULAW, 1): Pcm.MULAW,
}
# What else telephones and recorders put into a WAV file; libav knows how it is coded.
_CODED = {
    0x0002: "MS ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0045: "G.726",
    0x0050: "MPEG layer 2",
    0x0055: "MP3",
    0x0083: "G.729",
}
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_MAX_FMT = 4096
_UNKNOWN = 0xFFFFFFFF


class WavDecoder:
    """RIFF or RF64 WAVE, streamed.

    PCM, A-law and mu-law are decoded here; coded WAV and AVI, RIFF as well, are left to libav.
    A data size of 0 or 0xFFFFFFFF means "until the end"; any other is kept, so chunks behind the
    samples never become noise. A further WAV of the same kind may follow the first.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._head = bytearray()
        self._skip = 0
        self._left: int | None = 0
        self._long_size = 0
        self._format: bytes | None = None
        self._pcm: PcmDecoder | None = None
        self._begun = False
        self._inner: DemuxDecoder | None = None
        self._lead = b""
        """What libav is given before the rest of the stream."""
        self._closed = False

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes all samples in `data`. Raises BadAudio."""
        while data:
            if self._inner is not None:
                yield from self._inner.feed(data)
                return
            if self._left != 0:
                data, samples = self._split(data)
                yield from samples
            elif self._skip:
                dropped = min(self._skip, len(data))
                self._skip -= dropped
                data = data[dropped:]
            else:
                data = self._chunk(data)
                yield

    def finish(self) -> Iterator[None]:
        """Checks that there was a header. Raises BadAudio when the bytes ended inside it."""
        if self._inner is not None:
            yield from self._inner.finish()
            return
        if self._pcm is None or not self._begun:
            raise BadAudio("the WAV stream ended before its header was complete")
        yield from self._pcm.finish()

    def close(self) -> None:
        """Ends libav's thread, if there is one."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()

    def _split(self, data: bytes) -> tuple[bytes, Iterator[None]]:
        # What lies behind the data chunk, and the steps that decode what lies in it.
        assert self._pcm is not None
        if self._left is None:
            return b"", self._pcm.feed(data)
        mine, rest = data[: self._left], data[self._left :]
        self._left -= len(mine)
        return rest, self._pcm.feed(mine)

    def _chunk(self, data: bytes) -> bytes:
        # Collects the header of one chunk, with its body where that is short and needed.
        self._head += data
        if len(self._head) < _CHUNK.size:
            return b""
        name, size = _CHUNK.unpack_from(self._head)
        wanted = _CHUNK.size + self._body(name, size)
        if len(self._head) < wanted:
            return b""
        body, rest = bytes(self._head[_CHUNK.size : wanted]), bytes(self._head[wanted:])
        self._head.clear()
        self._enter(name, size, body)
        lead, self._lead = self._lead, b""
        return lead + rest

    @staticmethod
    def _body(name: bytes, size: int) -> int:
        match name:
            case b"RIFF" | b"RF64":
                return 4
            case b"ds64":
                return 16
            case b"fmt ":
                if not _FMT.size <= size <= _MAX_FMT:
                    raise BadAudio(f"WAV fmt chunk of {size} bytes: must be {_FMT.size} to {_MAX_FMT}")
                return size + size % 2
            case _:
                return 0

    def _enter(self, name: bytes, size: int, body: bytes) -> None:
        match name:
            case b"RIFF" | b"RF64" if body == b"AVI ":
                self._leave(AVI, _CHUNK.pack(name, size) + body)
            case b"RIFF" | b"RF64":
                if body != b"WAVE":
                    raise BadAudio(f"RIFF holds {body!r}: must be b'WAVE' or b'AVI '")
            case b"fmt ":
                self._read_format(body[:size])
            case b"data":
                self._read_data(size)
            case b"ds64":
                self._long_size = int.from_bytes(body[8:16], "little")
                self._skip = max(0, size - 16)
            case _:
                self._skip = size + size % 2

    def _read_data(self, size: int) -> None:
        if self._pcm is None:
            raise BadAudio("WAV data before its fmt chunk")
        if size == _UNKNOWN:
            size = self._long_size
        self._begun = True
        self._left = size or None
        self._skip = size % 2

    def _read_format(self, body: bytes) -> None:
        if self._format not in (None, body):
            raise BadAudio("a second WAV of another format follows the first")
        tag, channels, rate, _, align, bits = _FMT.unpack_from(body)
        if tag == _EXTENSIBLE and len(body) >= 26:
            tag = int.from_bytes(body[24:26], "little")
        check_channels(channels)
        width = align // channels if align else (bits + 7) // 8
        if tag in _CODED and self._format is None:
            header = _CHUNK.pack(b"RIFF", _UNKNOWN) + b"WAVE" + _CHUNK.pack(b"fmt ", len(body)) + body
            self._leave(CODED_WAV, header + bytes(len(body) % 2))
            return
        kind = _KINDS.get((tag, width))
        if kind is None or width * channels != (align or width * channels):
            raise BadAudio(
                f"WAV format tag {tag:#06x} with {bits} bits in {align} bytes for {channels} channels: "
                f"must be PCM of 8 to 32 bits, float, A-law, mu-law, {', '.join(_CODED.values())}"
            )
        if self._format is None:
            self._format = body
            self._pcm = PcmDecoder(self._into, kind, check_rate(rate), channels)
            self._into.declare(rate, channels)

    def _leave(self, container: Container, header: bytes) -> None:
        # All that follows is libav's, behind the header that it would have seen.
        self._inner = DemuxDecoder(self._into, container)
        self._lead = header
        if self._closed:
            self._inner.close()
