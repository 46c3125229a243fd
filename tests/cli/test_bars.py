"""Bars of usage for each day."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from caesura.cli.bars import MOST_DAYS, Day, draw_days

FIRST = date(2026, 11, 20)


def test_the_longest_bar_fills_the_width_and_the_others_keep_its_scale() -> None:
    bars = draw_days({FIRST: Day(60, 20), FIRST + timedelta(days=1): Day(20, 20)}, width=8)
    assert [(bar.audio, bar.paused) for bar in bars] == [("██████", "░░"), ("██", "░░")]


def test_a_day_without_pauses_is_drawn_to_an_eighth_of_a_cell() -> None:
    bars = draw_days({FIRST: Day(64), FIRST + timedelta(days=1): Day(3)}, width=8)
    assert [bar.audio for bar in bars] == ["████████", "▍"]


def test_days_without_usage_have_empty_bars() -> None:
    bars = draw_days({FIRST: Day(1), FIRST + timedelta(days=2): Day(1)}, width=4)
    assert [(bar.day.day, bar.audio) for bar in bars] == [(20, "████"), (21, ""), (22, "████")]


def test_only_the_newest_days_are_drawn() -> None:
    days = {FIRST + timedelta(days=number): Day(1) for number in range(MOST_DAYS + 5)}
    bars = draw_days(days, width=4)
    assert len(bars) == MOST_DAYS
    assert bars[-1].day == max(days)


def test_nothing_is_drawn_of_nothing() -> None:
    assert draw_days({}, width=4) == []
    assert draw_days({FIRST: Day()}, width=4)[0].audio == ""


def test_a_terminal_without_blocks_gets_letters() -> None:
    (bar,) = draw_days({FIRST: Day(3, 1)}, width=4, ascii_only=True)
    assert (bar.audio, bar.paused) == ("###", ".")


seconds = st.floats(0, 1e6)


@given(
    st.dictionaries(st.dates(FIRST, FIRST + timedelta(days=60)), st.builds(Day, seconds, seconds)),
    st.integers(1, 80),
    st.booleans(),
)
def test_no_bar_is_wider_than_the_width(days: dict[date, Day], width: int, ascii_only: bool) -> None:
    for bar in draw_days(days, width=width, ascii_only=ascii_only):
        assert len(bar.audio) + len(bar.paused) <= width
