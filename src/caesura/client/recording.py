"""Recordings as sources of audio: a file, pipe or address, with or without a header."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from caesura.client.audio_spec import AudioSpec, checked_spec
from caesura.client.decode import LibavDecoder, libav
from caesura.client.input import Input, Source, open_input
from caesura.client.sources import AudioSource
from caesura.client.wav import read_wav
from caesura.containers.wav import is_wav
from caesura.distribution import install_command
from caesura.errors import UsageError

BLOCK_BYTES = 256 * 1024
"""Bytes read at once from a file."""
FRAME_S = 0.1

_HEAD_BYTES = 512


def recording(
    place: Source,
    *,
    encoding: str | None = None,
    sample_rate: int | None = None,
    channels: int = 1,
    realtime: bool = False,
    frame_s: float = FRAME_S,
) -> AudioSource:
    """A recording as a source of audio; nothing is opened before `with` or `async with`.

    `place` is a path, "-" for standard input, an http(s) address, or a file opened for bytes, which stays its opener's
    to close. WAV needs nothing else; other kinds are decoded with PyAV (the `audio` extra), or sent as they are where
    it is not installed. Audio without a header needs `encoding` (linear16, linear32, mulaw or alaw), `sample_rate`
    and `channels`. `realtime` and `frame_s` as AudioSource says.

    Raises UsageError, in part only when it is opened.
    """
    return AudioSource(
        RecordingFeed(place, declared_spec(encoding, sample_rate, channels), countable=realtime),
        frame_s=frame_s,
        realtime=realtime,
    )


def declared_spec(encoding: str | None, sample_rate: int | None, channels: int) -> AudioSpec | None:
    """Declared specification of audio without a header; None when nothing was declared. Raises UsageError."""
    match encoding, sample_rate:
        case None, None:
            return None
        case str(), int():
            return checked_spec(AudioSpec(encoding, sample_rate, channels), "The recording")
        case _:
            raise UsageError("Raw audio needs both encoding and sample_rate; a file with a header needs neither.")


class RecordingFeed:
    """Reads a recording in blocks. `countable`: refuse to open audio whose samples cannot be counted."""

    def __init__(self, source: Source, raw: AudioSpec | None = None, *, countable: bool = False) -> None:
        self._source = source
        self._raw = raw
        self._countable = countable
        self._input: Input | None = None
        self._decoder: LibavDecoder | None = None
        self._read: Callable[[], bytes] = bytes
        self._left: int | None = None
        self._interrupted = False

    def open(self) -> AudioSpec:
        """Open the input and read far enough to know what it holds. Raises UsageError."""
        self._input = source = open_input(self._source)
        if self._interrupted:
            source.interrupt()
        head = source.take(_HEAD_BYTES)
        source.unread(head)
        if not head:
            raise UsageError(f"{source.name} is empty; it must be audio.")
        return self._declared(source, head, self._raw) if self._raw else self._recognise(source, head)

    def block(self) -> bytes:
        """The next samples, or part of the container; b"" at the end. Raises UsageError."""
        return self._read()

    def interrupt(self) -> None:
        """End the reading."""
        self._interrupted = True
        if self._input is not None:
            self._input.interrupt()

    def close(self) -> None:
        """Close the decoder and the input."""
        if self._decoder is not None:
            self._decoder.close()
        if self._input is not None:
            self._input.close()

    def _declared(self, source: Input, head: bytes, raw: AudioSpec) -> AudioSpec:
        if is_wav(head):
            raise UsageError(
                f"{source.name} is a WAV and declares its format itself: leave encoding and sample_rate out."
            )
        self._read = self._samples
        return raw if source.size is None else replace(raw, seconds=source.size / raw.bytes_per_s)

    def _recognise(self, source: Input, head: bytes) -> AudioSpec:
        wav = read_wav(source)
        if wav is not None:
            self._left = wav.data_bytes
            self._read = self._samples
            return wav.spec
        if is_text(head):
            raise UsageError(f"{source.name} is text, not audio: it begins with {head[:40]!r}.")
        av = libav()
        return self._passed_through(source) if av is None else self._decoded(av, source)

    def _decoded(self, av: ModuleType, source: Input) -> AudioSpec:
        decoder = self._decoder = LibavDecoder(av, source)
        # A stream is passed on as it arrives; a file in blocks that are worth a change of threads.
        least = BLOCK_BYTES if source.seekable else decoder.spec.bytes_per_s // 10
        self._read = lambda: decoder.read(least)
        return decoder.spec

    def _passed_through(self, source: Input) -> AudioSpec:
        if self._countable:
            raise UsageError(
                f"{source.name} cannot be sent in real time without PyAV, because nobody knows how much "
                f"sound is in its bytes: {install_command('audio')}, or leave realtime away."
            )
        self._read = self._samples
        return AudioSpec(
            None,
            note=f"{source.name} is sent as it is, because PyAV is not installed: what a lost connection swallows "
            "cannot be sent again from the right sample, and words have no place in the file. "
            f"{install_command('audio')} mends both.",
        )

    def _samples(self) -> bytes:
        assert self._input is not None
        data = self._input.read(BLOCK_BYTES if self._left is None else min(BLOCK_BYTES, self._left))
        self._left = None if self._left is None else self._left - len(data)
        return data


def is_text(head: bytes) -> bool:
    """Is this the beginning of a text, such as a web page in place of a recording?"""
    try:
        # The last character may be cut off.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\n\r\f\ufeff" for char in text)
