"""Checks of declared formats."""

from __future__ import annotations

import pytest

from caesura.audio.format import Encoding, check_channels, check_rate
from caesura.errors import BadAudio
from caesura.protocol.parameters import ENCODINGS


def test_encodings_are_spelled_as_on_the_wire() -> None:
    assert {encoding.value for encoding in Encoding} == set(ENCODINGS)
    assert Encoding("ogg-opus") is Encoding.OGG_OPUS


@pytest.mark.parametrize("rate", [4_000, 8_000, 44_100, 192_000])
def test_sample_rates_of_the_trade_pass(rate: int) -> None:
    assert check_rate(rate) == rate


@pytest.mark.parametrize("rate", [None, -1, 0, 3_999, 192_001, 2**31])
def test_other_sample_rates_are_refused_by_name_and_value(rate: int | None) -> None:
    with pytest.raises(BadAudio, match=f"sample rate {rate} Hz: must be 4000 to 192000"):
        check_rate(rate)


@pytest.mark.parametrize("channels", [0, 21, 255])
def test_channel_counts_that_cannot_be_are_refused(channels: int) -> None:
    with pytest.raises(BadAudio, match=f"{channels} audio channels: must be 1 to 20"):
        check_channels(channels)
