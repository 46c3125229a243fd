"""Decoded frames of every sample type."""

from __future__ import annotations

import av
import numpy as np
import pytest

from caesura.audio.avframe import Packer, put_frame, samples_of
from caesura.audio.collector import Collector
from caesura.errors import BadAudio, UsageError
from tests.signals import Samples, run, sound

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
    made = planar(said, "7.1")
    collector = Collector(split=True)
    run(put_frame(collector, made))
    np.testing.assert_array_equal(collector.take(), said)


def planar(said: Samples, layout: str, rate: int = 16_000) -> av.AudioFrame:
    """Samples as a frame with a plane for each channel."""
    packed = av.AudioFrame.from_ndarray(said.T.reshape(1, -1).copy(), format="flt", layout=layout)
    packed.sample_rate = rate
    [made] = av.AudioResampler(format="fltp").resample(packed)
    assert made.format.is_planar
    return made


def test_more_planes_are_packed_first() -> None:
    """Frame after frame, also when their rate changes."""
    packer = Packer()
    for rate in (16_000, 16_000, 48_000):
        said = sound(rate, 0.02, 20)
        packed = packer.pack(planar(said, "20 channels", rate))
        assert packed.sample_rate == rate
        np.testing.assert_array_equal(samples_of(packed), said)


def test_eight_planes_are_not_packed() -> None:
    made = planar(sound(16_000, 0.02, 8), "7.1")
    assert Packer().pack(made) is made


def test_more_planes_unpacked_are_our_own_mistake() -> None:
    with pytest.raises(UsageError, match="16 planes: a Packer must make them one"):
        samples_of(av.AudioFrame(format="fltp", layout="hexadecagonal", samples=160))


def test_more_channels_than_can_be_are_refused() -> None:
    with pytest.raises(BadAudio, match="24 audio channels: must be 1 to 20"):
        Packer().pack(av.AudioFrame(format="fltp", layout="22.2", samples=160))


def test_a_rate_that_cannot_be_is_refused() -> None:
    made = frame("s16", True)
    made.sample_rate = 1_000
    with pytest.raises(BadAudio, match="sample rate 1000 Hz"):
        run(put_frame(Collector(split=False), made))
