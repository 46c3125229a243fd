"""Parses dates and times in bodies and query strings."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta

FORMS = "give YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS or YYYY-MM-DDTHH:MM:SS+HH:MM"
PATTERN = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:?[0-9]{2})?)?$"
)
"""Pattern of accepted timestamps, also for the OpenAPI document."""
DATE_LENGTH = len("2026-01-01")


def parse_timestamp(text: object) -> datetime:
    """A timestamp in UTC. Without a time zone it is taken as UTC; a date alone is its midnight.

    Raises ValueError, with a sentence for the client, if it is malformed or outside the years 1 to 9999.
    """
    if not isinstance(text, str) or not re.match(PATTERN, text):
        raise ValueError(FORMS)
    try:
        read = datetime.fromisoformat(_short_fraction(text.upper()))
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"there is no such date or time: {FORMS}") from None


def parse_range_end(text: object) -> datetime:
    """The exclusive end of a range, parsed by `parse_timestamp`; a date alone includes all of that day."""
    read = parse_timestamp(text)
    if isinstance(text, str) and len(text) > DATE_LENGTH:
        return read
    try:
        return read + timedelta(days=1)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def last_day(end: datetime) -> date:
    """The last day of a range that ends before `end`."""
    return end.date() if end.date() == date.min else (end - timedelta(microseconds=1)).date()


def _short_fraction(text: str) -> str:
    # Go and Java write nanoseconds, which `fromisoformat` rejects.
    return re.sub(r"([.][0-9]{6})[0-9]+", r"\1", text)
