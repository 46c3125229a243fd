"""Dates and times as clients write them in; moments in UTC, and the days of a range, out."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

FORMS = "give YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS or YYYY-MM-DDTHH:MM:SS+HH:MM"
WRITTEN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
"""What a moment looks like, for whoever reads the API's document."""
DATE_LENGTH = len("2026-01-01")


def parse_timestamp(written: object) -> datetime:
    """What a client wrote, in UTC; what names no zone is in UTC, a date alone is its midnight.

    Raises ValueError with a sentence for what is none, or lies outside the years 1 to 9999.
    """
    if not isinstance(written, str) or not re.match(WRITTEN, written):
        raise ValueError(FORMS)
    try:
        read = datetime.fromisoformat(_short_fraction(written.upper()))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no such moment: {FORMS}") from None


def parse_range_end(written: object) -> datetime:
    """As `moment`, for the end of a range, which is left out of it: a date alone means all of that day."""
    read = parse_timestamp(written)
    if isinstance(written, str) and len(written) > DATE_LENGTH:
        return read
    try:
        return read + timedelta(days=1)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def last_day(end: datetime) -> date:
    """The last day of a range that ends before `end`."""
    return end.date() if end.date() == date.min else (end - timedelta(microseconds=1)).date()


def _short_fraction(written: str) -> str:
    # Go and Java write nanoseconds.
    return re.sub(r"([.][0-9]{6})[0-9]+", r"\1", written)
