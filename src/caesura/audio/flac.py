"""FLAC decoder that decodes each frame as soon as the next one begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import av
from av.audio.codeccontext import AudioCodecContext

from caesura.audio.avframe import put_frame
from caesura.audio.collector import Collector
from caesura.audio.format import check_channels, check_rate
from caesura.containers.flac import FlacReader, StreamInfo
from caesura.errors import BadAudio

_MAX_HEADER = 16
_PATIENCE = 64 * 1024


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = _CRC8[crc ^ byte]
    return crc


def _crc8_entry(value: int) -> int:
    for _ in range(8):
        value = value << 1 ^ (0x107 if value & 0x80 else 0)
    return value


_CRC8 = [_crc8_entry(value) for value in range(256)]


@dataclass(frozen=True, slots=True)
class _FrameHeader:
    # `following` is the number that the next frame must have: it counts either frames or samples.
    number: int
    following: int
    blocksize: int
    size: int


def _coded_number(data: bytes, at: int) -> tuple[int, int] | None:
    # The frame's number is coded like UTF-8, in up to seven bytes. Returns it and the position after it.
    first = data[at]
    more = 0 if first < 0x80 else 8 - (first ^ 0xFF).bit_length() - 1
    if first >= 0x80 and not 1 <= more <= 6:
        return None
    number = first if more == 0 else first & (0x3F >> more)
    for byte in data[at + 1 : at + 1 + more]:
        if byte & 0xC0 != 0x80:
            return None
        number = number << 6 | byte & 0x3F
    return number, at + 1 + more


def _blocksize(code: int, data: bytes, at: int) -> tuple[int, int]:
    # Returns it and the position after the bytes that code it.
    match code:
        case 6:
            return data[at] + 1, at + 1
        case 7:
            return int.from_bytes(data[at : at + 2]) + 1, at + 2
        case 1:
            return 192, at
        case _:
            return (576 << code - 2 if code < 8 else 256 << code - 8), at


def _header(data: bytes) -> _FrameHeader | None:
    """The frame header at the front of 16 bytes, if there is one (RFC 9639, section 9.1)."""
    size_code, rate_code = data[2] >> 4, data[2] & 15
    channel_code, depth_code = data[3] >> 4, data[3] >> 1 & 7
    if data[0] != 0xFF or data[1] & 0xFE != 0xF8 or data[3] & 1:
        return None
    if size_code == 0 or rate_code == 15 or channel_code > 10 or depth_code == 3:
        return None
    coded = _coded_number(data, 4)
    if coded is None:
        return None
    number, at = coded
    blocksize, at = _blocksize(size_code, data, at)
    at += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if _crc8(data[:at]) != data[at]:
        return None
    return _FrameHeader(number, number + (blocksize if data[1] & 1 else 1), blocksize, at + 1)


class FlacDecoder:
    """Decoder for native FLAC: cuts the stream into frames, which libav decodes.

    libav's own parser waits for ten frames before it returns the first, which is seconds of live speech. A frame ends
    where a header with the right checksum carries the next number; a frame whose checksum is wrong is skipped.
    """

    def __init__(self, into: Collector) -> None:
        self._into = into
        self._buffer = bytearray()
        self._metadata = FlacReader()
        self._codec: AudioCodecContext | None = None
        self._frame: _FrameHeader | None = None
        self._scanned = 0
        self._max_frame = _PATIENCE
        self._lost = 0

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes every frame that is complete. Raises BadAudio."""
        if not self._metadata.is_done:
            data = self._metadata.feed(data)
            if self._codec is None and self._metadata.info is not None:
                self._open(self._metadata.info)
        self._buffer += data
        if self._metadata.is_done:
            yield from self._frames()

    def finish(self) -> Iterator[None]:
        """Decodes the last frame. Raises BadAudio when the bytes held no audio that can be decoded."""
        if not self._metadata.is_done:
            raise BadAudio("the FLAC stream ended before its header was complete")
        # The last frame may be shorter than the longest possible header.
        self._buffer += bytes(_MAX_HEADER)
        yield from self._frames()
        rest = bytes(self._buffer[:-_MAX_HEADER])
        self._buffer.clear()
        if self._frame is not None:
            yield from self._decode(rest)
        self._lost += 0 if self._frame else len(rest)
        if self._lost and not self._into.frames:
            raise BadAudio("the FLAC stream holds no frame that can be decoded")

    def close(self) -> None:
        """Nothing to free."""

    def _open(self, info: StreamInfo) -> None:
        self._into.declare(check_rate(info.sample_rate), check_channels(info.channels))
        # No frame is longer than its samples uncompressed, plus headers.
        self._max_frame = info.max_block * info.channels * ((info.bits + 8) // 8) + 1024
        self._codec = AudioCodecContext.create("flac", "r")
        self._codec.extradata = info.body
        self._codec.thread_count = 1
        self._codec.options = {"err_detect": "crccheck+explode"}

    def _frames(self) -> Iterator[None]:
        while True:
            if self._frame is None:
                if not self._synchronise():
                    return
            else:
                frame = self._next_frame()
                if frame is None:
                    return
                yield from self._decode(frame)
            yield

    def _next_frame(self) -> bytes | None:
        # Removes and returns the frame at the front; None when more bytes are needed, or when there is no frame there.
        assert self._frame is not None
        end = self._find(self._frame.following)
        if end is None:
            if len(self._buffer) <= self._max_frame:
                return None
            # The next header was damaged: accept any later one, whatever its frame's number.
            self._scanned = self._frame.size
            end = self._find(None)
            if end is None:
                self._lose(max(0, len(self._buffer) - _MAX_HEADER))
                return None
        frame = bytes(self._buffer[:end])
        self._start(end)
        return frame

    def _synchronise(self) -> bool:
        at = self._find(None)
        if at is None:
            self._lose(max(0, len(self._buffer) - _MAX_HEADER))
            return False
        self._lose(at)
        self._start(0)
        return True

    def _start(self, at: int) -> None:
        del self._buffer[:at]
        self._frame = _header(bytes(self._buffer[:_MAX_HEADER]))
        self._scanned = self._frame.size if self._frame else 0

    def _lose(self, size: int) -> None:
        del self._buffer[:size]
        self._frame, self._scanned = None, 0
        self._lost += size
        if self._lost > _PATIENCE and not self._into.frames:
            raise BadAudio(f"no FLAC frame in {self._lost} bytes")

    def _find(self, number: int | None) -> int | None:
        # Position of the next header, with that number if one is given; later searches go on where this one stopped.
        end = len(self._buffer) - _MAX_HEADER + 1
        while True:
            at = self._buffer.find(0xFF, self._scanned, max(0, end))
            if at < 0:
                self._scanned = max(self._scanned, end)
                return None
            found = _header(bytes(self._buffer[at : at + _MAX_HEADER]))
            if found is not None and number in (None, found.number):
                return at
            self._scanned = at + 1

    def _decode(self, frame: bytes) -> Iterator[None]:
        assert self._codec is not None
        try:
            for decoded in self._codec.decode(av.Packet(frame)):
                yield from put_frame(self._into, decoded)
        except av.FFmpegError:
            self._lost += len(frame)
