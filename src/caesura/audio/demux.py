"""Decodes containers with libav, which pulls its bytes, on a thread that runs only while it is fed."""

from __future__ import annotations

import enum
import io
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Literal, Protocol, cast

import av
from av.audio.stream import AudioStream as LibavStream
from av.container import InputContainer

from caesura.audio.avframe import Packer, put_frame
from caesura.audio.collector import Collector
from caesura.audio.format import check_channels
from caesura.errors import BadAudio


@dataclass(frozen=True, slots=True)
class Container:
    """One kind of container.

    `name` is for messages, `demuxer` is libav's. `max_silent_bytes` is how many bytes may be read without any decoded
    sample before the stream is refused: more for containers that may begin with pictures.
    """

    name: str
    demuxer: str
    max_silent_bytes: int


_MEBIBYTE = 1024 * 1024
OGG = Container("Ogg", "ogg", 16 * _MEBIBYTE)
MATROSKA = Container("WebM or Matroska", "matroska", 16 * _MEBIBYTE)
MP4 = Container("MP4", "mov", 16 * _MEBIBYTE)
MP3 = Container("MP3", "mp3", 256 * 1024)
ADTS = Container("AAC", "aac", 64 * 1024)
AIFF = Container("AIFF", "aiff", _MEBIBYTE)
AU = Container("AU", "au", 64 * 1024)
CAF = Container("CAF", "caf", _MEBIBYTE)
W64 = Container("Wave64", "w64", 64 * 1024)
ASF = Container("WMA (ASF)", "asf", 16 * _MEBIBYTE)
AVI = Container("AVI", "avi", 16 * _MEBIBYTE)
FLV = Container("FLV", "flv", 16 * _MEBIBYTE)
MPEG_TS = Container("MPEG transport", "mpegts", 16 * _MEBIBYTE)
CODED_WAV = Container("WAV", "wav", 64 * 1024)

# Titles are often not in the encoding that they declare, for which PyAV before version 19 raises.
_METADATA_OPTIONS: dict[str, Any] = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
# The demuxer is known, so libav needs to probe little. Every stream costs it a parser and a decoder, and a page of 60
# bytes is enough to announce one.
_OPTIONS = {"probesize": "32", "analyzeduration": "0", "max_streams": "64"}
_READ_BYTES = 4096
_BROKEN_PACKETS = 64
_BROKEN_READS = 16
# A step ends once it has produced this much audio, summed over all channels, or after this many packets.
_STEP_S = 1.0
_STEP_PACKETS = 64


class _Reader(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class _Cancelled(Exception):
    """The decoder was closed."""


@dataclass(frozen=True, slots=True)
class _Ended:
    # Last message of the thread: the error, if there was one.
    error: Exception | None


class _Signal(enum.Enum):
    ABANDON = enum.auto()
    """Feeder to demuxer: end at once."""
    CONTINUE = enum.auto()
    """Feeder to demuxer: run the next step."""
    PAUSED = enum.auto()
    """Demuxer to feeder: a step is over, and there are bytes left."""
    HUNGRY = enum.auto()
    """Demuxer to feeder: all bytes are used up."""


_Report = _Ended | Literal[_Signal.PAUSED, _Signal.HUNGRY]


class _Exchange:
    """Two queues between feeder and demuxer, of which exactly one runs at any time.

    The demuxer's `read` returns what was fed; when that is used up it reports so, and the feeder continues. Between two
    packets the demuxer may `pause` until the feeder lets it continue.
    """

    def __init__(self) -> None:
        self._fed: SimpleQueue[bytes | _Signal] = SimpleQueue()
        self._reports: SimpleQueue[_Report] = SimpleQueue()
        self._left = memoryview(b"")
        self._hungry = False
        self._over = False

    def feed(self, data: bytes) -> Generator[None, None, _Ended | None]:
        """Feeder: let the demuxer read `data` (empty at the end), step by step.

        The generator's return value tells how it ended.
        """
        self._fed.put(data)
        return (yield from self.steps())

    def steps(self) -> Generator[None, None, _Ended | None]:
        """Feeder: run steps until the demuxer has used up its bytes (returns None) or has ended."""
        while (answer := self._reports.get()) is _Signal.PAUSED:
            yield
            self._fed.put(_Signal.CONTINUE)
        return answer if isinstance(answer, _Ended) else None

    def pause(self) -> None:
        """Demuxer: a step is over."""
        self._reports.put(_Signal.PAUSED)
        if self._fed.get() is _Signal.ABANDON:
            raise _Cancelled

    def abandon(self) -> None:
        """Any thread: the next read ends the demuxer."""
        self._fed.put(_Signal.ABANDON)

    def read(self, size: int = _READ_BYTES, /) -> bytes:
        """Demuxer: some bytes; b"" at the end."""
        if not self._left and not self._over:
            if self._hungry:
                self._reports.put(_Signal.HUNGRY)
            self._hungry = True
            data = self._fed.get()
            if not isinstance(data, bytes):
                raise _Cancelled
            self._left, self._over = memoryview(data), not data
        piece = bytes(self._left[:size])
        self._left = self._left[size:]
        return piece

    def end(self, error: Exception | None) -> None:
        """Demuxer: report that it has ended and reads nothing more."""
        self._reports.put(_Ended(error))


class _LibavRun:
    """One run of libav over a reader, into a collector; `pause` is called after each step."""

    def __init__(
        self, into: Collector, container: Container, reader: _Reader, pause: Callable[[], None] = lambda: None
    ) -> None:
        self._into = into
        self._container = container
        self._reader = reader
        self._pause = pause
        self._packets_since = 0
        self._packer = Packer()
        self._read = 0
        self._stopped = False
        self._broken = 0

    def run(self) -> None:
        """Reads and decodes to the end. Raises BadAudio."""
        try:
            source = cast(InputContainer, self._open())
        except av.FFmpegError as error:
            raise BadAudio(f"the header of the {self._container.name} stream cannot be read") from error
        with source:
            stream = self._choose(source)
            for packet in self._packets(source, stream):
                self._decode(stream, packet)
                self._packets_since += 1
                self._step(packets=_STEP_PACKETS)
        if self._broken and not self._into.frames:
            raise BadAudio(f"nothing in the {self._container.name} stream can be decoded")

    def read(self, size: int = _READ_BYTES, /) -> bytes:
        """The file interface for libav; stops a stream without audio in its first `max_silent_bytes`."""
        if self._stopped:
            return b""
        # libav may treat a failed read as the end and read once more, which must then neither fail nor block.
        self._stopped = True
        if self._read > self._container.max_silent_bytes and not self._into.frames:
            raise BadAudio(f"no audio in the first {self._read} bytes of the {self._container.name} stream")
        data = self._reader.read(size)
        self._read += len(data)
        self._stopped = not data
        return data

    def _open(self) -> object:
        seekable = isinstance(self._reader, io.BufferedIOBase)
        source = self._reader if seekable else self
        return av.open(
            source,
            "r",
            format=self._container.demuxer,
            options=_OPTIONS,
            buffer_size=_READ_BYTES,
            **_METADATA_OPTIONS,
        )

    def _choose(self, source: InputContainer) -> LibavStream:
        if not source.streams.audio:
            raise BadAudio(f"the {self._container.name} stream holds no audio")
        stream = source.streams.audio[0]
        # The stubs do not say so, but there is no context where libav has no decoder.
        context: object = stream.codec_context
        if context is None:
            raise BadAudio(f"the codec in the {self._container.name} stream is unknown")
        check_channels(stream.codec_context.layout.nb_channels or 1)
        stream.codec_context.thread_count = 1
        return stream

    def _packets(self, source: InputContainer, stream: LibavStream) -> Iterator[av.Packet[LibavStream]]:
        # At damaged bytes libav's reading fails once, and can then go on after them.
        broken = 0
        while broken < _BROKEN_READS:
            try:
                for packet in source.demux(stream):
                    broken = 0
                    yield packet
                return
            except (av.FFmpegError, IndexError):
                # PyAV does not know a stream that appears in the middle, and fails on its packets.
                broken += 1
        raise BadAudio(f"the {self._container.name} stream is damaged beyond reading")

    def _decode(self, stream: LibavStream, packet: av.Packet[LibavStream]) -> None:
        try:
            for frame in stream.decode(packet):
                for _ in put_frame(self._into, self._packer.pack(frame)):
                    self._step()
        except (av.FFmpegError, IndexError, ValueError) as error:
            # The last two come from PyAV, for frames that contradict what their stream declares.
            self._broken += 1
            if self._broken >= _BROKEN_PACKETS and not self._into.frames:
                raise BadAudio(f"nothing in the {self._container.name} stream can be decoded") from error

    def _step(self, packets: int | None = None) -> None:
        if self._into.ready_s >= _STEP_S or (packets is not None and self._packets_since >= packets):
            self._packets_since = 0
            self._pause()


def decode_whole(into: Collector, container: Container, data: io.BufferedIOBase) -> None:
    """Decode a complete file on this thread, in memory or on disk, in which libav may seek. Raises BadAudio."""
    _LibavRun(into, container, data).run()


def _demux(exchange: _Exchange, reading: Callable[[], None]) -> None:
    error: Exception | None = None
    try:
        reading()
    except _Cancelled:
        pass
    except Exception as caught:  # noqa: BLE001 - raised again by the feeder, which would otherwise wait for ever
        error = caught
    exchange.end(error)


class DemuxDecoder:
    """Streaming decoder for a container, with one daemon thread while it is not finished.

    `feed` returns when libav asks for more bytes, so everything decodable has been decoded by then, and the same bytes
    give the same samples however they were cut.
    """

    def __init__(self, into: Collector, container: Container) -> None:
        self._into = into
        self._container = container
        self._exchange = _Exchange()
        self._started = False
        self._ended: _Ended | None = None
        self._finalizer = weakref.finalize(self, self._exchange.abandon)
        # A thread that waits for bytes must not keep the interpreter from exiting.
        self._finalizer.atexit = False

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes what can be decoded now. Raises BadAudio."""
        if data and self._ended is None:
            yield from self._feed(data)

    def decode_file(self, file: io.BufferedIOBase) -> Iterator[None]:
        """Decode a complete file in which libav may seek, instead of fed bytes. Raises BadAudio."""
        self._start(file)
        self._ended = yield from self._exchange.steps()
        if self._ended is not None and self._ended.error is not None:
            raise self._ended.error

    def finish(self) -> Iterator[None]:
        """Decode the rest. A truncated stream is decoded as far as it goes. Raises BadAudio."""
        if self._started and self._ended is None and self._finalizer.alive:
            yield from self._feed(b"")
        self.close()

    def close(self) -> None:
        """End the thread, at its next read."""
        self._finalizer()

    def _start(self, reader: _Reader) -> None:
        reading = _LibavRun(self._into, self._container, reader, self._exchange.pause)
        name = f"demux-{self._container.demuxer}"
        threading.Thread(target=_demux, args=(self._exchange, reading.run), name=name, daemon=True).start()
        self._started = True

    def _feed(self, data: bytes) -> Iterator[None]:
        if not self._started:
            self._start(self._exchange)
        self._ended = yield from self._exchange.feed(data)
        if self._ended is not None and self._ended.error is not None:
            self._fail(self._ended.error, cut_off=not data)

    def _fail(self, error: Exception, *, cut_off: bool) -> None:
        if cut_off and self._into.frames and isinstance(error, BadAudio):
            return
        raise error
