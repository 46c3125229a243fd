"""A WAV file or endless WAV stream, cut anywhere, comes in; its samples go out and nothing else of it."""

from __future__ import annotations

import struct

from caesura.audio.collector import Collector
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
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_MAX_FMT = 4096
_UNKNOWN = 0xFFFFFFFF


class WavDecoder:
    """RIFF or RF64 WAVE, streamed.

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

    def feed(self, data: bytes) -> None:
        """Decodes all samples in `data`. Raises BadAudio."""
        while data:
            if self._left != 0:
                data = self._samples(data)
            elif self._skip:
                dropped = min(self._skip, len(data))
                self._skip -= dropped
                data = data[dropped:]
            else:
                data = self._chunk(data)

    def finish(self) -> None:
        """Checks that there was a header. Raises BadAudio when the bytes ended inside it."""
        if self._pcm is None or not self._begun:
            raise BadAudio("the WAV stream ended before its header was complete")
        self._pcm.finish()

    def close(self) -> None:
        """Nothing to free."""

    def _samples(self, data: bytes) -> bytes:
        assert self._pcm is not None
        if self._left is None:
            self._pcm.feed(data)
            return b""
        mine, rest = data[: self._left], data[self._left :]
        self._left -= len(mine)
        self._pcm.feed(mine)
        return rest

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
        return rest

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
            case b"RIFF" | b"RF64":
                if body != b"WAVE":
                    raise BadAudio(f"RIFF holds {body!r}: must be b'WAVE'")
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
        kind = _KINDS.get((tag, width))
        if kind is None or width * channels != (align or width * channels):
            raise BadAudio(
                f"WAV format tag {tag:#06x} with {bits} bits in {align} bytes for {channels} channels: "
                "must be PCM of 8 to 32 bits, float, A-law or mu-law"
            )
        if self._format is None:
            self._format = body
            self._pcm = PcmDecoder(self._into, kind, check_rate(rate), channels)
            self._into.declare(rate, channels)
