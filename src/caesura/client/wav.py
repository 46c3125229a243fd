"""The beginning of a file in; whether it is a WAV whose samples can be sent as they are, and which, out."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from caesura.client.form import Form, checked
from caesura.client.places import Input
from caesura.errors import UsageError

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
# By tag and bytes a sample, the wire's name. Fewer bits than their bytes hold are left-justified.
_ENCODINGS = {(_PCM, 2): "linear16", (_FLOAT, 4): "linear32", (_ALAW, 1): "alaw", (_MULAW, 1): "mulaw"}
_RIFF = struct.Struct("<4sI4s")
_CHUNK = struct.Struct("<4sI")
_FMT = struct.Struct("<HHIIHH")
_MAX_FMT = 4096
_MAX_HEADER = 4 * 1024 * 1024
_UNKNOWN = 0xFFFFFFFF
# sox and arecord write something like this where they cannot know; few files are really as long.
_IMPLAUSIBLE = 0x7FFFF000


@dataclass(frozen=True, slots=True)
class Wav:
    """What a WAV holds, and how many bytes of samples follow; None: all that follow are samples."""

    form: Form
    data_bytes: int | None


def read_wav(source: Input) -> Wav | None:
    """Reads up to the first sample.

    None for what is no WAV, or one whose samples have no name on the wire; nothing has then been taken from `source`.
    Raises UsageError for a WAV that ends in its header, declares what cannot be, or holds no samples.
    """
    return _Header(source).read()


class _Header:
    def __init__(self, source: Input) -> None:
        self._source = source
        self._seen = bytearray()
        self._long_size = 0
        self._at = 0

    def read(self) -> Wav | None:
        riff = self._take(_RIFF.size)
        if riff[:4] not in (b"RIFF", b"RF64", b"BW64") or riff[8:] not in (b"WAVE", b""):
            self._source.give_back(bytes(self._seen))
            return None
        form = self._form(*self._find(b"fmt "))
        if form is None:
            self._source.give_back(bytes(self._seen))
            return None
        _, size = self._find(b"data")
        return self._wav(form, self._data_bytes(size))

    def _take(self, count: int, least: int = 0) -> bytes:
        data = self._source.take(count)
        self._at += len(data)
        self._seen += data
        if len(data) < least:
            raise UsageError(f"{self._source.name} is cut off: it ends inside its WAV header.")
        if self._at > _MAX_HEADER:
            raise UsageError(f"{self._source.name} is broken: no audio in the first {_MAX_HEADER} bytes of the WAV.")
        return data

    def _find(self, wanted: bytes) -> tuple[bytes, int]:
        """The body of the next chunk of that name (of data none) and its size; chunks before it are passed over."""
        while True:
            name, size = _CHUNK.unpack(self._take(_CHUNK.size, _CHUNK.size))
            if name == b"data":
                if wanted != name:
                    raise UsageError(
                        f"{self._source.name} is broken: its WAV header does not say what the samples are."
                    )
                return b"", size
            padded = min(size + size % 2, _MAX_HEADER)
            body = self._take(padded, padded)
            if name == b"ds64":
                self._long_size = int.from_bytes(body[8:16], "little")
            if name == wanted:
                return body[:size], size

    def _form(self, fmt: bytes, size: int) -> Form | None:
        if not _FMT.size <= size <= _MAX_FMT:
            raise UsageError(f"{self._source.name} is broken: a WAV fmt chunk of {size} bytes; {_FMT.size} are usual.")
        tag, channels, rate, _, align, bits = _FMT.unpack_from(fmt)
        if tag == _EXTENSIBLE and size >= 26:
            tag = int.from_bytes(fmt[24:26], "little")
        width = align // channels if align and channels else (bits + 7) // 8
        encoding = _ENCODINGS.get((tag, width))
        if encoding is None or align not in (0, width * channels):
            return None
        return checked(Form(encoding, rate, channels), self._source.name)

    def _data_bytes(self, size: int) -> int | None:
        if size == _UNKNOWN:
            size = self._long_size
        left = self._left()
        if size >= _IMPLAUSIBLE and (left is None or size > left):
            return None
        return size or None

    def _left(self) -> int | None:
        return None if self._source.size is None else self._source.size - self._at

    def _wav(self, form: Form, declared: int | None) -> Wav:
        left = self._left()
        known = declared if left is None else left if declared is None else min(left, declared)
        if known == 0:
            raise UsageError(f"{self._source.name} is empty: nothing follows its WAV header.")
        seconds = None if known is None else known // form.frame_bytes / form.sample_rate
        note = ""
        if declared is not None and left is not None and left < declared:
            note = f"{self._source.name} is cut off: {left} of the {declared} bytes of samples it declares are there."
        return Wav(Form(form.encoding, form.sample_rate, form.channels, seconds, note), declared)
