"""Converts audio frames decoded by libav to float32 samples by channel."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from caesura.audio.collector import Collector
from caesura.audio.format import Samples, check_channels
from caesura.audio.pcm import bounded
from caesura.errors import BadAudio, UsageError

# By libav's sample format: numpy dtype, value of silence, and distance from there to full scale.
_TYPES = {
    "u8": ("u1", 128, 2**7),
    "s16": ("<i2", 0, 2**15),
    "s32": ("<i4", 0, 2**31),
    "flt": ("<f4", 0, 1),
    "dbl": ("<f8", 0, 1),
}
_MAX_PLANES = 8


def _raw(frame: av.AudioFrame, dtype: str) -> NDArray[Any]:
    # Not frame.to_ndarray(): PyAV takes planes up to the first null pointer, and behind eight planes libav's frame
    # has none, so it would follow a line size as if it were a pointer.
    channels = frame.layout.nb_channels
    if not frame.format.is_planar:
        flat: NDArray[Any] = np.frombuffer(memoryview(frame.planes[0]), dtype, frame.samples * channels)
        return flat.reshape(-1, channels).T
    if channels > _MAX_PLANES:
        raise UsageError(f"{channels} planes: a Packer must make them one")
    return np.stack([np.frombuffer(memoryview(plane), dtype, frame.samples) for plane in frame.planes[:channels]])


class Packer:
    """Packs frames of more planes than PyAV can expose; returns all others unchanged."""

    def __init__(self) -> None:
        self._shape: tuple[str, str, int] | None = None
        self._converter = av.AudioResampler()

    def pack(self, frame: av.AudioFrame) -> av.AudioFrame:
        """The same samples in a frame that `samples_of` can read. Raises BadAudio."""
        channels = frame.layout.nb_channels
        if not frame.format.is_planar or channels <= _MAX_PLANES:
            return frame
        check_channels(channels)
        shape = (frame.format.name, frame.layout.name, frame.sample_rate)
        if shape != self._shape:
            # Kept, because building it for each frame would cost more than the decoding.
            self._converter = av.AudioResampler(format=frame.format.packed.name)
            self._shape = shape
        [packed] = self._converter.resample(frame)
        return packed


def samples_of(frame: av.AudioFrame) -> Samples:
    """All samples of a decoded frame, shape (channels, n), in -1..1.

    Raises:
        BadAudio: samples of a type that is not supported.
        UsageError: more than eight planes; `Packer.pack` makes them one.
    """
    name = frame.format.packed.name
    if name not in _TYPES:
        raise BadAudio(f"decoded samples of type {name}: must be one of {', '.join(_TYPES)}")
    dtype, silence, full = _TYPES[name]
    raw = _raw(frame, dtype)
    if dtype.startswith("<f"):
        return np.ascontiguousarray(bounded(raw))
    return np.ascontiguousarray((raw.astype(np.float32) - np.float32(silence)) / np.float32(full))


def put_frame(into: Collector, frame: av.AudioFrame) -> Iterator[None]:
    """Put a decoded frame into a collector, in blocks of at most one second.

    Raises BadAudio for a bad rate or channel count.
    """
    into.declare(frame.sample_rate, frame.layout.nb_channels)
    samples = samples_of(frame)
    for at in range(0, samples.shape[1], frame.sample_rate):
        into.put(samples[:, at : at + frame.sample_rate], frame.sample_rate)
        yield
