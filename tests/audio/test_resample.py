"""From any rate to 16 kHz, aligned and counted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.audio.format import Samples
from caesura.audio.resample import Resampler
from tests.signals import sound

RATES = [4_000, 8_000, 11_025, 12_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000]


@pytest.mark.parametrize("rate", RATES)
def test_the_output_is_aligned_with_the_input(rate: int) -> None:
    """The same sound made at 16 kHz differs by less than a sample's shift would make."""
    resampler = Resampler(rate, 2)
    heard = np.concatenate([resampler.feed(sound(rate, 1, 2)), resampler.finish()], axis=1)
    said = sound(16_000, 1, 2)
    shifted = np.abs(said[:, 1001:-999] - said[:, 1000:-1000]).max()
    assert np.abs(heard - said)[:, 1000:-1000].max() < shifted / (1 if rate < 16_000 else 100)


@given(rate=st.sampled_from(RATES), n=st.integers(0, 3_000), sizes=st.lists(st.integers(1, 700), min_size=1))
def test_count_and_samples_do_not_depend_on_the_cutting(rate: int, n: int, sizes: list[int]) -> None:
    """Exactly round(n * 16000 / rate) samples, the same ones, however the input was cut."""
    said = sound(rate, n / rate)
    whole, pieces = Resampler(rate, 1), Resampler(rate, 1)
    expected = np.concatenate([whole.feed(said), whole.finish()], axis=1)
    got: list[Samples] = []
    at = 0
    while at < n:
        size = sizes[len(got) % len(sizes)]
        got.append(pieces.feed(said[:, at : at + size]))
        at += size
    got.append(pieces.finish())
    assert expected.shape == (1, round(n * 16_000 / rate))
    np.testing.assert_array_equal(np.concatenate(got, axis=1), expected)


@pytest.mark.parametrize("rate", RATES)
def test_speech_waits_in_the_filter_for_80_ms_at_most(rate: int) -> None:
    resampler, said, given_out = Resampler(rate, 1), sound(rate, 1), 0
    for at in range(0, rate, rate // 50):
        given_out += resampler.feed(said[:, at : at + rate // 50]).shape[1]
        fed = min(rate, at + rate // 50)
        assert fed / rate - given_out / 16_000 < 0.08
