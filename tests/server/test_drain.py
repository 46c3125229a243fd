"""Which streams of a stopping server end when, with literal times."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.server.drain import BURST_S, PER_S, SPREAD_S, Drain, DrainLimits

LIMITS = DrainLimits(delay_s=5.0, within_s=30.0, last_words_s=20.0)


@dataclass
class OneStream:
    """A stream that ends when it is told to."""

    at_pause: bool = False
    opened_at: float = 0.0
    is_open: bool = True


@dataclass
class Streams:
    """The streams of a server whose drain began at 100."""

    all: list[OneStream]
    drain: Drain = field(default_factory=lambda: Drain(LIMITS, delayed=True, now=100.0))

    def end(self, now: float) -> list[OneStream]:
        """Those that are due, which are open no more."""
        due = self.drain.due(self.all, now=now)
        for stream in due:
            assert stream.is_open
            stream.is_open = False
        return due

    def ended(self, begin: float, end: float, every_s: float = 0.05) -> int:
        """How many are due, looked at in intervals."""
        return sum(len(self.end(begin + tick * every_s)) for tick in range(round((end - begin) / every_s)))


def test_from_the_signal_on_a_stream_ends_at_its_next_pause() -> None:
    talking, silent = OneStream(), OneStream(at_pause=True)
    streams = Streams([talking, silent])
    assert streams.end(100.0) == [silent]
    assert streams.end(134.9) == []
    talking.at_pause = True
    assert streams.end(134.95) == [talking]
    assert streams.end(135.0) == []


def test_requests_are_refused_after_the_delay_and_what_came_in_it_ends_only_then() -> None:
    late = OneStream(at_pause=True, opened_at=100.1)
    streams = Streams([late])
    assert not streams.drain.refuses(now=104.9)
    assert streams.end(104.9) == []
    assert streams.drain.refuses(now=105.0)
    assert streams.end(105.0) == [late]


def test_without_a_delay_requests_are_refused_at_once_and_everything_comes_sooner() -> None:
    drain = Drain(LIMITS, delayed=False, now=100.0)
    assert drain.refuses(now=100.0)
    assert not drain.cuts(now=129.9)
    assert drain.cuts(now=130.0)
    assert drain.ends_at == 130.0 + SPREAD_S + 20.0


def test_what_has_no_pause_is_cut_in_the_end_and_what_does_not_end_then_is_aborted() -> None:
    streams = Streams([OneStream()])
    assert not streams.drain.cuts(now=134.9)
    assert streams.end(134.9) == []
    assert streams.drain.cuts(now=135.0)
    assert streams.end(135.0) == streams.all
    assert streams.drain.ends_at == 135.0 + SPREAD_S + 20.0


def test_a_stream_that_has_ended_is_not_ended_again() -> None:
    assert Streams([OneStream(at_pause=True, is_open=False)]).end(140.0) == []


def test_at_most_fifty_end_in_a_second_and_evenly() -> None:
    streams = Streams([OneStream(at_pause=True) for _ in range(120)])
    fifths = [streams.ended(at, at + 0.2) for at in (100.0, 100.2, 100.4, 100.6, 100.8)]
    assert fifths == [pytest.approx(10, abs=2)] * 5
    assert 45 <= sum(fifths) <= 50
    assert streams.ended(101.0, 103.0) == 120 - sum(fifths)


def test_a_time_in_which_none_ended_is_hardly_made_up_for() -> None:
    streams = Streams([OneStream() for _ in range(100)])
    assert streams.end(110.0) == []
    for stream in streams.all:
        stream.at_pause = True
    assert len(streams.end(110.0)) <= 1 + BURST_S * PER_S


@pytest.mark.parametrize(("count", "first"), [(200, 50), (1000, 200)])
def test_many_without_a_pause_are_cut_evenly_in_bounded_time(count: int, first: int) -> None:
    streams = Streams([OneStream() for _ in range(count)])
    assert streams.ended(135.0, 136.0) == pytest.approx(first, abs=1 + 5)
    streams.ended(136.0, 135.0 + SPREAD_S + 0.2)
    assert not any(stream.is_open for stream in streams.all)


@pytest.mark.parametrize("at", [101.0, 110.0, 135.0, 150.0])
def test_who_hurries_refuses_and_cuts_at_once_but_never_later_than_planned(at: float) -> None:
    streams = Streams([OneStream(opened_at=100.5)])
    streams.drain.hurry(now=at)
    streams.drain.hurry(now=at + 1.0)
    assert streams.drain.refuses(now=at)
    assert streams.drain.cuts(now=at)
    assert streams.drain.ends_at == min(at, 135.0) + SPREAD_S + 20.0
    assert streams.end(at) == streams.all


@given(st.lists(st.floats(0.0, 0.3), max_size=200), st.integers(0, 200), st.integers(0, 60))
def test_no_second_has_more_than_fifty_and_a_burst(gaps: list[float], pausing: int, talking: int) -> None:
    """However late the drain is looked at; in the end none is open."""
    streams = Streams([*(OneStream(at_pause=True) for _ in range(pausing)), *(OneStream() for _ in range(talking))])
    now, ends = 100.0, []
    for gap in gaps:
        ends += [now] * len(streams.end(now))
        now += gap
    for at in ends:
        assert sum(at <= end < at + 1.0 for end in ends) <= PER_S * (1.0 + BURST_S) + 1
    streams.ended(135.0, 135.0 + SPREAD_S + 0.2)
    assert not any(stream.is_open for stream in streams.all)
