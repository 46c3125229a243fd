"""Arrival times of the audio up to any second of a stream."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caesura.server.live.latency import KEPT, LatencyMeter


def test_raw_audio_is_placed_by_its_bytes() -> None:
    latency = LatencyMeter(32_000.0)
    for number in range(5):
        latency.audio(3_200, 0.0, now=100.0 + number)
    assert latency.arrival_of(0.05) == 100.0
    assert latency.arrival_of(0.1) == 100.0
    assert latency.arrival_of(0.1 + 1 / 16_000) == 100.0
    assert latency.arrival_of(0.15) == 101.0
    assert latency.arrival_of(0.5) == 104.0


def test_coded_audio_is_placed_by_what_was_decoded_of_it() -> None:
    latency = LatencyMeter(None)
    latency.audio(100, 0.0, now=10.0)
    latency.audio(100, 0.5, now=11.0)
    latency.audio(100, 0.5, now=12.0)
    latency.audio(100, 2.0, now=13.0)
    assert latency.arrival_of(0.4) == 10.0
    assert latency.arrival_of(0.6) == 12.0
    assert latency.arrival_of(2.5) == 13.0


def test_before_any_audio_nothing_came() -> None:
    assert LatencyMeter(32_000.0).arrival_of(1.0) is None
    assert LatencyMeter(None).arrival_of(0.0) is None


def test_only_so_much_is_remembered() -> None:
    latency = LatencyMeter(1.0)
    for number in range(4 * KEPT):
        latency.audio(1, 0.0, now=float(number))
    assert latency.arrival_of(4 * KEPT - KEPT + 0.5) == 4 * KEPT - KEPT
    assert latency.arrival_of(1.0) is not None
    assert len(latency) < 2 * KEPT


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50), st.floats(0, 60))
def test_later_audio_never_came_earlier(sizes: list[int], second: float) -> None:
    latency = LatencyMeter(1000.0)
    for number, size in enumerate(sizes):
        latency.audio(size, 0.0, now=float(number))
    earlier, later = latency.arrival_of(second), latency.arrival_of(second + 0.5)
    assert earlier is not None
    assert later is not None
    assert earlier <= later <= len(sizes) - 1
