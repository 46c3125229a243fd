"""Moments as text; the other columns are tested by what goes through them into a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.ledger.columns import MOMENT_LENGTH, Dollars, Moment, rfc3339

moments = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:00:00.000Z"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001


@given(moments, moments)
def test_texts_sort_as_moments_do(one: datetime, other: datetime) -> None:
    first, second = rfc3339(one), rfc3339(other)
    assert len(first) == MOMENT_LENGTH
    if first < second:
        assert one.astimezone(UTC) < other.astimezone(UTC)


@given(moments)
def test_a_moment_comes_back_to_the_millisecond(moment: datetime) -> None:
    back = Moment().process_result_value(rfc3339(moment), None)  # type: ignore[arg-type]
    assert back is not None
    assert timedelta(0) <= moment.astimezone(UTC) - back < timedelta(milliseconds=1)


@given(st.integers(0, 10**15))
def test_dollars_of_nine_digits_behind_the_point_are_exact(nano: int) -> None:
    assert Dollars().process_bind_param(nano / 1e9, None) == nano  # type: ignore[arg-type]
