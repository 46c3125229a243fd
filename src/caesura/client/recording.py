"""A recording, wherever it is, in; the AudioSource that reads it, header and all, out."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from caesura.client.decode import Decoder, libav
from caesura.client.form import Form, checked
from caesura.client.places import Input, Place, open_place
from caesura.client.sources import AudioSource
from caesura.client.wav import read_wav
from caesura.containers.wav import is_wav
from caesura.distribution import install_command
from caesura.errors import UsageError

BLOCK_BYTES = 256 * 1024
"""How much is read at once where it is there at once."""
FRAME_S = 0.1

_HEAD_BYTES = 512


def recording(
    place: Place,
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

    Raises UsageError, some of it only when it is opened.
    """
    return AudioSource(
        RecordingFeed(place, raw_form(encoding, sample_rate, channels), countable=realtime),
        frame_s=frame_s,
        realtime=realtime,
    )


def raw_form(encoding: str | None, sample_rate: int | None, channels: int) -> Form | None:
    """What was declared about audio without a header; None when nothing was. Raises UsageError."""
    match encoding, sample_rate:
        case None, None:
            return None
        case str(), int():
            return checked(Form(encoding, sample_rate, channels), "The recording")
        case _:
            raise UsageError("Raw audio needs both encoding and sample_rate; a file with a header needs neither.")


class RecordingFeed:
    """Blocks of a recording. `countable`: do not open what cannot be counted in samples."""

    def __init__(self, place: Place, raw: Form | None = None, *, countable: bool = False) -> None:
        self._place = place
        self._raw = raw
        self._countable = countable
        self._input: Input | None = None
        self._decoder: Decoder | None = None
        self._read: Callable[[], bytes] = bytes
        self._left: int | None = None
        self._interrupted = False

    def open(self) -> Form:
        """Opens the place and reads as far as is needed to know what it holds. Raises UsageError."""
        self._input = source = open_place(self._place)
        if self._interrupted:
            source.interrupt()
        head = source.take(_HEAD_BYTES)
        source.give_back(head)
        if not head:
            raise UsageError(f"{source.name} is empty; it must be audio.")
        return self._declared(source, head, self._raw) if self._raw else self._recognise(source, head)

    def block(self) -> bytes:
        """Samples, or a part of the container; none at the end. Raises UsageError."""
        return self._read()

    def interrupt(self) -> None:
        """Ends the reading."""
        self._interrupted = True
        if self._input is not None:
            self._input.interrupt()

    def close(self) -> None:
        """Closes the decoder and what was opened."""
        if self._decoder is not None:
            self._decoder.close()
        if self._input is not None:
            self._input.close()

    def _declared(self, source: Input, head: bytes, raw: Form) -> Form:
        if is_wav(head):
            raise UsageError(
                f"{source.name} is a WAV and says itself what it holds: leave encoding and sample_rate away."
            )
        self._read = self._samples
        return raw if source.size is None else replace(raw, seconds=source.size / raw.bytes_per_s)

    def _recognise(self, source: Input, head: bytes) -> Form:
        wav = read_wav(source)
        if wav is not None:
            self._left = wav.data_bytes
            self._read = self._samples
            return wav.form
        if is_text(head):
            raise UsageError(f"{source.name} is text, not audio: it begins with {head[:40]!r}.")
        av = libav()
        return self._as_it_is(source) if av is None else self._decoded(av, source)

    def _decoded(self, av: ModuleType, source: Input) -> Form:
        decoder = self._decoder = Decoder(av, source)
        # What arrives bit by bit goes on as it does; a file in pieces that are worth a change of threads.
        least = BLOCK_BYTES if source.seekable else decoder.form.bytes_per_s // 10
        self._read = lambda: decoder.read(least)
        return decoder.form

    def _as_it_is(self, source: Input) -> Form:
        if self._countable:
            raise UsageError(
                f"{source.name} cannot be sent at the speed of speech without PyAV, because nobody knows how much "
                f"sound is in its bytes: {install_command('audio')}, or leave realtime away."
            )
        self._read = self._samples
        return Form(
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
    """Is this the beginning of a text, such as a web page where a recording was expected?"""
    try:
        # The last character may be cut off.
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char in "\t\n\r\f\ufeff" for char in text)
