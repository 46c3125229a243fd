"""Collecting blocks as 16 kHz samples."""

from __future__ import annotations

import numpy as np
import pytest

from caesura.audio.collector import Collector
from caesura.errors import BadAudio
from tests.signals import sound


def test_16_khz_passes_untouched_and_at_once() -> None:
    collector, said = Collector(split=False), sound(16_000, 0.1)
    collector.put(said, 16_000)
    np.testing.assert_array_equal(collector.take(), said)
    assert collector.take().shape == (1, 0)


def test_mixing_down_is_the_mean() -> None:
    collector, said = Collector(split=False), sound(16_000, 0.1, 3)
    collector.put(said, 16_000)
    np.testing.assert_allclose(collector.take()[0], said.mean(axis=0), atol=1e-7)
    assert collector.channels == 1


def test_channels_apart_are_unknown_until_declared() -> None:
    collector = Collector(split=True)
    assert collector.channels is None
    assert collector.take().shape == (1, 0)
    collector.put(sound(16_000, 0.1, 2), 16_000)
    assert collector.channels == 2
    assert collector.take().shape == (2, 1600)


def test_seconds_stay_exact_over_a_change_of_rate() -> None:
    """A third of a second at two rates is counted in whole samples."""
    collector = Collector(split=False)
    for rate in (24_000, 48_000, 24_000):
        collector.put(sound(rate, 1 / 3), rate)
    collector.finish()
    assert collector.seconds == 1.0
    assert collector.take().shape == (1, 15_999)  # each stretch rounds by itself: 5333 three times


@pytest.mark.parametrize("channels", [1, 3])
def test_a_block_of_other_channels_is_given_to_all(channels: int) -> None:
    """One damaged frame must not end a stream."""
    collector, odd = Collector(split=True), sound(16_000, 0.1, channels)
    for block in (sound(16_000, 0.1, 2), odd, sound(16_000, 0.1, 2)):
        collector.put(block, 16_000)
    heard = collector.take()
    assert heard.shape == (2, 4800)
    np.testing.assert_allclose(heard[:, 1600:3200], [odd.mean(axis=0)] * 2, atol=1e-7)


def test_impossible_rates_and_channels_are_refused() -> None:
    with pytest.raises(BadAudio, match="sample rate 1000"):
        Collector(split=False).declare(1_000, 1)
    with pytest.raises(BadAudio, match="21 audio channels"):
        Collector(split=False).declare(16_000, 21)
