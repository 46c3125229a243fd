"""Uncompressed samples: values, and frames cut in two."""

from __future__ import annotations

from typing import cast

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.collector import Collector
from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.pcm import RAW, Pcm, PcmDecoder, bounded
from tests.encodings import alaw, mulaw
from tests.signals import cut, decoded, run, sound


def values(kind: Pcm, data: bytes) -> list[float]:
    return [float(value) for value in kind.value.decode(data)]


def test_integers_are_scaled_to_full_scale() -> None:
    assert values(Pcm.U8, bytes([0, 128, 192])) == [-1.0, 0.0, 0.5]
    assert values(Pcm.S16, np.array([-32768, 0, 16384], "<i2").tobytes()) == [-1.0, 0.0, 0.5]
    assert values(Pcm.S24, bytes([0, 0, 0x80, 0, 0, 0, 0, 0, 0x40])) == [-1.0, 0.0, 0.5]
    assert values(Pcm.S32, np.array([-(2**31), 0, 2**30], "<i4").tobytes()) == [-1.0, 0.0, 0.5]


def test_invalid_floats_are_made_safe() -> None:
    wild = np.array([np.nan, np.inf, -np.inf, 7.0, -0.25], "<f4")
    assert values(Pcm.F32, wild.tobytes()) == [0.0, 1.0, -1.0, 1.0, -0.25]
    assert bounded(wild.astype("<f8")).dtype == np.float32


@pytest.mark.parametrize(("kind", "codec"), [(Pcm.MULAW, "pcm_mulaw"), (Pcm.ALAW, "pcm_alaw")])
def test_companded_values_are_those_of_libav(kind: Pcm, codec: str) -> None:
    """All 256 codes decode to what an independent decoder makes of them."""
    codes = bytes(range(256))
    context = cast(AudioCodecContext, av.CodecContext.create(codec, "r"))
    context.layout, context.sample_rate = "mono", 8_000
    [frame] = context.decode(av.Packet(codes))
    np.testing.assert_array_equal(kind.value.decode(codes), frame.to_ndarray()[0] / np.float32(32768))


def test_companding_and_back_stays_near() -> None:
    """The shared encoders and the decoders are inverse to each other, as far as eight bits go."""
    said = sound(8_000, 0.5)
    np.testing.assert_allclose(Pcm.MULAW.value.decode(mulaw(said)), said[0], atol=0.02)
    np.testing.assert_allclose(Pcm.ALAW.value.decode(alaw(said)), said[0], atol=0.02)


@given(data=st.binary(max_size=400), channels=st.integers(1, 20), size=st.integers(1, 50))
@pytest.mark.parametrize("encoding", RAW)
def test_any_cutting_gives_the_same_samples(encoding: Encoding, data: bytes, channels: int, size: int) -> None:
    """Odd bytes and parts of a frame wait for the next message."""
    declared = AudioFormat(encoding, 16_000, channels)
    whole = decoded([data], declared)
    assert whole.shape == (channels, len(data) // (RAW[encoding].value.width * channels))
    np.testing.assert_array_equal(decoded(cut(data, size), declared), whole)


def test_channels_are_separated() -> None:
    collector = Collector(split=True)
    run(PcmDecoder(collector, Pcm.S16, 16_000, 2).feed(np.array([1, -1, 2, -2], "<i2").tobytes()))
    np.testing.assert_array_equal(collector.take() * 32768, [[1, 2], [-1, -2]])
