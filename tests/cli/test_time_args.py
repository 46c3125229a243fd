"""Points and lengths of time as a person writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from caesura.cli.time_args import time_after, time_before
from caesura.errors import UsageError

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("12h", timedelta(hours=12)),
        (" 30d ", timedelta(days=30)),
        ("2w", timedelta(weeks=2)),
    ],
)
def test_a_length_is_counted_from_now(text: str, length: timedelta) -> None:
    assert time_after(text, NOW) == NOW + length
    assert time_before(text, NOW) == NOW - length


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-12-31", datetime(2026, 12, 31, tzinfo=UTC)),
        ("2026-12-31T12:00", datetime(2026, 12, 31, 12, tzinfo=UTC)),
        ("2026-12-31T12:00+02:00", datetime(2026, 12, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_moment_is_itself_and_in_utc_unless_it_has_an_offset(text: str, moment: datetime) -> None:
    assert time_after(text, NOW) == time_before(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "30", "-1d", "1y", "30 d"])
def test_an_invalid_time_is_refused_with_the_accepted_forms(text: str) -> None:
    with pytest.raises(UsageError, match="give a duration such as 30d"):
        time_after(text, NOW)


def test_a_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(UsageError, match="'999999w' is beyond"):
        time_before("999999w", NOW)
