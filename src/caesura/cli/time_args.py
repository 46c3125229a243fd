"""Parses times on the command line: a duration such as 30d, or a date."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from caesura.errors import UsageError

_LENGTH = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def time_after(text: str, now: datetime) -> datetime:
    """The time `30d` from now, or a date as given: `2026-12-31`, `2026-12-31T12:00Z`. Raises UsageError."""
    return _from(now, text, 1)


def time_before(text: str, now: datetime) -> datetime:
    """The time `30d` before now, or a date as given. Raises UsageError."""
    return _from(now, text, -1)


def _from(now: datetime, text: str, sign: int) -> datetime:
    length = _LENGTH.fullmatch(text.strip())
    if length is None:
        return _moment(text)
    try:
        return now + sign * timedelta(**{_UNITS[length[2]]: int(length[1])})
    except OverflowError:
        raise UsageError(f"{text!r} is beyond the calendar: give a shorter time") from None


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(
            f"{text!r} is not a time: give a duration such as 30d, 12h or 90m, "
            "or a date such as 2026-12-31 or 2026-12-31T12:00Z"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
