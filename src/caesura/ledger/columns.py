"""Column types that SQLite and PostgreSQL store alike."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from sqlalchemy import BigInteger, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from caesura.rfc3339 import LENGTH, rfc3339

NANO = 1_000_000_000
_REJECTED = re.compile("[\0\ud800-\udfff]")


class Timestamp(TypeDecorator[datetime]):
    """Point in time in UTC, to the millisecond. Stored as text that sorts by time, since SQLite has no such type."""

    impl = String(LENGTH)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Convert to text for storage."""
        return None if value is None else rfc3339(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Convert stored text to an aware datetime in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class Dollars(TypeDecorator[float]):
    """US dollars, stored as whole nanodollars: sums are exact, and the price of a tenth of a second is not 0."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        """Convert to nanodollars for storage."""
        return None if value is None else round(value * NANO)

    def process_result_value(self, value: int | Decimal | None, dialect: Dialect) -> float | None:
        """Convert to dollars; a sum from PostgreSQL is a Decimal."""
        return None if value is None else int(value) / NANO


class SafeText(TypeDecorator[str]):
    """Text from users. PostgreSQL accepts neither NUL nor lone surrogates: both are replaced by U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Replace characters that a database rejects."""
        return None if value is None else _REJECTED.sub("\ufffd", value)


class ShortText(SafeText):
    """Text of bounded length, cleaned like SafeText: ids and enum values, which are compared with text from outside."""

    impl = String  # type: ignore[assignment]  # VARCHAR is a kind of text too
    cache_ok = True


class StringList(TypeDecorator[tuple[str, ...]]):
    """Short list of strings, as JSON in ASCII: equal lists are equal texts and can be grouped by."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:
        """Convert to JSON for storage."""
        return None if value is None else json.dumps(list(value), separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """Convert stored JSON to a tuple."""
        return None if value is None else tuple(json.loads(value))


class JsonObject(TypeDecorator[Mapping[str, object]]):
    """Mapping of names to values, as a JSON object in ASCII with sorted names."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | None, dialect: Dialect) -> str | None:
        """Convert to JSON for storage."""
        return None if value is None else json.dumps(dict(value), separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, object] | None:
        """Convert stored JSON to a mapping."""
        return None if value is None else json.loads(value)
