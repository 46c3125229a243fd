"""Pauses inferred from when audio arrives."""

from __future__ import annotations

from math import inf

import pytest

from caesura.adapters.capture import Capture

RATE = 100.0
"""Bytes a second; ten of them are a frame of 0.1 s."""


def test_chunks_that_arrive_as_captured_are_contiguous() -> None:
    capture = Capture(RATE)
    assert [capture.place(10, now=50.0 + each / 10) for each in range(100)] == [None] * 100


def test_a_pause_moves_the_source_clock_by_its_length() -> None:
    capture = Capture(RATE)
    capture.place(10, now=0.1)
    assert capture.place(10, now=5.1) == pytest.approx(5.0)
    assert capture.place(10, now=5.2) is None
    assert capture.place(10, now=15.2) == pytest.approx(15.1)


def test_a_shorter_gap_is_delay() -> None:
    capture = Capture(RATE, pause_after_s=1.0)
    capture.place(10, now=0.0)
    assert capture.place(10, now=1.05) is None
    assert capture.place(10, now=2.25) is not None


def test_a_source_that_is_slow_in_each_chunk_is_not_in_a_pause() -> None:
    """A file that is read a little too slowly keeps the times of the file."""
    capture = Capture(RATE)
    assert [capture.place(10, now=0.5 * each) for each in range(100)] == [None] * 100


def test_time_in_which_the_client_blocked_is_not_a_pause() -> None:
    capture = Capture(RATE)
    capture.place(10, now=0.0)
    capture.released(now=60.0)
    assert capture.place(10, now=60.1) is None


def test_without_pauses_source_time_counts_samples() -> None:
    capture = Capture(RATE, pause_after_s=inf)
    capture.place(10, now=0.0)
    assert capture.place(10, now=3600.0) is None
