"""Word alignment from cross-attention: the order of starts, where words end, and what happens when nothing fits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from caesura.engines.align import WordTimes, align
from caesura.engines.base import SAMPLE_RATE, Samples
from tests.example_count import examples

FRAME_S = 0.024


def attention(*peaks: int, frames: int = 100, share: float = 0.6) -> NDArray[np.float32]:
    """Rows with most of their weight on one frame, the rest spread evenly."""
    rows = np.full((len(peaks), frames), (1 - share) / frames, np.float32)
    rows[np.arange(len(peaks)), list(peaks)] += share
    return rows


def tone(*spans: WordTimes, seconds: float = 2.4) -> Samples:
    """A tone in these spans and silence between them."""
    audio = np.zeros(round(seconds * SAMPLE_RATE), np.float32)
    for start, end in spans:
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        audio[first:last] = 0.2 * np.sin(np.arange(last - first))
    return audio


def placed(rows: NDArray[np.float32], audio: Samples, lag_s: float = 0.0) -> list[WordTimes]:
    return align(rows, audio, frame_s=FRAME_S, lag_s=lag_s)


def starts(spans: list[WordTimes]) -> list[float]:
    return [start for start, _ in spans]


def assert_in_order(spans: list[WordTimes], length: float) -> None:
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    assert not edges or (edges[0] >= 0.0 and edges[-1] <= length)


def test_words_start_at_their_peaks() -> None:
    assert starts(placed(attention(10, 30, 70), tone((0.0, 2.4)))) == pytest.approx([0.24, 0.72, 1.68])


def test_the_lag_of_the_peak_is_subtracted() -> None:
    assert starts(placed(attention(0, 30), tone((0.0, 2.4)), lag_s=0.02)) == pytest.approx([0.0, 0.70])


def test_a_peak_out_of_order_is_overruled() -> None:
    """The peak of the second word is at the end: the attention of the others keeps it between its neighbours."""
    rows = attention(10, 90, 30, 50)
    rows[1, 20] += 0.2
    assert starts(placed(rows, tone((0.0, 2.4)))) == pytest.approx([0.24, 0.48, 0.72, 1.2])


def test_two_words_on_one_peak_follow_each_other() -> None:
    first, second = starts(placed(attention(30, 30), tone((0.0, 2.4))))
    assert first < second
    assert second - first < 3 * FRAME_S


def test_a_word_ends_where_the_audio_becomes_silent() -> None:
    """And not only where the next one starts, most of a second later."""
    spans = placed(attention(10, 70), tone((0.24, 0.8), (1.68, 2.0)))
    assert np.array(spans) == pytest.approx(np.array([(0.24, 0.8), (1.68, 2.0)]), abs=0.011)


def test_a_word_without_a_pause_ends_where_the_next_one_starts() -> None:
    (_, end), (start, _) = placed(attention(10, 40), tone((0.0, 2.4)))
    assert end == pytest.approx(start, abs=0.011)


def test_a_word_in_silence_is_short() -> None:
    """Its length cannot be measured, and it does not last until the next word."""
    spans = placed(attention(10, 70), tone((1.68, 2.0)))
    assert spans[0] == pytest.approx((0.24, 0.34))


def test_more_words_than_frames_are_spread_evenly() -> None:
    rows = attention(0, 1, 2, 0, frames=3)
    spans = placed(rows, np.zeros(1600, np.float32))
    assert np.array(spans) == pytest.approx(np.array([(0.0, 0.025), (0.025, 0.05), (0.05, 0.075), (0.075, 0.1)]))


def test_audio_shorter_than_one_level_has_times() -> None:
    assert_in_order(placed(attention(1, frames=4), np.zeros(100, np.float32)), 100 / SAMPLE_RATE)


@examples(200)
@given(st.lists(st.integers(0, 79), min_size=1, max_size=40), st.floats(0.0, 0.9), st.integers(0, 2**32 - 1))
def test_any_attention_gives_ascending_times_within_the_audio(peaks: list[int], share: float, seed: int) -> None:
    audio = np.random.default_rng(seed).normal(0, 0.1, 31_000).astype(np.float32)
    assert_in_order(placed(attention(*peaks, frames=80, share=share), audio, lag_s=0.026), audio.size / SAMPLE_RATE)
