"""Decodes recordings of any kind that libav knows to 16-bit samples, on the thread that reads them.

PyAV is an optional dependency: it is imported here only, and without it there is no decoder.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO

from caesura.client.audio_spec import AudioSpec, checked_spec
from caesura.client.input import Input
from caesura.errors import UsageError

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler, Packet
    from av.audio.stream import AudioStream
    from av.container import InputContainer

MIN_RATE, MAX_RATE = 8_000, 48_000
"""Sample rates outside are converted to the nearer one; speech has nothing above."""

_HEAD_BYTES = 12
_BROKEN_PACKETS = 64
_OPTIONS = {
    # A recording that is still growing should give its first samples early.
    "analyzeduration": "1000000",
    # A playlist must not have other files opened.
    "protocol_whitelist": "none",
}


def libav() -> ModuleType | None:
    """PyAV; None when it is not installed."""
    try:
        import av
    except ImportError:
        return None
    return av


class LibavDecoder:
    """Decodes the first audio stream of `source`, with the module that `libav` returned.

    Raises UsageError when there is none that can be decoded. `spec` is that of the samples: the recording's own rate,
    within 8 to 48 kHz, and its own channels; the length is libav's, for MP3 and AAC an estimate.
    """

    def __init__(self, av: ModuleType, source: Input) -> None:
        self._av = av
        self._name = source.name
        self._resampling: _Resampling | None = None
        self._broken_packets = 0
        self._unreadable = _unreadable(source)
        whole = source.whole
        self._file = _StreamFile(source) if whole is None else _SeekableFile(source, whole)
        self._container = self._open()
        try:
            self._blocks = self._decode(self._stream())
            self._first = next(self._blocks, b"")
            self.spec = self._spec(seekable=source.seekable)
        except BaseException:
            self.close()
            raise

    def read(self, least: int) -> bytes:
        """The next samples, at least `least` bytes before the end; b"" at the end. Raises UsageError."""
        blocks, self._first = [self._first], b""
        size = len(blocks[0])
        try:
            while size < least and (block := next(self._blocks, b"")):
                blocks.append(block)
                size += len(block)
        except UsageError as error:
            self._file.error = self._file.error or error
        failure = self._file.error
        # An error is raised after the last sample; Ctrl-C at once.
        if failure is not None and not (size and isinstance(failure, UsageError)):
            raise failure
        return b"".join(blocks)

    def close(self) -> None:
        """Free the decoder; the source stays open."""
        self._container.close()

    def _open(self) -> InputContainer:
        try:
            container: InputContainer = self._av.open(self._file, "r", options=_OPTIONS, **_metadata_options(self._av))
        except self._av.FFmpegError as error:
            raise self._file.error or UsageError(self._unreadable) from error
        return container

    def _stream(self) -> AudioStream:
        if not self._container.streams.audio:
            raise UsageError(f"{self._name} holds no sound.")
        stream = self._container.streams.audio[0]
        # The stubs do not say so, but there is no context where libav has no decoder.
        context: object = stream.codec_context
        if context is None:
            raise UsageError(f"{self._name} is in a codec that PyAV does not know.")
        stream.codec_context.thread_count = 1
        return stream

    def _spec(self, *, seekable: bool) -> AudioSpec:
        if self._resampling is None or not self._first:
            raise self._file.error or UsageError(f"{self._name} holds no sound that can be decoded.")
        # Of a stream, libav knows the length of the first part at most.
        length = self._container.duration if seekable else None
        seconds = None if length is None else length / int(self._av.time_base)
        return checked_spec(
            AudioSpec("linear16", self._resampling.rate, self._resampling.channels, seconds), self._name
        )

    def _decode(self, stream: AudioStream) -> Iterator[bytes]:
        for packet in self._packets(stream):
            for frame in self._frames(packet):
                if self._resampling is None:
                    self._resampling = _Resampling(self._av, frame)
                yield from self._resampling.put(frame)
        if self._resampling is not None:
            yield from self._resampling.flush()

    def _packets(self, stream: AudioStream) -> Iterator[Packet[AudioStream]]:
        try:
            yield from self._container.demux(stream)
        except self._av.FFmpegError as error:
            damaged = f"{self._name} is damaged: it cannot be read any further."
            raise UsageError(damaged if self._resampling else self._unreadable) from error

    def _frames(self, packet: Packet[AudioStream]) -> list[AudioFrame]:
        try:
            return packet.decode()
        except self._av.FFmpegError as error:
            self._broken_packets += 1
            if self._broken_packets >= _BROKEN_PACKETS and self._resampling is None:
                raise UsageError(f"{self._name} holds no sound that can be decoded.") from error
            return []


def _metadata_options(av: ModuleType) -> dict[str, str]:
    """Options against titles that are not in the encoding they declare: PyAV before 19 raises for them."""
    return {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}


def _unreadable(source: Input) -> str:
    """Error message for a source that libav cannot read."""
    head = source.take(_HEAD_BYTES)
    source.unread(head)
    if head[4:8] == b"ftyp" and not source.seekable:
        return f"{source.name} is an MP4 that can only be read from its end; save it as a file and name that."
    return (
        f"{source.name} is no recording that can be decoded: it begins with {head!r}. It must be WAV, FLAC, MP3, Ogg, "
        "WebM, MP4 or the like; raw samples need encoding and sample_rate."
    )


class _Resampling:
    """Converts frames to 16-bit interleaved samples with the rate and channels of the first frame."""

    def __init__(self, av: ModuleType, first: AudioFrame) -> None:
        self._av = av
        self.rate = min(max(first.sample_rate, MIN_RATE), MAX_RATE)
        self.channels = first.layout.nb_channels
        self._layout = first.layout
        self._kind: tuple[str, str, int] | None = None
        self._resampler: AudioResampler | None = None

    def put(self, frame: AudioFrame) -> Iterator[bytes]:
        """Samples that are ready. A stream may change its rate or channels on the way."""
        kind = frame.format.name, frame.layout.name, frame.sample_rate
        if self._resampler is None or kind != self._kind:
            yield from self.flush()
            self._kind = kind
            self._resampler = self._av.AudioResampler("s16", self._layout, self.rate)
        yield from self._resample(self._resampler, frame)

    def flush(self) -> Iterator[bytes]:
        """Samples held back by the resampler."""
        if self._resampler is not None:
            yield from self._resample(self._resampler, None)

    def _resample(self, resampler: AudioResampler, frame: AudioFrame | None) -> Iterator[bytes]:
        for done in resampler.resample(frame):
            if done.samples:
                # The plane is longer than its samples. Not to_ndarray(): it needs numpy.
                yield bytes(done.planes[0])[: done.samples * self.channels * 2]


class _StreamFile:
    """An input as a file that cannot seek, for libav. `read` never raises: `error` is why it ended early, if it did."""

    def __init__(self, source: Input) -> None:
        self._source = source
        self.error: BaseException | None = None

    def read(self, size: int) -> bytes:
        """Some bytes; b"" at the end."""
        # libav may take a failed read for the end and read once more, and PyAV swallows Ctrl-C.
        try:
            return b"" if self.error else self._read(size)
        except BaseException as error:  # noqa: BLE001 - it is raised by LibavDecoder.read
            self.error = error
            return b""

    def _read(self, size: int) -> bytes:
        return self._source.read(size)


class _SeekableFile(_StreamFile):
    """An input as a file in which libav may seek."""

    def __init__(self, source: Input, whole: BinaryIO) -> None:
        super().__init__(source)
        self.seek = whole.seek
        self.tell = whole.tell
        self._whole = whole

    def _read(self, size: int) -> bytes:
        try:
            return b"" if self._source.over else self._whole.read(size)
        except OSError as error:
            raise UsageError(f"{self._source.name} can no longer be read: {error.strerror or error}.") from error
