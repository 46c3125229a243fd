"""Decodes uncompressed and companded samples, cut anywhere, to float32 by channel."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from caesura.audio.collector import Collector
from caesura.audio.format import Encoding, Samples

_Flat = NDArray[np.float32]


def bounded(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Samples clipped to -1..1, with NaN replaced by 0: a single NaN would spoil a filter for good."""
    safe: _Flat = np.clip(samples, -1.0, 1.0).astype(np.float32, copy=False)
    # Checking the sum for NaN is several times cheaper than replacing NaN, which is rare.
    with np.errstate(invalid="ignore"):
        poisoned = np.isnan(safe.sum())
    return np.nan_to_num(safe, nan=0.0) if poisoned else safe


def _mulaw_table() -> _Flat:
    code = ~np.arange(256, dtype=np.uint8)
    magnitude = (((code & 0x0F).astype(np.int32) << 3) + 0x84) << ((code >> 4) & 7).astype(np.int32)
    return (np.where(code & 0x80, 0x84 - magnitude, magnitude - 0x84) / 32768).astype(np.float32)


def _alaw_table() -> _Flat:
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = ((code >> 4) & 7).astype(np.int32)
    mantissa = ((code & 0x0F).astype(np.int32) << 4) + 8
    magnitude = np.where(exponent > 0, (mantissa + 0x100) << np.maximum(exponent - 1, 0), mantissa)
    return (np.where(code & 0x80, magnitude, -magnitude) / 32768).astype(np.float32)


_MULAW, _ALAW = _mulaw_table(), _alaw_table()
_S16, _S32 = np.float32(1 / 2**15), np.float32(1 / 2**31)


def _s16(data: bytes) -> _Flat:
    samples: _Flat = np.multiply(np.frombuffer(data, "<i2"), _S16, dtype=np.float32)
    return samples


def _s24(data: bytes) -> _Flat:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    return wide.view("<i4")[:, 0].astype(np.float32) * float(_S32)


@dataclass(frozen=True, slots=True)
class SampleType:
    """How one sample is coded: in `width` bytes, which `decode` converts to float32 in -1..1 (whole samples only)."""

    width: int
    decode: Callable[[bytes], _Flat]


class Pcm(enum.Enum):
    """Every uncompressed or companded sample type."""

    U8 = SampleType(1, lambda data: (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / np.float32(128))
    S16 = SampleType(2, _s16)
    S24 = SampleType(3, _s24)
    S32 = SampleType(4, lambda data: np.frombuffer(data, "<i4").astype(np.float32) * _S32)
    F32 = SampleType(4, lambda data: bounded(np.frombuffer(data, "<f4")))
    F64 = SampleType(8, lambda data: bounded(np.frombuffer(data, "<f8")))
    MULAW = SampleType(1, lambda data: _MULAW[np.frombuffer(data, np.uint8)])
    ALAW = SampleType(1, lambda data: _ALAW[np.frombuffer(data, np.uint8)])


RAW = {
    Encoding.LINEAR16: Pcm.S16,
    Encoding.LINEAR32: Pcm.F32,
    Encoding.MULAW: Pcm.MULAW,
    Encoding.ALAW: Pcm.ALAW,
}
"""The declared encodings that are plain samples."""


class PcmDecoder:
    """Decoder for interleaved samples cut anywhere: an incomplete frame is kept until the next message."""

    def __init__(self, into: Collector, kind: Pcm, rate: int, channels: int) -> None:
        self._into = into
        self._decode = kind.value.decode
        self._frame = kind.value.width * channels
        self._rate, self._channels = rate, channels
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[None]:
        """Decodes every frame that is complete."""
        if self._rest:
            data = self._rest + data
        whole = len(data) - len(data) % self._frame
        if whole != len(data):
            self._rest = data[whole:]
            data = data[:whole]
        elif self._rest:
            self._rest = b""
        step = self._frame * max(1, self._rate // self._channels)
        for at in range(0, len(data), step):
            flat = self._decode(data[at : at + step])
            self._into.put(self._by_channel(flat), self._rate)
            yield

    def finish(self) -> Iterator[None]:
        """Drops a frame that was never completed."""
        self._rest = b""
        yield from ()

    def close(self) -> None:
        """Nothing to free."""

    def _by_channel(self, flat: _Flat) -> Samples:
        if self._channels == 1:
            return flat.reshape(1, -1)
        return np.ascontiguousarray(flat.reshape(-1, self._channels).T)
