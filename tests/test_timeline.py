"""The ledger between stream time and source time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.timeline import Span, Timeline

RATE = 16_000


def paused() -> Timeline:
    """Ten seconds, a pause of twenty, five seconds: the documented example."""
    timeline = Timeline(RATE)
    timeline.sent(10 * RATE, 0)
    timeline.sent(5 * RATE, 30 * RATE)
    return timeline


@pytest.mark.parametrize(
    ("stream", "source"),
    [(0.0, 0.0), (5.0, 5.0), (9.99, 9.99), (10.0, 30.0), (12.5, 32.5), (15.0, 35.0), (99.0, 35.0)],
)
def test_stream_time_skips_the_pause(stream: float, source: float) -> None:
    """Audio sent after a pause lies after it on the source clock; the border belongs to what comes later."""
    assert paused().to_source(stream) == source


@pytest.mark.parametrize(("source", "stream"), [(0.0, 0.0), (10.0, None), (29.9, None), (30.0, 10.0), (35.0, None)])
def test_a_moment_in_the_pause_has_no_stream_time(source: float, stream: float | None) -> None:
    """What was not sent has no place on the stream clock."""
    assert paused().to_stream(source) == stream


def test_a_word_before_the_pause_does_not_stretch_across_it() -> None:
    """A word ends with the span that it starts in."""
    assert paused().place(9.8, 10.3) == (9.8, 10.0)


def test_a_word_on_the_border_belongs_to_what_comes_after() -> None:
    """Spans are half-open."""
    assert paused().place(10.0, 10.4) == (30.0, 30.4)


def test_binary_fractions_do_not_move_a_word_across_the_border() -> None:
    """Seconds are taken to the nearest sample before they are compared: 4.35 * 100 is 434.99999999999994."""
    timeline = Timeline(100)
    timeline.sent(435, 0)
    timeline.sent(100, 1000)
    assert timeline.to_source(4.35) == 10.0


def test_audio_without_a_gap_is_one_span() -> None:
    """The ledger grows with pauses, not with frames."""
    timeline = Timeline(RATE)
    for frame in range(1000):
        timeline.sent(800, frame * 800)
    timeline.sent(0, 900_000)
    assert timeline.spans == (Span(0, 0, 800_000),)


def test_audio_may_begin_late() -> None:
    """The first span need not start where the source clock does."""
    timeline = Timeline(RATE)
    timeline.sent(RATE, 2 * RATE)
    assert timeline.to_source(0.0) == 2.0


@pytest.mark.parametrize(("samples", "source"), [(-1, 500_000), (1, 35 * RATE - 1)])
def test_what_cannot_have_been_sent_is_refused(samples: int, source: int) -> None:
    """Neither negative lengths nor audio from before the last span."""
    with pytest.raises(ValueError, match="must not"):
        paused().sent(samples, source)


def test_questions_without_an_answer_are_refused() -> None:
    """No time before the start, nothing while nothing was sent, no word that ends before it starts, no rate of 0."""
    with pytest.raises(ValueError, match="starts at 0"):
        paused().to_source(-0.1)
    with pytest.raises(ValueError, match="nothing was sent"):
        Timeline(RATE).to_source(0.0)
    with pytest.raises(ValueError, match="cannot end"):
        paused().place(2.0, 1.0)
    with pytest.raises(ValueError, match="positive"):
        Timeline(0)


ledgers = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 300)), min_size=1, max_size=20)


def built(steps: list[tuple[int, int]], rate: int = 100) -> Timeline:
    """A timeline from (samples, gap before them) pairs."""
    timeline = Timeline(rate)
    source = 0
    for samples, gap in steps:
        source += gap
        timeline.sent(samples, source)
        source += samples
    return timeline


@given(ledgers)
def test_sent_audio_maps_forth_and_back_to_the_sample(steps: list[tuple[int, int]]) -> None:
    """Strictly monotone on sent audio, and to_stream undoes to_source."""
    timeline = built(steps)
    places = [timeline.to_source(n / 100) for n in range(timeline.stream_samples)]
    assert all(earlier < later for earlier, later in itertools.pairwise(places))
    assert [timeline.to_stream(place) for place in places] == [n / 100 for n in range(timeline.stream_samples)]


@given(ledgers, st.floats(0, 1), st.floats(0, 5))
def test_no_word_lies_across_a_gap(steps: list[tuple[int, int]], where: float, length: float) -> None:
    """A placed word lies in one span, is not longer than it was heard, and starts where its start was sent."""
    timeline = built(steps)
    if timeline.stream_samples == 0:
        return
    start = where * (timeline.stream_samples - 1) / 100
    placed = timeline.place(start, start + length)
    assert placed[0] == timeline.to_source(start)
    assert placed[0] <= placed[1] <= placed[0] + length + 0.011
    assert any(
        span.source <= round(placed[0] * 100) < span.source_end and round(placed[1] * 100) <= span.source_end
        for span in timeline.spans
    )


@given(ledgers)
def test_spans_tile_the_stream_and_never_touch_on_the_source(steps: list[tuple[int, int]]) -> None:
    """No sample is missing from the stream clock, and a new span means a gap."""
    spans = built(steps).spans
    assert sum(span.samples for span in spans) == sum(samples for samples, _ in steps)
    for earlier, later in itertools.pairwise(spans):
        assert earlier.stream_end == later.stream
        assert earlier.source_end < later.source
