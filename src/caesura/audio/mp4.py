"""MP4 decoder: decodes while bytes arrive if the index comes first, and buffers the audio if the index comes last.

A recording whose index comes last is written to a file on disk instead, and decoded from there piece by piece.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from caesura.audio.collector import Collector
from caesura.audio.demux import MP4, DemuxDecoder, decode_whole
from caesura.audio.mp4_boxes import LONG_HEADER, SHORT_HEADER, read_box
from caesura.audio.mp4_index import MAX_ENTRIES, TOP_LEVEL, prune_moof, prune_moov
from caesura.errors import BadAudio

_MEBIBYTE = 1024 * 1024
_SPOOL = 64 * _MEBIBYTE
_ENDLESS = 1 << 62
# Boxes for which libav allocates tables. They are kept until they are complete, and pruned before libav sees them.
_INDEXES = frozenset({b"moov", b"moof"})


class Mp4Decoder:
    """Decoder for the first audio track of MP4, M4A and QuickTime.

    Fragmented files, and those with the index (`moov`) in front, are decoded as they arrive. With the index after the
    audio nothing can be decoded before the index; up to 64 MiB are kept until then, more is BadAudio. Whatever follows
    a whole file is dropped: a second one would need a stream of its own.
    """

    def __init__(self, into: Collector) -> None:
        self._held = bytearray()
        self._ready = bytearray()
        self._passing = 0
        self._passed = 0
        self._claims = _Claims()
        self._audio_first = False
        self._inner = DemuxDecoder(into, MP4)

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes what can be decoded now. Raises BadAudio."""
        self._held += data
        while self._step():
            pass
        if not self._claims.indexed and len(self._ready) + len(self._held) > _SPOOL:
            raise BadAudio(
                f"the index (moov) of the MP4 stream does not come in the first {_SPOOL // _MEBIBYTE} MiB: "
                "send it fragmented or with the index in front (faststart)"
            )
        if self._claims.indexed and self._ready:
            ready, self._ready = bytes(self._ready), bytearray()
            yield from self._inner.decode_file(io.BytesIO(ready)) if self._audio_first else self._inner.feed(ready)

    def finish(self) -> Iterator[None]:
        """Decodes the rest. Raises BadAudio when the index never came."""
        if not self._claims.indexed:
            raise BadAudio("the MP4 stream ended before its index (moov) was complete")
        held, self._held = bytes(self._held), bytearray()
        if self._audio_first:
            return
        # A truncated index has not been pruned, and nothing comes after it.
        if held[4:8] not in _INDEXES:
            yield from self._inner.feed(held)
        yield from self._inner.finish()

    def close(self) -> None:
        """Ends the thread, if there is one."""
        self._inner.close()

    def _step(self) -> bool:
        # Moves one box, or the part of it that has arrived, from held to ready; False when more bytes are needed.
        if not self._passing:
            return self._enter_box()
        if not self._held:
            return False
        size = min(self._passing, len(self._held))
        if not (self._claims.indexed and self._audio_first):
            self._ready += self._held[:size]
        del self._held[:size]
        self._passing -= size
        self._passed += size
        return True

    def _enter_box(self) -> bool:
        box = read_box(self._held)
        if box is None:
            return False
        name, size = box.kind, box.size or _ENDLESS
        if not self._claims.indexed and not (name.isascii() and name.decode().isprintable()):
            raise BadAudio(f"MP4 box of type {name!r}: must be four letters")
        if name in _INDEXES:
            _check_size(name, size)
            if len(self._held) < size:
                return False
        first_index = not self._claims.indexed
        self._claims.prune(self._held, name, size, self._passed + size)
        if self._claims.indexed and first_index and self._audio_first:
            self._ready += self._held[:size]
        self._audio_first = self._audio_first or (name == b"mdat" and not self._claims.indexed)
        self._passing = size
        return True


class _Claims:
    """Index entries and other facts that the boxes of one file have claimed so far."""

    def __init__(self) -> None:
        self._entries = 0
        self.indexed = False
        """Whether a `moov` box has arrived."""

    def prune(self, head: bytearray, name: bytes, size: int, come: int) -> None:
        """Prepare the box at the front of `head` for libav; an index box must be complete.

        `come` is the number of bytes of the file that have arrived, or its length. Raises BadAudio.
        """
        room = MAX_ENTRIES + come - self._entries
        if name == b"moov" and not self.indexed:
            self._entries += prune_moov(head, size, room)
            self.indexed = True
        elif name == b"moof":
            self._entries += prune_moof(head, size, room)
        elif name not in TOP_LEVEL or name == b"moov":
            head[4:8] = b"skip"


class Mp4OrderProbe:
    """Finds out whether a file's audio comes before its index, from its bytes in pieces of any size.

    `audio_first` is None until that is known; then True for a file that cannot be decoded before it is complete.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._passing = 0
        self.audio_first: bool | None = None

    def feed(self, data: bytes) -> None:
        """Read the next bytes of the file."""
        at = 0
        while self.audio_first is None and at < len(data):
            size = min(self._passing or self._wanted - len(self._head), len(data) - at)
            if self._passing:
                self._passing -= size
            else:
                self._head += data[at : at + size]
                self._enter_box()
            at += size

    @property
    def _wanted(self) -> int:
        """Number of bytes of the header, as far as that is known."""
        return SHORT_HEADER if len(self._head) < SHORT_HEADER else LONG_HEADER

    def _enter_box(self) -> None:
        try:
            box = read_box(self._head)
        except BadAudio:
            # Decided, so that the decoder runs and reports what is wrong.
            self.audio_first = False
            return
        if box is None:
            return
        self._head.clear()
        if box.kind == b"mdat":
            self.audio_first = True
        elif box.kind in _INDEXES or box.size is None:
            self.audio_first = False
        else:
            self._passing = box.size - box.header


def decode_file(into: Collector, file: io.BufferedIOBase) -> None:
    """Decode a complete MP4 file, wherever its index is; the samples go to `into` as they are decoded.

    The file must be writable, because boxes that are not needed are renamed in place.

    Raises BadAudio when it is not an MP4 file, or when its index claims more than the file can contain.
    """
    length = file.seek(0, io.SEEK_END)
    claims = _Claims()
    at = 0
    while at < length:
        head = bytearray(_read_at(file, at, LONG_HEADER))
        try:
            box = read_box(head)
        except BadAudio:
            if claims.indexed:
                break
            raise
        if box is None:
            break
        name, size = box.kind, box.size
        if name in _INDEXES:
            _check_size(name, size or 0)
            size = min(length - at, size or length)
            _check_size(name, size)
            head = bytearray(_read_at(file, at, size))
        claims.prune(head, name, size or length, length)
        file.seek(at)
        file.write(head)
        at = length if size is None else at + size
    if not claims.indexed:
        raise BadAudio("the MP4 file ended before its index (moov)")
    file.truncate(min(at, length))
    file.seek(0)
    decode_whole(into, MP4, file)


def _read_at(file: io.BufferedIOBase, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _check_size(name: bytes, size: int) -> None:
    if size > _SPOOL:
        raise BadAudio(f"MP4 box {name!r} of {size} bytes: must be {_SPOOL} at most")
