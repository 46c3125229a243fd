"""Timestamps: their form, their order, and moments that have none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.rfc3339 import LENGTH, rfc3339

moments = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=st.timezones())  # noqa: DTZ001


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2025-12-31T23:00:00.000Z"


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        rfc3339(datetime(2026, 1, 1))  # noqa: DTZ001


@given(moments, moments)
def test_timestamps_sort_as_moments_do(one: datetime, other: datetime) -> None:
    first, second = rfc3339(one), rfc3339(other)
    assert len(first) == LENGTH
    if first < second:
        assert one.astimezone(UTC) < other.astimezone(UTC)
