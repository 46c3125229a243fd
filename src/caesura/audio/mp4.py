"""An MP4 file or stream, cut anywhere, comes in; samples go out, all at once where its index comes last.

A recording whose index comes last goes through a file on disk instead, from which it is decoded piece by piece.
"""

from __future__ import annotations

import io

from caesura.audio.collector import Collector
from caesura.audio.demux import MP4, DemuxDecoder, decode_whole
from caesura.errors import BadAudio

_MEBIBYTE = 1024 * 1024
_SPOOL = 64 * _MEBIBYTE
_SHORT_HEADER, _HEADER = 8, 16
# libav makes a table of all samples that an index claims, 24 bytes for each, before it reads one. So the boxes
# that claim are kept until complete and their claims are checked: by box, where in it the claim stands and its limit.
_CLAIMS = {b"moov": (b"stsz", 12, 4 * _MEBIBYTE), b"moof": (b"trun", 8, 64 * 1024)}


class Mp4Decoder:
    """MP4, M4A and QuickTime.

    Fragmented files and those with the index (`moov`) in front stream. With the index behind the
    audio nothing can be decoded until it has come; up to 64 MiB are kept for that, then it is
    BadAudio. What follows a whole file is dropped: a second one would need a stream of its own.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._held = bytearray()
        self._ready = bytearray()
        self._passing = 0
        self._indexed = False
        self._audio_first = False
        self._inner = DemuxDecoder(into, MP4)

    def feed(self, data: bytes) -> None:
        """Decodes what can be decoded now. Raises BadAudio."""
        self._held += data
        while self._step():
            pass
        if not self._indexed and len(self._ready) + len(self._held) > _SPOOL:
            raise BadAudio(
                f"the index (moov) of the MP4 stream does not come in the first {_SPOOL // _MEBIBYTE} MiB: "
                "send it fragmented or with the index in front (faststart)"
            )
        if self._indexed and self._ready:
            ready, self._ready = bytes(self._ready), bytearray()
            self._inner.feed(ready)

    def finish(self) -> None:
        """Decodes the rest. Raises BadAudio when the index never came."""
        if not self._indexed:
            raise BadAudio("the MP4 stream ended before its index (moov) was complete")
        if not self._audio_first:
            self._inner.feed(bytes(self._held))
            self._inner.finish()
        self._held.clear()

    def close(self) -> None:
        """Ends the thread, if there is one."""
        self._inner.close()

    def _step(self) -> bool:
        # Moves one box, or what has come of it, from held to ready; False when more bytes are needed.
        if not self._passing:
            return self._enter_box()
        if not self._held:
            return False
        size = min(self._passing, len(self._held))
        if not (self._indexed and self._audio_first):
            self._ready += self._held[:size]
        del self._held[:size]
        self._passing -= size
        return True

    def _enter_box(self) -> bool:
        if len(self._held) < _HEADER:
            return False
        name, size = bytes(self._held[4:8]), self._box_size()
        if not self._indexed and not (name.isascii() and name.decode().isprintable()):
            raise BadAudio(f"MP4 box of type {name!r}: must be four letters")
        if name in _CLAIMS:
            if size > _SPOOL:
                raise BadAudio(f"MP4 box {name!r} of {size} bytes: must be {_SPOOL} at most")
            if len(self._held) < size:
                return False
            _check_claims(name, self._held, size)
        if name == b"moov" and not self._indexed:
            self._indexed = True
            if self._audio_first:
                self._ready += self._held
                decode_whole(self._into, MP4, io.BytesIO(bytes(self._ready)))
                self._ready.clear()
        self._audio_first = self._audio_first or (name == b"mdat" and not self._indexed)
        self._passing = size
        return True

    def _box_size(self) -> int:
        size = _box_size(self._held)
        if size is None:
            return 1 << 62
        if size < 8:
            raise BadAudio(f"MP4 box of {size} bytes: must be 8 at least")
        return size


class Mp4Order:
    """Watches a file pass, in pieces of any size, and tells whether its audio comes before its index.

    `audio_first` is None until that is known; then True for a file that cannot be decoded before it is complete.
    """

    def __init__(self) -> None:
        self._head = bytearray()
        self._passing = 0
        self.audio_first: bool | None = None

    def pass_by(self, data: bytes) -> None:
        """The next bytes of the file."""
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
        """Bytes of the header: a long size stands behind the name."""
        return _HEADER if self._head.startswith(b"\x00\x00\x00\x01") else _SHORT_HEADER

    def _enter_box(self) -> None:
        if len(self._head) < _SHORT_HEADER or len(self._head) < self._wanted:
            return
        name, size, header = bytes(self._head[4:8]), _box_size(self._head), len(self._head)
        self._head.clear()
        if name == b"mdat":
            self.audio_first = True
        elif name in _CLAIMS or size is None or size < header:
            # In the last case there is nothing to wait for, and the decoder says what is wrong.
            self.audio_first = False
        else:
            self._passing = size - header


def decode_file(into: Collector, file: io.BufferedIOBase) -> None:
    """Decodes a complete MP4 file, wherever in it the index is; `into` takes the samples as they come.

    Raises BadAudio when it is none, or claims what cannot be.
    """
    indexed = False
    at = 0
    while len(head := _read_at(file, at, _HEADER)) == _HEADER:
        name, size = head[4:8], _box_size(head)
        if size is None or (indexed and size < _SHORT_HEADER):
            break
        if size < _SHORT_HEADER:
            raise BadAudio(f"MP4 box of {size} bytes: must be {_SHORT_HEADER} at least")
        if name in _CLAIMS:
            _check_box(name, file, at, size)
            indexed = True
        at += size
    if not indexed:
        raise BadAudio("the MP4 file ended before its index (moov)")
    file.seek(0)
    decode_whole(into, MP4, file)


def _check_box(name: bytes, file: io.BufferedIOBase, at: int, size: int) -> None:
    if size > _SPOOL:
        raise BadAudio(f"MP4 box {name!r} of {size} bytes: must be {_SPOOL} at most")
    _check_claims(name, _read_at(file, at, size), size)


def _read_at(file: io.BufferedIOBase, at: int, size: int) -> bytes:
    file.seek(at)
    return file.read(size)


def _box_size(head: bytes | bytearray) -> int | None:
    """How long the box is, header and all; None: to the end of the stream."""
    size = int.from_bytes(head[:4])
    if size == 1:
        size = int.from_bytes(head[8:16])
    return size or None


def _check_claims(box: bytes, held: bytes | bytearray, size: int) -> None:
    name, offset, limit = _CLAIMS[box]
    at = held.find(name, 0, size)
    while at >= 0:
        count = int.from_bytes(held[at + offset : at + offset + 4])
        if count > limit:
            raise BadAudio(f"MP4 {name.decode()} of {count} samples: must be {limit} at most")
        at = held.find(name, at + len(name), size)
