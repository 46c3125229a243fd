"""Decoded frames of every sample type."""

from __future__ import annotations

import av
import numpy as np
import pytest

from caesura.audio.avframe import put_frame, samples_of
from caesura.audio.collector import Collector
from caesura.errors import BadAudio
from tests.signals import sound

SAID = sound(16_000, 0.02, 2)


def frame(sample_type: str, planar: bool) -> av.AudioFrame:
    """SAID as a frame of a sample type."""
    dtype, silence, full = {
        "u8": (np.uint8, 128, 2**7),
        "s16": (np.int16, 0, 2**15),
        "s32": (np.int32, 0, 2**31),
        "flt": (np.float32, 0, 1),
        "dbl": (np.float64, 0, 1),
    }[sample_type]
    values = (SAID.astype(np.float64) * full + silence).astype(dtype)
    array = values if planar else values.T.reshape(1, -1)
    made = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(array), format=sample_type + ("p" if planar else ""), layout="stereo"
    )
    made.sample_rate = 16_000
    return made


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("sample_type", ["u8", "s16", "s32", "flt", "dbl"])
def test_every_sample_type_becomes_the_same_sound(sample_type: str, planar: bool) -> None:
    heard = samples_of(frame(sample_type, planar))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, SAID, atol=1 / 100 if sample_type == "u8" else 1e-4)


def test_eight_planes_are_eight_channels() -> None:
    """libav's frame has no end mark behind eight planes; nothing may be read there."""
    said = sound(16_000, 0.02, 8)
    packed = av.AudioFrame.from_ndarray(said.T.reshape(1, -1).copy(), format="flt", layout="7.1")
    packed.sample_rate = 16_000
    [made] = av.AudioResampler(format="fltp").resample(packed)
    assert made.format.is_planar
    collector = Collector(split=True)
    put_frame(collector, made)
    np.testing.assert_array_equal(collector.take(), said)


def test_more_planes_are_refused() -> None:
    made = av.AudioFrame(format="fltp", layout="hexadecagonal", samples=160)
    made.sample_rate = 16_000
    with pytest.raises(BadAudio, match="16 channels of coded audio: must be 8 at most"):
        samples_of(made)


def test_a_rate_that_cannot_be_is_refused() -> None:
    made = frame("s16", True)
    made.sample_rate = 1_000
    with pytest.raises(BadAudio, match="sample rate 1000 Hz"):
        put_frame(Collector(split=False), made)
