"""Mapping between stream time, source time and wall clock."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.timeline import Lost, Span, Timeline
from tests.example_count import examples

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
    """Audio sent after a pause lies after it on the source clock; the border belongs to the later span."""
    assert paused().to_source(stream) == source


@pytest.mark.parametrize(("source", "stream"), [(0.0, 0.0), (10.0, None), (29.9, None), (30.0, 10.0), (35.0, None)])
def test_a_moment_in_the_pause_has_no_stream_time(source: float, stream: float | None) -> None:
    """Audio that was not sent has no position on the stream clock."""
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
def test_impossible_positions_are_refused(samples: int, source: int) -> None:
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
    """A placed word lies in one span, is not longer than it was recognized, and starts where its start was sent."""
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


# ---- epochs ----


def reconnected() -> Timeline:
    """As documented: 10 s, a pause of 20 s, 5 s; then the last 2 s again on a new connection, and 4 s more."""
    timeline = paused()
    timeline.begin_epoch()
    timeline.sent(2 * RATE, 33 * RATE)
    timeline.sent(4 * RATE, 35 * RATE)
    return timeline


def test_a_new_connection_begins_at_zero_and_may_be_sent_what_another_one_was() -> None:
    timeline = reconnected()
    assert timeline.epoch == 1
    assert timeline.stream_samples == 6 * RATE
    assert timeline.spans == (
        Span(0, 0, 10 * RATE, 0),
        Span(10 * RATE, 30 * RATE, 5 * RATE, 0),
        Span(0, 33 * RATE, 6 * RATE, 1),
    )


@pytest.mark.parametrize(
    ("epoch", "stream", "source"), [(None, 0.0, 33.0), (1, 2.5, 35.5), (0, 0.0, 0.0), (0, 12.5, 32.5)]
)
def test_each_connection_has_a_stream_clock_of_its_own(epoch: int | None, stream: float, source: float) -> None:
    assert reconnected().to_source(stream, epoch) == source
    assert reconnected().to_stream(source, epoch) == stream


def test_words_of_an_earlier_connection_can_still_be_placed() -> None:
    assert reconnected().place(9.8, 10.3, epoch=0) == (9.8, 10.0)
    assert reconnected().place(0.5, 0.75) == (33.5, 33.75)
    assert reconnected().to_stream(31.0) is None


def test_a_connection_that_was_sent_nothing_is_one_nevertheless() -> None:
    timeline = paused()
    assert timeline.begin_epoch() == 1
    assert timeline.begin_epoch() == 2
    assert timeline.stream_samples == 0
    with pytest.raises(ValueError, match="nothing was sent"):
        timeline.to_source(0.0)
    assert timeline.to_stream(5.0) is None
    timeline.sent(RATE, 3 * RATE)
    assert timeline.to_source(0.5) == 3.5
    assert timeline.spans[-1] == Span(0, 3 * RATE, RATE, 2)


# ---- ranges that are covered ----


@pytest.mark.parametrize(("stream", "source"), [(0.0, 0), (9.0, 9), (10.0, 10), (10.5, 30.5), (15.0, 35), (99.0, 35)])
def test_audio_after_a_pause_is_not_covered_by_a_range_before_it(stream: float, source: float) -> None:
    """A border belongs to the earlier span when it is an end, and to the later one when it is a beginning."""
    assert paused().heard_until(stream) == source * RATE


def test_times_of_nothing_or_before_it_is_refused() -> None:
    for timeline, at, why in ((Timeline(RATE), 0.0, "nothing was sent"), (paused(), -0.1, "starts at 0")):
        with pytest.raises(ValueError, match=why):
            timeline.heard_until(at)
        with pytest.raises(ValueError, match=why):
            timeline.heard_from(at)


# ---- the wire has milliseconds ----

BORDERS = [(16_000, 160_007), (44_100, 441_037), (22_050, 12_345), (11_025, 99_997), (8_000, 8_003)]
"""Rates, and places of a pause that are no whole milliseconds."""


def split(rate: int, border: int) -> Timeline:
    """A pause of 1,000,000 samples after `border`."""
    timeline = Timeline(rate)
    timeline.sent(border, 0)
    timeline.sent(10 * rate, border + 1_000_000)
    return timeline


@given(st.sampled_from(BORDERS), st.integers(0, 200))
def test_a_word_that_begins_with_the_audio_after_a_pause_lies_after_it(border: tuple[int, int], further: int) -> None:
    """Its start is rounded to a millisecond, and may come to lie before the pause."""
    rate, at = border[0], border[1] + further
    start, _ = split(rate, at).place_samples(round(at / rate, 3), round(at / rate + 0.3, 3))
    assert at + 1_000_000 <= start <= at + 1_000_000 + rate // 1000
    assert split(rate, at).heard_from(round(at / rate, 3)) == start


@given(st.sampled_from(BORDERS), st.integers(0, 200))
def test_a_word_that_ends_with_the_audio_before_a_pause_ends_before_it(border: tuple[int, int], further: int) -> None:
    rate, at = border[0], border[1] + further
    timeline = split(rate, at)
    assert at - rate // 1000 <= timeline.heard_until(round(at / rate, 3)) <= at
    _, end = timeline.place_samples(round(at / rate - 0.3, 3), round(at / rate, 3))
    assert at - rate // 1000 <= end <= at


def test_a_word_of_no_length_at_the_border_stays_where_it_is() -> None:
    """Only a word that goes on behind the border can have begun there."""
    assert split(16_000, 160_007).place_samples(10.0, 10.0) == (160_000, 160_000)


# ---- losses ----


def test_lost_ranges_that_touch_are_one() -> None:
    timeline = Timeline(RATE)
    timeline.lost(100, 500)
    timeline.lost(0, 550)
    timeline.lost(100, 200)
    timeline.lost(200, 300)
    assert timeline.losses == (Lost(200, 400),)
    assert timeline.losses[0].end == 600


@pytest.mark.parametrize(("samples", "source"), [(-1, 0), (1, 500), (100, 450), (300, 400), (1, 599)])
def test_nothing_is_lost_twice(samples: int, source: int) -> None:
    timeline = Timeline(RATE)
    timeline.lost(100, 500)
    with pytest.raises(ValueError, match=r"negative|already"):
        timeline.lost(samples, source)
    assert timeline.losses == (Lost(500, 100),)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=25))
def test_lost_ranges_come_in_any_order(ranges: list[tuple[int, int]]) -> None:
    """The ledger is the set of lost samples, in as few ranges as there are; what overlaps changes nothing."""
    timeline, model = Timeline(RATE), set[int]()
    for source, samples in ranges:
        new = set(range(source, source + samples))
        if new & model:
            with pytest.raises(ValueError, match="already"):
                timeline.lost(samples, source)
        else:
            timeline.lost(samples, source)
            model |= new
    assert [each for lost in timeline.losses for each in range(lost.source, lost.end)] == sorted(model)
    assert all(earlier.end < later.source for earlier, later in itertools.pairwise(timeline.losses))


# ---- the wall clock ----


def test_there_is_no_wall_clock_without_an_anchor() -> None:
    assert paused().to_wall(1.0) is None


@pytest.mark.parametrize(
    ("source", "wall"), [(0.0, 999.0), (1.0, 1000.0), (29.5, 1028.5), (30.0, 2000.0), (31.5, 2001.5)]
)
def test_the_last_anchor_before_a_moment_gives_its_wall_clock(source: float, wall: float) -> None:
    """Before the first one, the first one does."""
    timeline = paused()
    timeline.anchor(30 * RATE, 2000.0)
    timeline.anchor(RATE, 1000.0)
    assert timeline.to_wall(source) == wall


# ---- the whole ledger against a plain list ----

epochs = st.lists(
    st.tuples(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 40), st.integers(0, 30)), max_size=6)),
    min_size=1,
    max_size=5,
)
"""How far each connection goes back, and what it is sent: (samples, gap before them)."""


def both(steps: list[tuple[int, list[tuple[int, int]]]]) -> tuple[Timeline, list[list[int]]]:
    """A timeline, and for each epoch the source sample of each stream sample."""
    timeline, model, source = Timeline(100), list[list[int]](), 0
    for back, sends in steps:
        if model:
            timeline.begin_epoch()
        model.append([])
        source = max(source - back, 0)
        for samples, gap in sends:
            source += gap
            timeline.sent(samples, source)
            model[-1] += range(source, source + samples)
            source += samples
    return timeline, model


@given(epochs)
def test_every_connection_maps_forth_and_back_to_the_sample(steps: list[tuple[int, list[tuple[int, int]]]]) -> None:
    timeline, model = both(steps)
    for epoch, places in enumerate(model):
        assert [timeline.to_source(n / 100, epoch) for n in range(len(places))] == [place / 100 for place in places]
        assert [timeline.to_stream(place / 100, epoch) for place in places] == [n / 100 for n in range(len(places))]
        unsent = set(range(400)) - set(places)
        assert {timeline.to_stream(place / 100, epoch) for place in unsent} <= {None}
        assert [timeline.heard_until(n / 100, epoch) for n in range(1, len(places) + 1)] == [
            each + 1 for each in places
        ]


@given(epochs, st.data())
def test_a_word_ends_where_its_samples_stop_being_contiguous(
    steps: list[tuple[int, list[tuple[int, int]]]], data: st.DataObject
) -> None:
    timeline, model = both(steps)
    for epoch, places in enumerate(model):
        if not places:
            continue
        first = data.draw(st.integers(0, len(places) - 1))
        length = data.draw(st.integers(0, 50))
        last = first
        while last + 1 < len(places) and places[last + 1] == places[last] + 1:
            last += 1
        end = min(places[first] + length, places[last] + 1)
        assert timeline.place_samples(first / 100, (first + length) / 100, epoch) == (places[first], end)


@examples(3)
@given(st.integers(0, 2**32))
def test_a_thousand_pauses_and_fifty_reconnects_drift_by_no_sample(seed: int) -> None:
    """At 44.1 kHz, in pieces and pauses of any length; each connection replays some of the audio."""
    rate, chance = 44_100, random.Random(seed)
    timeline, source, sent = Timeline(rate), 0, list[Span]()
    reconnects = set(chance.sample(range(1, 1000), 50))
    stream = 0
    for pause in range(1000):
        if pause in reconnects:
            timeline.begin_epoch()
            source, stream = max(source - chance.randrange(60 * rate), 0), 0
        samples = chance.randrange(1, 20 * rate)
        timeline.sent(samples, source)
        sent.append(Span(stream, source, samples, timeline.epoch))
        source, stream = source + samples + chance.randrange(1, 3600 * rate), stream + samples
    assert timeline.spans == tuple(sent)
    for span in sent:
        for offset in (0, span.samples // 2, span.samples - 1):
            place = timeline.to_source((span.stream + offset) / rate, span.epoch)
            assert round(place * rate) == span.source + offset
            again = timeline.to_stream(place, span.epoch)
            assert again is not None
            assert round(again * rate) == span.stream + offset
