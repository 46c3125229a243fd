"""Dates and times as clients write them."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.server.rest.timestamps import last_day, parse_range_end, parse_timestamp


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2026-01-02T03:04:05", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("2026-01-02t03:04:05z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05+02:00", datetime(2026, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05-0530", datetime(2026, 1, 2, 8, 34, 5, tzinfo=UTC)),
        ("2026-01-02T03:04:05.25Z", datetime(2026, 1, 2, 3, 4, 5, 250_000, tzinfo=UTC)),
        ("2026-01-02T03:04:05.123456789Z", datetime(2026, 1, 2, 3, 4, 5, 123_456, tzinfo=UTC)),
    ],
)
def test_every_form_is_read_as_utc(written: str, read: datetime) -> None:
    assert parse_timestamp(written) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "now",
        "2026",
        "2026-13-01",
        "2026-02-30",
        "20260102",
        "2026-W01-1",
        "2026-01-02T25:00:00",
        "2026-01-02T03:04:05+99:00",
        "2026-01-02T03:04:05 02:00",
        "0001-01-01T00:00:00+23:00",
        "9999-12-31T23:59:59-23:00",
        "\uff12\uff10\uff12\uff16-01-02",
        "2026-01-02\n",
        1767312000,
        None,
    ],
)
def test_an_invalid_timestamp_is_refused_with_the_accepted_forms(written: object) -> None:
    with pytest.raises(ValueError, match="give YYYY-MM-DD"):
        parse_timestamp(written)


def test_a_date_that_ends_a_range_is_in_it() -> None:
    assert parse_range_end("2026-01-02") == datetime(2026, 1, 3, tzinfo=UTC)
    assert parse_range_end("2026-01-02T03:00:00") == datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert parse_range_end("9999-12-31").year == 9999


def test_the_last_day_of_a_range_is_the_last_that_it_touches() -> None:
    assert last_day(datetime(2026, 1, 3, tzinfo=UTC)) == date(2026, 1, 2)
    assert last_day(datetime(2026, 1, 3, 0, 0, 1, tzinfo=UTC)) == date(2026, 1, 3)
    assert last_day(datetime(1, 1, 1, tzinfo=UTC)) == date(1, 1, 1)


@given(st.text(max_size=40))
def test_any_text_is_a_moment_or_a_value_error(text: str) -> None:
    for read in (parse_timestamp, parse_range_end):
        with suppress(ValueError):
            assert read(text).tzinfo is UTC


@given(st.datetimes(timezones=st.timezones()))
def test_timestamps_as_python_writes_them_are_accepted(written: datetime) -> None:
    text = written.isoformat(timespec="seconds")
    try:
        expected = datetime.fromisoformat(text).astimezone(UTC)
    except (OverflowError, ValueError):
        return
    if written.utcoffset().seconds % 60 == 0:  # type: ignore[union-attr]
        assert parse_timestamp(text) == expected
