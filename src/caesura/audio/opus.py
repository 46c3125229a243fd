"""Opus decoder for bare packets, one in each message."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.stream import Stream

from caesura.audio.avframe import put_frame
from caesura.audio.collector import Collector
from caesura.audio.format import check_channels
from caesura.audio.libav import open_decoder
from caesura.errors import BadAudio

_RATE = 48_000
_MOST_CHANNELS = 2
_PATIENCE = 64


class OpusDecoder:
    """Decoder for Opus without a container: a message is a packet, so packets must be neither split nor joined.

    A packet that cannot be decoded becomes silence as long as the packet before it. Without a header the encoder's
    pre-skip is unknown, so the 6.5 ms of its warm-up stay in the audio.
    """

    def __init__(self, into: Collector, channels: int) -> None:
        self._into = into
        self._codec = open_decoder(("opus",), _RATE, check_channels(channels, _MOST_CHANNELS))
        self._channels = channels
        self._usual = 0
        self._broken = 0

    def feed(self, packet: bytes) -> Iterator[None]:
        """Decode one packet. Raises BadAudio when none of the first 64 messages was a packet."""
        if not packet:
            return
        try:
            yield from self._put(av.Packet(packet))
        except av.FFmpegError as error:
            self._broken += 1
            self._into.put(np.zeros((self._channels, self._usual), np.float32), _RATE)
            yield
            if self._broken >= _PATIENCE and not self._into.frames:
                raise BadAudio(f"{self._broken} messages and not one Opus packet among them") from error

    def finish(self) -> Iterator[None]:
        """Flush the decoder. Raises BadAudio when there were packets and none could be decoded."""
        yield from self._put(None)
        if self._broken and not self._into.frames:
            raise BadAudio("no message was an Opus packet")

    def close(self) -> None:
        """Nothing to free."""

    def _put(self, packet: av.Packet[Stream] | None) -> Iterator[None]:
        for frame in self._codec.decode(packet):
            if packet is not None:
                self._usual = frame.samples
            yield from put_frame(self._into, frame)
