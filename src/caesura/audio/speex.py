"""Speex decoder for bare packets, one in each message, or an Ogg stream cut anywhere."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np

from caesura.audio.avframe import put_frame
from caesura.audio.collector import Collector
from caesura.audio.container import open_ogg
from caesura.audio.decoder import Decoder
from caesura.audio.format import check_channels
from caesura.audio.libav import open_decoder
from caesura.containers.header import OGG_MAGIC
from caesura.errors import BadAudio

RATES = (8_000, 16_000, 32_000)
"""Hz: narrowband, wideband and ultra-wideband."""
MESSAGE_BYTES = 2048
"""Limit in bytes of a message of bare Speex: ten frames of the highest quality are shorter."""
_MOST_CHANNELS = 2
_PATIENCE = 64


def check_speex_rate(rate: int | None) -> int:
    """Return the sample rate if Speex has it. Raises BadAudio otherwise."""
    if rate not in RATES:
        raise BadAudio(f"sample rate {rate} Hz of Speex: must be one of {', '.join(map(str, RATES))}")
    return rate


class SpeexDecoder:
    """Decoder for Speex: an Ogg stream if it begins like one, otherwise a packet of one or more frames in each message.

    `rate` and `channels` are needed for bare packets only; Ogg has its own. A packet that cannot be decoded becomes
    silence as long as the packet before it.
    """

    def __init__(self, into: Collector, rate: int | None, channels: int) -> None:
        self._into = into
        self._rate, self._channels = rate, check_channels(channels, _MOST_CHANNELS)
        self._head = b""
        self._inner: Decoder | None = None
        self._closed = False

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes what can be decoded now. Raises BadAudio."""
        if self._inner is not None:
            yield from self._inner.feed(data)
            return
        # No packet can begin with the bytes of `OggS`: as a Speex mode they do not exist.
        self._head += data
        if self._head and (len(self._head) >= len(OGG_MAGIC) or not OGG_MAGIC.startswith(self._head)):
            opened, head, self._head = self._open(), self._head, b""
            yield from opened.feed(head)

    def finish(self) -> Iterator[None]:
        """Decode the rest. Raises BadAudio when nothing could be decoded."""
        if self._head:
            raise BadAudio("the Speex stream ended inside its first Ogg page")
        if self._inner is not None:
            yield from self._inner.finish()

    def close(self) -> None:
        """Stop decoding; also closes a decoder that is just being opened on another thread."""
        self._closed = True
        if self._inner is not None:
            self._inner.close()

    def _open(self) -> Decoder:
        if self._head.startswith(OGG_MAGIC):
            self._inner = open_ogg(self._into)
        else:
            self._inner = _SpeexPackets(self._into, check_speex_rate(self._rate), self._channels)
        if self._closed:
            self._inner.close()
        return self._inner


class _SpeexPackets:
    # A message is a packet.

    def __init__(self, into: Collector, rate: int, channels: int) -> None:
        self._into = into
        self._rate, self._channels = rate, channels
        self._codec = open_decoder(("speex",), rate, channels)
        self._usual = 0
        self._broken = 0

    def feed(self, packet: bytes) -> Iterator[None]:
        if len(packet) >= MESSAGE_BYTES:
            raise BadAudio(f"a message of {MESSAGE_BYTES} bytes or more: must be one Speex packet each, or Ogg")
        if packet:
            yield from self._decode(packet)

    def finish(self) -> Iterator[None]:
        if self._broken and not self._into.frames:
            raise BadAudio("no message was a Speex packet")
        yield from ()

    def close(self) -> None:
        pass

    def _decode(self, packet: bytes) -> Iterator[None]:
        try:
            for frame in self._codec.decode(av.Packet(packet)):
                self._usual = frame.samples
                yield from put_frame(self._into, frame)
        except av.FFmpegError as error:
            self._broken += 1
            self._into.put(np.zeros((self._channels, self._usual), np.float32), self._rate)
            if self._broken >= _PATIENCE and not self._into.frames:
                raise BadAudio(f"{self._broken} messages and not one Speex packet among them") from error
