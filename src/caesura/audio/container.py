"""Recognises what an undeclared stream is from its first bytes, and decodes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from caesura.audio.amr import NARROW, AmrDecoder
from caesura.audio.collector import Collector
from caesura.audio.decoder import Decoder
from caesura.audio.demux import ADTS, AIFF, ASF, AU, CAF, FLV, MATROSKA, MP3, MPEG_TS, OGG, W64, Container, DemuxDecoder
from caesura.audio.flac import FlacDecoder
from caesura.audio.mp4 import Mp4Decoder
from caesura.audio.wav import WavDecoder
from caesura.containers import flac, wav
from caesura.containers.header import EBML_MAGIC, ID3_MAGIC, OGG_MAGIC
from caesura.errors import BadAudio

_Opener = Callable[[Collector], Decoder]


def open_ogg(into: Collector) -> Decoder:
    """The decoder of an Ogg stream, whatever codec it holds."""
    return DemuxDecoder(into, OGG)


def _opener(container: Container) -> _Opener:
    return lambda into: DemuxDecoder(into, container)


_OPEN_MP3, _OPEN_ADTS, _OPEN_MPEG_TS = _opener(MP3), _opener(ADTS), _opener(MPEG_TS)


def _open_amr(into: Collector) -> Decoder:
    # The file's first line decides whether it is AMR-WB.
    return AmrDecoder(into, NARROW)


_MAGIC: tuple[tuple[int, bytes, _Opener], ...] = (
    *((0, magic, WavDecoder) for magic in wav.MAGICS),
    (0, flac.MAGIC, FlacDecoder),
    (0, OGG_MAGIC, open_ogg),
    (0, EBML_MAGIC, _opener(MATROSKA)),
    (0, b"#!AMR", _open_amr),
    (0, b"FORM", _opener(AIFF)),
    (0, b".snd", _opener(AU)),
    (0, b"caff", _opener(CAF)),
    (0, b"riff\x2e\x91\xcf\x11", _opener(W64)),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _opener(ASF)),
    (0, b"FLV\x01", _opener(FLV)),
    (4, b"ftyp", Mp4Decoder),
    (4, b"styp", Mp4Decoder),
    (4, b"moov", Mp4Decoder),
    (4, b"mdat", Mp4Decoder),
    (4, b"free", Mp4Decoder),
    (4, b"skip", Mp4Decoder),
    (4, b"wide", Mp4Decoder),
)
_MAGIC_BYTES = 8
_PROBE_BYTES = 4096
_ID3_BYTES = 10
# Every packet of a transport stream begins with the same sync byte.
_TS_SYNC, _TS_PACKET_BYTES = 0x47, 188
_TS_HEAD_BYTES = 3 * _TS_PACKET_BYTES + 1
_KNOWN = (
    "must be WAV, FLAC, Ogg, WebM, MP4, MP3, AAC, AMR, AIFF, AU, CAF, Wave64, WMA, AVI, FLV or MPEG-TS "
    "(raw audio needs encoding and sample_rate)"
)

# MPEG audio, kbit/s by (MPEG-1 or not, layer) and the header's index 1..14.
_BITRATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG1_RATES = (44_100, 48_000, 32_000)


def _mpeg_frame(head: bytes, at: int) -> tuple[int, _Opener] | None:
    # Length and decoder of the MPEG audio or ADTS frame whose header is at `at`, if there is one.
    if len(head) < at + 6 or head[at] != 0xFF or head[at + 1] & 0xE0 != 0xE0:
        return None
    if head[at + 1] & 0xF6 == 0xF0:
        length = int.from_bytes(head[at + 3 : at + 6]) >> 5 & 0x1FFF
        return (length, _OPEN_ADTS) if length > 7 and head[at + 2] >> 2 & 15 < 13 else None
    length = _mpeg_length(head[at + 1], head[at + 2])
    return (length, _OPEN_MP3) if length else None


def _mpeg_length(second: int, third: int) -> int:
    # 0 where version, layer, bit rate or sample rate is one that does not exist.
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate_code, bitrate_code = third >> 2 & 3, third >> 4
    if version == 1 or layer == 4 or rate_code == 3 or bitrate_code in (0, 15):
        return 0
    mpeg1 = version == 3
    rate = _MPEG1_RATES[rate_code] >> {3: 0, 2: 1, 0: 2}[version]
    bitrate = _BITRATES[mpeg1, layer][bitrate_code - 1] * 1000
    if layer == 1:
        return (12 * bitrate // rate + (third >> 1 & 1)) * 4
    return (144 if mpeg1 or layer == 2 else 72) * bitrate // rate + (third >> 1 & 1)


def _find_mpeg(head: bytes, *, final: bool) -> tuple[int, _Opener] | None:
    # A stream may begin inside a frame: two headers at the right distance identify MPEG audio.
    at = head.find(0xFF)
    while at >= 0:
        frame = _mpeg_frame(head, at)
        if frame is not None:
            following = _mpeg_frame(head, at + frame[0])
            if (following is not None and following[1] is frame[1]) or (final and at == 0):
                return at, frame[1]
        at = head.find(0xFF, at + 1)
    return None


def _is_transport(head: bytes) -> bool:
    return len(head) >= _TS_HEAD_BYTES and all(byte == _TS_SYNC for byte in head[:_TS_HEAD_BYTES:_TS_PACKET_BYTES])


class ContainerDecoder:
    """Decoder for a stream whose format is recognised from its first bytes.

    `feed` raises BadAudio when the first 4 KiB (after any ID3 tag) are of no known format.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._head = b""
        self._skip = 0
        self._inner: Decoder | None = None
        self._closed = False

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes what can be decoded now. Raises BadAudio."""
        if self._skip:
            dropped = min(self._skip, len(data))
            self._skip -= dropped
            data = data[dropped:]
        if self._inner is not None:
            yield from self._inner.feed(data)
        elif data:
            self._head += data
            yield from self._recognise(final=False)

    def finish(self) -> Iterator[None]:
        """Decodes the rest. Raises BadAudio when the stream was not recognised."""
        if self._inner is None and self._head:
            yield from self._recognise(final=True)
        if self._inner is not None:
            yield from self._inner.finish()
        elif self._skip or self._head:
            raise BadAudio("the stream ended inside its ID3 tag")

    def close(self) -> None:
        """Stop decoding; also closes a decoder that is just being opened on another thread."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()

    def _recognise(self, *, final: bool) -> Iterator[None]:
        if self._skip_id3():
            return
        opener = self._by_magic()
        if opener is None and self._head[0] == _TS_SYNC:
            if not final and len(self._head) < _TS_HEAD_BYTES:
                # Its packets contain headers of MPEG audio, by which the stream must not be recognised.
                return
            opener = _OPEN_MPEG_TS if _is_transport(self._head) else None
        if opener is None and (final or len(self._head) >= _MAGIC_BYTES):
            found = _find_mpeg(self._head[: 2 * _PROBE_BYTES], final=final)
            if found is not None:
                self._head, opener = self._head[found[0] :], found[1]
            elif final or len(self._head) >= _PROBE_BYTES:
                raise BadAudio(f"audio that begins with {self._head[:8]!r} is of no known kind: {_KNOWN}")
        if opener is not None:
            head, self._head = self._head, b""
            self._inner = opener(self._into)
            if self._closed:
                self._inner.close()
            yield from self._inner.feed(head)

    def _by_magic(self) -> _Opener | None:
        return next((opener for at, magic, opener in _MAGIC if self._head.startswith(magic, at)), None)

    def _skip_id3(self) -> bool:
        # True while an ID3 tag is (or may be) skipped; it may contain pictures of any size.
        if not self._head.startswith(ID3_MAGIC):
            return False
        if len(self._head) < _ID3_BYTES:
            return True
        size = 0
        for byte in self._head[6:_ID3_BYTES]:
            size = size << 7 | byte & 0x7F
        size += _ID3_BYTES * (2 if self._head[5] & 0x10 else 1)
        self._skip = max(0, size - len(self._head))
        self._head = self._head[size:]
        return not self._head
