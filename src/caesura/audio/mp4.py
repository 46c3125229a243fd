"""An MP4 file or stream, cut anywhere, comes in; samples go out, all at once where its index comes last."""

from __future__ import annotations

import io

from caesura.audio.collector import Collector
from caesura.audio.demux import MP4, DemuxDecoder, decode_whole
from caesura.errors import BadAudio

_MEBIBYTE = 1024 * 1024
_SPOOL = 64 * _MEBIBYTE
_HEADER = 16
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
            self._check_claims(name, size)
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
        size = int.from_bytes(self._held[:4])
        if size == 0:
            return 1 << 62  # to the end of the stream
        if size == 1:
            size = int.from_bytes(self._held[8:16])
        if size < 8:
            raise BadAudio(f"MP4 box of {size} bytes: must be 8 at least")
        return size

    def _check_claims(self, box: bytes, size: int) -> None:
        name, offset, limit = _CLAIMS[box]
        at = self._held.find(name, 0, size)
        while at >= 0:
            count = int.from_bytes(self._held[at + offset : at + offset + 4])
            if count > limit:
                raise BadAudio(f"MP4 {name.decode()} of {count} samples: must be {limit} at most")
            at = self._held.find(name, at + len(name), size)
