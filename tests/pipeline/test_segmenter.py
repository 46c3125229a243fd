"""Segments of a recording: by example, then laws that hold for any voice activity."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import SAMPLE_RATE
from caesura.pipeline.segmenter import MIN_SPEECH, PADDING, Segment, Segmenter
from caesura.pipeline.word_context import MAX_GAP_S
from caesura.speech.vad import FRAME

LONGEST_S = 4.0
LONGEST = int(LONGEST_S * SAMPLE_RATE)
PAUSE_S = 0.35
PAUSE = int(PAUSE_S * SAMPLE_RATE)

Plan = list[tuple[bool, int]]
"""Stretches: speech or not, and how many frames."""


def voice(plan: Plan) -> list[float]:
    return [0.9 if speech else 0.0 for speech, frames in plan for _ in range(frames)]


def numbered(count: int) -> np.ndarray:
    """Samples whose values are their own positions."""
    return np.arange(count * FRAME, dtype=np.float32)


def segments(plan: Plan, *, at_once: int = 1000) -> list[Segment]:
    """All segments; so many frames come at once."""
    voiced = voice(plan)
    samples = numbered(len(voiced))
    segmenter = Segmenter(LONGEST_S, PAUSE_S)
    found: list[Segment] = []
    for at in range(0, len(voiced), at_once):
        found += segmenter.feed(samples[at * FRAME : (at + at_once) * FRAME], voiced[at : at + at_once])
    return found + segmenter.end()


def places(found: list[Segment]) -> list[tuple[int, int]]:
    return [(segment.first, segment.first + len(segment.samples)) for segment in found]


def test_speech_comes_with_its_padding() -> None:
    (segment,) = segments([(False, 50), (True, 30), (False, 50)])
    assert places([segment]) == [(50 * FRAME - PADDING, 80 * FRAME + PADDING)]
    np.testing.assert_array_equal(segment.samples, np.arange(50 * FRAME - PADDING, 80 * FRAME + PADDING))


def test_silence_is_in_no_segment() -> None:
    assert segments([(False, 1000)]) == []


def test_clicks_are_in_no_segment_however_many() -> None:
    assert segments([(False, 5), (True, 2)] * 200 + [(False, 20)]) == []


def test_a_short_pause_ends_nothing_and_a_long_one_does() -> None:
    """Both parts are too long to become one segment; their padding fills the pause."""
    short, long = (PAUSE - 1) // FRAME - 1, PAUSE // FRAME + 1
    part = LONGEST // FRAME * 3 // 5
    assert (part * FRAME + PADDING) not in [
        end for _, end in places(segments([(True, part), (False, short), (True, part)]))
    ]
    assert places(segments([(True, part), (False, long), (True, part), (False, 50)])) == [
        (0, part * FRAME + PADDING),
        (part * FRAME + PADDING, (2 * part + long) * FRAME + PADDING),
    ]


def test_parts_that_are_close_become_one_segment_and_those_further_apart_do_not() -> None:
    near, far = int(MAX_GAP_S * SAMPLE_RATE) // FRAME, int(MAX_GAP_S * SAMPLE_RATE + 2 * PADDING) // FRAME + 2
    joined = segments([(True, 20), (False, near), (True, 20), (False, 200)])
    assert places(joined) == [(0, (40 + near) * FRAME + PADDING)]
    assert len(segments([(True, 20), (False, far), (True, 20), (False, 200)])) == 2


def test_what_is_too_long_together_is_parted_at_the_widest_pause() -> None:
    """Four parts of a second, of which at most three fit into one segment; the widest pause comes after the second."""
    second = SAMPLE_RATE // FRAME
    plan = [(True, second), (False, 12), (True, second), (False, 25), (True, second), (False, 12), (True, second)]
    found = places(segments([*plan, (False, 200)]))
    assert len(found) == 2
    assert found[0] == (0, (2 * second + 12) * FRAME + PADDING)


def test_speech_that_is_far_behind_is_not_kept_until_the_end() -> None:
    voiced = voice([(True, 20), (False, int(MAX_GAP_S * SAMPLE_RATE + 2 * PADDING) // FRAME + 1)])
    assert len(Segmenter(LONGEST_S, PAUSE_S).feed(numbered(len(voiced)), voiced)) == 1


def test_a_longer_pause_is_requested_by_an_engine_that_needs_it() -> None:
    """Silence that ends a segment for one engine ends none for another."""
    part = LONGEST // FRAME * 3 // 5
    voiced = voice([(True, part), (False, PAUSE // FRAME + 1), (True, part), (False, 50)])
    segmenter = Segmenter(LONGEST_S, 2 * PAUSE_S)
    found = segmenter.feed(numbered(len(voiced)), voiced) + segmenter.end()
    assert found[0].samples.size != part * FRAME + PADDING


def test_speech_at_the_end_of_the_audio_is_not_lost() -> None:
    assert places(segments([(False, 20), (True, 30)])) == [(20 * FRAME - PADDING, 50 * FRAME)]


def test_long_speech_is_cut_where_it_is_quietest() -> None:
    frames = 2 * LONGEST // FRAME
    samples = np.random.default_rng(0).normal(0, 0.1, frames * FRAME).astype(np.float32)
    quiet = 3 * SAMPLE_RATE
    samples[quiet : quiet + SAMPLE_RATE // 4] *= 0.01
    segmenter = Segmenter(LONGEST_S, PAUSE_S)
    first, *rest = segmenter.feed(samples, [0.9] * frames) + segmenter.end()
    assert quiet < len(first.samples) < quiet + SAMPLE_RATE // 4
    assert rest[0].first == len(first.samples)


plans = st.lists(st.tuples(st.booleans(), st.integers(1, 200)), max_size=12)


@given(plans, st.integers(1, 40))
def test_how_the_samples_are_cut_changes_nothing(plan: Plan, at_once: int) -> None:
    assert places(segments(plan, at_once=at_once)) == places(segments(plan))


@given(plans)
def test_segments_are_in_order_short_enough_and_hold_their_own_samples(plan: Plan) -> None:
    found = segments(plan)
    for segment in found:
        assert MIN_SPEECH <= len(segment.samples) <= LONGEST + FRAME + PADDING
        np.testing.assert_array_equal(segment.samples, segment.first + np.arange(len(segment.samples)))
    for (_, end), (begin, _) in pairwise(places(found)):
        assert end <= begin


@given(plans)
def test_no_confirmed_speech_is_left_out(plan: Plan) -> None:
    covered = np.zeros(sum(frames for _, frames in plan) * FRAME, bool)
    for begin, end in places(segments(plan)):
        covered[begin:end] = True
    at = 0
    for speech, frames in plan:
        if speech and frames * FRAME >= MIN_SPEECH:
            assert covered[at * FRAME : (at + frames) * FRAME].all()
        at += frames


def test_memory_holds_no_more_than_the_open_segment_and_what_it_may_be_joined_with() -> None:
    segmenter = Segmenter(LONGEST_S, PAUSE_S)
    tracemalloc.start()
    try:
        for _ in range(300):
            segmenter.feed(np.zeros(31 * FRAME, np.float32), [0.9] * 11 + [0.0] * 20)
        assert tracemalloc.get_traced_memory()[0] < 4 * LONGEST * 4
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("frames", [0, 1])
def test_a_recording_of_nothing_has_none(frames: int) -> None:
    assert segments([(True, frames)]) == []
