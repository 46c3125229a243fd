"""The bytes of a whole recording come in, cut anywhere; its 16 kHz samples go out block by block, never all at once."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat, Samples
from caesura.audio.mp4 import Mp4Order, decode_file
from caesura.audio.stream import AudioStream
from caesura.containers.wav import is_wav
from caesura.errors import BadAudio

HEAD_BYTES: Final = 12
"""So many bytes tell what has to be known before anything is decoded."""
SLICE_BYTES: Final = 64 * 1024
"""Bytes that go to the decoder at once."""
BLOCK_S: Final = 1.0
"""Samples are handed on when there are so many seconds of them, for a few bytes may decode to minutes."""

# Their packets have no borders in a file. What is sent under these names in one piece has a container.
_PACKETS = frozenset({"opus", "speex"})
_BOXES = frozenset({b"ftyp", b"styp", b"moov", b"mdat", b"free", b"skip", b"wide"})


class RecordingDecoder:
    """Decodes one recording on one thread; `hear` gets its samples, shape (channels, n), in the order of the audio.

    What a file says of itself goes before what was declared. An MP4 file whose index comes last goes to the file
    that `spool` opens; the caller bounds how many bytes there may be, and closes the file.
    """

    def __init__(
        self,
        declared: AudioFormat,
        *,
        split: bool,
        hear: Callable[[Samples], None],
        spool: Callable[[], io.BufferedIOBase],
    ) -> None:
        self._declared = declared
        self._split = split
        self._hear = hear
        self._spool = spool
        self._tap = _Tap(hear, split=split)
        self._head: bytearray | None = bytearray()
        self._stream: AudioStream | None = None
        self._order: Mp4Order | None = None
        self._file: io.BufferedIOBase | None = None

    @property
    def seconds(self) -> float:
        """Length of what was decoded: source samples over source rate."""
        return self._tap.seconds

    def feed(self, data: bytes) -> None:
        """The next bytes. Raises BadAudio as soon as it is certain that they are no audio."""
        if self._head is not None:
            self._head += data
            if len(self._head) < HEAD_BYTES:
                return
            data = self._begin(bytes(self._head))
        self._take(data)

    def finish(self) -> None:
        """There are no more bytes: decodes the rest. Raises BadAudio when nothing was audio."""
        if self._head is not None:
            self._take(self._begin(bytes(self._head)))
        if self._order is not None and self._file is not None and self._order.audio_first:
            decode_file(self._tap, self._file)
            self._tap.end()
            return
        if self._order is not None and self._order.audio_first is None:
            self._stream_on()
        if self._stream is None:
            raise BadAudio("no audio came")
        self._hand_on(self._stream.finish())

    def close(self) -> None:
        """Gives up; may be called from any thread, and again."""
        if self._stream is not None:
            self._stream.close()

    def _begin(self, head: bytes) -> bytes:
        """Settles how the bytes are decoded, and returns those that have come."""
        self._head = None
        declared = self._declared
        if is_wav(head) or (declared.encoding is not None and declared.encoding.value in _PACKETS):
            declared = replace(declared, encoding=None)
        if declared.encoding is None and head[4:8] in _BOXES:
            self._order = Mp4Order()
            self._file = self._spool()
        elif head:
            self._stream = AudioStream(declared, split=self._split, into=self._tap)
        return head

    def _take(self, data: bytes) -> None:
        if self._stream is not None:
            self._decode(data)
        elif self._order is not None and self._file is not None:
            self._file.write(data)
            self._order.pass_by(data)
            if self._order.audio_first is False:
                self._stream_on()

    def _stream_on(self) -> None:
        """The index comes first: what has come of the file is decoded now, and the rest as it comes."""
        assert self._file is not None
        self._stream = AudioStream(self._declared, split=self._split, into=self._tap)
        self._file.seek(0)
        while piece := self._file.read(SLICE_BYTES):
            self._decode(piece)
        self._file.truncate(0)

    def _decode(self, data: bytes) -> None:
        assert self._stream is not None
        for at in range(0, len(data), SLICE_BYTES):
            self._hand_on(self._stream.feed(data[at : at + SLICE_BYTES]))

    def _hand_on(self, samples: Samples) -> None:
        if samples.shape[1]:
            self._hear(samples)


class _Tap(Collector):
    """Hands samples on as they are decoded, so that a long file is never held."""

    def __init__(self, hear: Callable[[Samples], None], *, split: bool) -> None:
        super().__init__(split=split)
        self._hear = hear
        self._handed_s = 0.0

    def put(self, samples: Samples, rate: int) -> None:
        super().put(samples, rate)
        if self.seconds - self._handed_s >= BLOCK_S:
            self._hand_on()

    def end(self) -> None:
        """The tail of the resampler, too."""
        self.finish()
        self._hand_on()

    def _hand_on(self) -> None:
        self._handed_s = self.seconds
        samples = self.take()
        if samples.shape[1]:
            self._hear(samples)
