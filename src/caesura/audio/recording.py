"""Decodes the bytes of a whole recording, cut anywhere, to 16 kHz samples block by block."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat, Samples
from caesura.audio.mp4 import Mp4OrderProbe, decode_file
from caesura.audio.stream import AudioStream
from caesura.containers.wav import is_wav
from caesura.errors import BadAudio

HEAD_BYTES: Final = 12
"""Number of first bytes of a file from which its format is recognised."""
SLICE_BYTES: Final = 64 * 1024
"""Number of bytes that the decoder is fed at a time."""
BLOCK_S: Final = 1.0
"""Longest block of samples passed on at once, because a few bytes may decode to minutes."""

# Bare packets have no boundaries in a file, so a file declared as one of these has a container.
_PACKETS = frozenset({"opus", "speex"})
_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"})


class RecordingDecoder:
    """Decodes one recording on one thread; `on_samples` gets its samples, shape (channels, n), in order.

    What a file's own header declares takes precedence over `format`. An MP4 file whose index comes last is written to
    the file that `spool` opens; the caller bounds the number of bytes, and closes the file.
    """

    def __init__(
        self,
        declared: AudioFormat,
        *,
        split: bool,
        on_samples: Callable[[Samples], None],
        spool: Callable[[], io.BufferedIOBase],
    ) -> None:
        self._declared = declared
        self._split = split
        self._on_samples = on_samples
        self._spool = spool
        self._collector = _PassingCollector(on_samples, split=split)
        self._head: bytearray | None = bytearray()
        self._stream: AudioStream | None = None
        self._order: Mp4OrderProbe | None = None
        self._file: io.BufferedIOBase | None = None

    @property
    def seconds(self) -> float:
        """Length of what was decoded: source samples over source rate."""
        return self._collector.seconds

    def feed(self, data: bytes) -> None:
        """Decode the next bytes. Raises BadAudio as soon as it is certain that they are not audio."""
        if self._head is not None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            data = self._begin(bytes(self._head))
        self._feed(data)

    def finish(self) -> None:
        """Decode the rest. Raises BadAudio when there was no audio."""
        if self._head is not None:
            self._feed(self._begin(bytes(self._head)))
        if self._order is not None and self._file is not None and self._order.audio_first:
            decode_file(self._collector, self._file)
            self._collector.end()
            return
        if self._order is not None and self._order.audio_first is None:
            self._start_streaming()
        if self._stream is None:
            raise BadAudio("no audio came")
        self._pass_on(self._stream.finish())

    def close(self) -> None:
        """Stop decoding; idempotent; may be called from any thread."""
        if self._stream is not None:
            self._stream.close()

    def _begin(self, head: bytes) -> bytes:
        """Choose the decoder, and return the bytes received so far."""
        self._head = None
        declared = self._declared
        if is_wav(head) or (declared.encoding is not None and declared.encoding.value in _PACKETS):
            declared = replace(declared, encoding=None)
        if declared.encoding is None and head[4:8] in _BOXES:
            self._order = Mp4OrderProbe()
            self._file = self._spool()
        elif head:
            self._stream = AudioStream(declared, split=self._split, into=self._collector)
        return head

    def _feed(self, data: bytes) -> None:
        if self._stream is not None:
            self._decode(data)
        elif self._order is not None and self._file is not None:
            self._file.write(data)
            self._order.feed(data)
            if self._order.audio_first is False:
                self._start_streaming()

    def _start_streaming(self) -> None:
        """The index comes first: decode the bytes received so far now, and the rest as they arrive."""
        assert self._file is not None
        self._stream = AudioStream(self._declared, split=self._split, into=self._collector)
        self._file.seek(0)
        while piece := self._file.read(SLICE_BYTES):
            self._decode(piece)
        self._file.truncate(0)

    def _decode(self, data: bytes) -> None:
        assert self._stream is not None
        for at in range(0, len(data), SLICE_BYTES):
            self._pass_on(self._stream.feed(data[at : at + SLICE_BYTES]))

    def _pass_on(self, samples: Samples) -> None:
        if samples.shape[1]:
            self._on_samples(samples)


class _PassingCollector(Collector):
    """Collector that passes samples on as they are decoded, so that a long file is never in memory as a whole."""

    def __init__(self, on_samples: Callable[[Samples], None], *, split: bool) -> None:
        super().__init__(split=split)
        self._on_samples = on_samples
        self._passed_s = 0.0

    def put(self, samples: Samples, rate: int) -> None:
        super().put(samples, rate)
        if self.seconds - self._passed_s >= BLOCK_S:
            self._pass_on()

    def end(self) -> None:
        """Flush the resampler and pass on the last samples."""
        self.finish()
        self._pass_on()

    def _pass_on(self) -> None:
        self._passed_s = self.seconds
        samples = self.take()
        if samples.shape[1]:
            self._on_samples(samples)
