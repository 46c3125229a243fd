"""Writes timestamps in RFC 3339: in UTC, with milliseconds and `Z`."""

from __future__ import annotations

from datetime import UTC, datetime

LENGTH = len("2026-01-01T00:00:00.000Z")


def rfc3339(moment: datetime) -> str:
    """`moment`, which has a time zone, as `2026-01-01T00:00:00.000Z`.

    Always `LENGTH` characters, so that timestamps sort as the moments do. Raises ValueError for a moment without a
    time zone.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
