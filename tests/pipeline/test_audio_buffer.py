"""The audio buffer returns samples by position, and frees the memory of discarded ones."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Samples
from caesura.pipeline.audio_buffer import AudioBuffer


def ramp(first: int, end: int) -> Samples:
    return np.arange(first, end, dtype=np.float32)


def test_an_empty_buffer_has_nothing_anywhere() -> None:
    buffer = AudioBuffer()
    assert buffer.end == 0
    assert buffer.between(0, 100).shape == (0,)


def test_a_stretch_comes_out_as_it_went_in_whatever_the_pieces() -> None:
    buffer = AudioBuffer()
    for first, end in ((0, 1), (1, 3000), (3000, 3000), (3000, 90_000)):
        buffer.append(ramp(first, end))
    assert buffer.end == 90_000
    assert np.array_equal(buffer.between(2_999, 3_002), ramp(2_999, 3_002))
    assert np.array_equal(buffer.between(0, 90_000), ramp(0, 90_000))


def test_a_stretch_is_clipped_to_what_is_kept() -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 10_000))
    buffer.discard(6_000)
    assert np.array_equal(buffer.between(9_990, 20_000), ramp(9_990, 10_000))
    assert np.array_equal(buffer.between(0, 7_000), ramp(6_000, 7_000))
    assert buffer.between(0, 5_000).shape == (0,)
    assert buffer.between(8_000, 7_000).shape == (0,)


def test_what_came_out_is_a_copy() -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 100))
    buffer.between(0, 100)[:] = -1
    assert np.array_equal(buffer.between(0, 100), ramp(0, 100))


def test_what_goes_in_is_copied() -> None:
    buffer = AudioBuffer()
    samples = ramp(0, 100)
    buffer.append(samples)
    samples[:] = -1
    assert np.array_equal(buffer.between(0, 100), ramp(0, 100))


def test_forgetting_all_and_more_leaves_the_next_place_where_it_was() -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 500))
    buffer.discard(10_000)
    assert buffer.end == 500
    buffer.append(ramp(500, 700))
    assert np.array_equal(buffer.between(0, 1_000), ramp(500, 700))


def test_forgetting_backwards_gives_nothing_back_and_takes_nothing() -> None:
    buffer = AudioBuffer()
    buffer.append(ramp(0, 1_000))
    buffer.discard(900)
    buffer.discard(100)
    buffer.discard(-5)
    assert np.array_equal(buffer.between(900, 1_000), ramp(900, 1_000))


def test_an_hour_kept_ten_seconds_long_takes_a_minute_at_most() -> None:
    piece = np.zeros(16_000, np.float32)
    tracemalloc.start()
    try:
        buffer = AudioBuffer()
        for _ in range(3_600):
            buffer.append(piece)
            buffer.discard(buffer.end - 160_000)
            assert tracemalloc.get_traced_memory()[0] <= 60 * 16_000 * 4
    finally:
        tracemalloc.stop()


@given(st.lists(st.tuples(st.integers(0, 40_000), st.integers(-1_000, 400_000)), max_size=25))
def test_any_order_of_appending_and_forgetting_keeps_at_least_what_was_not_forgotten(
    steps: list[tuple[int, int]],
) -> None:
    tracemalloc.start()
    try:
        buffer, end, kept = AudioBuffer(), 0, 0
        for count, forget in steps:
            buffer.append(ramp(end, end + count))
            end += count
            buffer.discard(forget)
            kept = max(kept, min(forget, end))
            assert buffer.end == end
            assert np.array_equal(buffer.between(kept, end), ramp(kept, end))
            # The last ten seconds given up at most, or as much again as is kept; room to grow; the test's own values.
            samples = 2 * (end - kept + max(160_000, end - kept)) + 80_000 + 4_000
            assert tracemalloc.get_traced_memory()[0] <= 4 * samples + 50_000
    finally:
        tracemalloc.stop()
