"""WAV decoder for files and endless streams: decodes uncompressed samples itself, compressed ones with libav."""

from __future__ import annotations

from collections.abc import Iterator

from caesura.audio.collector import Collector
from caesura.audio.demux import AVI, CODED_WAV, Container, DemuxDecoder
from caesura.audio.format import check_channels, check_rate
from caesura.audio.pcm import Pcm, PcmDecoder
from caesura.containers.wav import (
    ALAW,
    FLOAT,
    MULAW,
    PCM,
    RiffHeader,
    WavChunk,
    WavData,
    WavFormat,
    WavReader,
    format_header,
    riff_header,
)
from caesura.errors import BadAudio

# By format tag and bytes per sample. A sample of fewer bits (20 bits in 3 bytes) is left-justified, so bytes are
# enough.
_KINDS = {
    (PCM, 1): Pcm.U8,
    (PCM, 2): Pcm.S16,
    (PCM, 3): Pcm.S24,
    (PCM, 4): Pcm.S32,
    (FLOAT, 4): Pcm.F32,
    (FLOAT, 8): Pcm.F64,
    (ALAW, 1): Pcm.ALAW,
    (MULAW, 1): Pcm.MULAW,
}
# Other codecs that telephones and recorders put into WAV files; libav decodes them.
_CODED = {
    0x0002: "MS ADPCM",
    0x0011: "IMA ADPCM",
    0x0031: "GSM 6.10",
    0x0045: "G.726",
    0x0050: "MPEG layer 2",
    0x0055: "MP3",
    0x0083: "G.729",
}


class WavDecoder:
    """Streaming decoder for WAVE in RIFF or RF64.

    PCM, A-law and mu-law are decoded here; compressed WAV, and AVI, which is RIFF too, are left to libav.
    A data size of 0 or 0xFFFFFFFF means "until the end"; any other is respected, so that chunks after the samples are
    not decoded as noise. Another WAV of the same format may follow the first.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._reader = WavReader()
        self._left: int | None = 0
        """Number of bytes of samples still to come in this data chunk; None if all that follow are samples."""
        self._format: WavFormat | None = None
        self._pcm: PcmDecoder | None = None
        self._has_data = False
        self._inner: DemuxDecoder | None = None
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
            else:
                chunk, data = self._reader.feed(data)
                data = self._enter(chunk) + data
                yield

    def finish(self) -> Iterator[None]:
        """Checks that there was a header. Raises BadAudio when the bytes ended inside it."""
        if self._inner is not None:
            yield from self._inner.finish()
            return
        if self._pcm is None or not self._has_data:
            raise BadAudio("the WAV stream ended before its header was complete")
        yield from self._pcm.finish()

    def close(self) -> None:
        """Ends libav's thread, if there is one."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()

    def _split(self, data: bytes) -> tuple[bytes, Iterator[None]]:
        # The bytes after the data chunk, and the steps that decode those in it.
        assert self._pcm is not None
        if self._left is None:
            return b"", self._pcm.feed(data)
        mine, rest = data[: self._left], data[self._left :]
        self._left -= len(mine)
        return rest, self._pcm.feed(mine)

    def _enter(self, chunk: WavChunk | None) -> bytes:
        """Handle a chunk; if libav decodes the rest of the stream, returns the bytes to feed it first."""
        match chunk:
            case RiffHeader(form=b"AVI "):
                self._leave_to(AVI)
                return riff_header(chunk)
            case RiffHeader(form=form) if form != b"WAVE":
                raise BadAudio(f"RIFF holds {form!r}: must be b'WAVE' or b'AVI '")
            case WavFormat() if chunk.tag in _CODED and self._format is None:
                check_channels(chunk.channels)
                self._leave_to(CODED_WAV)
                return format_header(chunk.body)
            case WavFormat():
                self._set_format(chunk)
            case WavData(size):
                self._has_data = True
                self._left = size
        return b""

    def _set_format(self, chunk: WavFormat) -> None:
        if self._format not in (None, chunk):
            raise BadAudio("a second WAV of another format follows the first")
        channels = check_channels(chunk.channels)
        kind = _KINDS.get((chunk.tag, chunk.width))
        if kind is None or not chunk.is_consistent:
            raise BadAudio(
                f"WAV format tag {chunk.tag:#06x} with {chunk.bits} bits in {chunk.align} bytes for "
                f"{channels} channels: must be PCM of 8 to 32 bits, float, A-law, mu-law, {', '.join(_CODED.values())}"
            )
        if self._format is None:
            self._format = chunk
            self._pcm = PcmDecoder(self._into, kind, check_rate(chunk.sample_rate), channels)
            self._into.declare(chunk.sample_rate, channels)

    def _leave_to(self, container: Container) -> None:
        self._inner = DemuxDecoder(self._into, container)
        if self._closed:
            self._inner.close()
