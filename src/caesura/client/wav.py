"""Recognises a WAV recording whose samples can be sent as they are, from the beginning of its bytes."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.client.audio_spec import AudioSpec, checked_spec
from caesura.client.input import Input
from caesura.containers.wav import ALAW, FLOAT, MAGICS, MULAW, PCM, WavData, WavFormat, WavReader
from caesura.errors import BadAudio, UsageError

# The wire's name by format tag and bytes of a sample.
_ENCODINGS = {(PCM, 2): "linear16", (FLOAT, 4): "linear32", (ALAW, 1): "alaw", (MULAW, 1): "mulaw"}
_RIFF_BYTES = 12
_MAX_HEADER = 4 * 1024 * 1024
# sox and arecord write something like this where they cannot know; few files are really as long.
_IMPLAUSIBLE = 0x7FFFF000


@dataclass(frozen=True, slots=True)
class Wav:
    """What a WAV holds, and how many bytes of samples follow; None: all that follow are samples."""

    spec: AudioSpec
    data_bytes: int | None


def read_wav(source: Input) -> Wav | None:
    """Reads up to the first sample.

    None for what is no WAV, or one whose samples have no name on the wire; nothing has then been taken from `source`.
    Raises UsageError for a WAV that ends in its header, declares what cannot be, or holds no samples.
    """
    return _WavHeader(source).read()


class _WavHeader:
    def __init__(self, source: Input) -> None:
        self._source = source
        self._seen = bytearray()
        self._reader = WavReader()

    def read(self) -> Wav | None:
        riff = self._take(_RIFF_BYTES)
        if riff[:4] not in MAGICS or riff[8:] not in (b"WAVE", b""):
            self._source.unread(bytes(self._seen))
            return None
        try:
            self._reader.feed(riff)
            return self._read_chunks()
        except BadAudio as error:
            raise UsageError(f"{self._source.name} is broken: {error}.") from error

    def _read_chunks(self) -> Wav | None:
        spec: AudioSpec | None = None
        while True:
            wanted = self._reader.wanted
            chunk, _ = self._reader.feed(self._take(min(wanted, _MAX_HEADER), wanted))
            match chunk:
                case WavFormat() if spec is None:
                    spec = self._spec(chunk)
                    if spec is None:
                        self._source.unread(bytes(self._seen))
                        return None
                case WavData(size) if spec is not None:
                    return self._wav(spec, self._declared(size))

    def _take(self, count: int, least: int = 0) -> bytes:
        data = self._source.take(count)
        self._seen += data
        if len(data) < min(count, least):
            raise UsageError(f"{self._source.name} is cut off: it ends inside its WAV header.")
        if len(self._seen) > _MAX_HEADER:
            raise UsageError(f"{self._source.name} is broken: no audio in the first {_MAX_HEADER} bytes of the WAV.")
        return data

    def _spec(self, chunk: WavFormat) -> AudioSpec | None:
        encoding = _ENCODINGS.get((chunk.tag, chunk.width))
        if encoding is None or not chunk.is_consistent:
            return None
        return checked_spec(AudioSpec(encoding, chunk.sample_rate, chunk.channels), self._source.name)

    def _declared(self, size: int | None) -> int | None:
        left = self._left()
        if size is not None and size >= _IMPLAUSIBLE and (left is None or size > left):
            return None
        return size

    def _left(self) -> int | None:
        return None if self._source.size is None else self._source.size - len(self._seen)

    def _wav(self, spec: AudioSpec, declared: int | None) -> Wav:
        left = self._left()
        known = declared if left is None else left if declared is None else min(left, declared)
        if known == 0:
            raise UsageError(f"{self._source.name} is empty: nothing follows its WAV header.")
        seconds = None if known is None else known // spec.frame_bytes / spec.sample_rate
        note = ""
        if declared is not None and left is not None and left < declared:
            note = f"{self._source.name} is cut off: {left} of the {declared} bytes of samples it declares are there."
        return Wav(AudioSpec(spec.encoding, spec.sample_rate, spec.channels, seconds, note), declared)
