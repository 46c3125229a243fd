"""Python values in, what both databases store alike out: the kinds of column that the ledger is made of."""

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
_UNTAKEN = re.compile("[\0\ud800-\udfff]")


class Moment(TypeDecorator[datetime]):
    """A point in time, to the millisecond, in UTC. Text, because SQLite knows no moments and text sorts as they do."""

    impl = String(LENGTH)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """As text."""
        return None if value is None else rfc3339(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """As an aware datetime in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class Dollars(TypeDecorator[float]):
    """US dollars, kept as whole nanodollars: sums are exact, and a tenth of a second still costs something."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: float | None, dialect: Dialect) -> int | None:
        """As nanodollars."""
        return None if value is None else round(value * NANO)

    def process_result_value(self, value: int | Decimal | None, dialect: Dialect) -> float | None:
        """As dollars; PostgreSQL sums whole numbers into a Decimal."""
        return None if value is None else int(value) / NANO


class Plain(TypeDecorator[str]):
    """Text from outside. PostgreSQL takes neither a NUL nor half a surrogate pair: both become U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Without what no database takes."""
        return None if value is None else _UNTAKEN.sub("\ufffd", value)


class Short(Plain):
    """The same, of a length that is known: ids and words of our own, which are compared with text from outside."""

    impl = String  # type: ignore[assignment]  # a kind of text, which is all that `Plain` asks for
    cache_ok = True


class Strings(TypeDecorator[tuple[str, ...]]):
    """A few strings in their order, as a JSON list in ASCII: equal lists are equal texts and can be grouped by."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[str] | None, dialect: Dialect) -> str | None:
        """As JSON."""
        return None if value is None else json.dumps(list(value), separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...] | None:
        """As a tuple."""
        return None if value is None else tuple(json.loads(value))


class Facts(TypeDecorator[Mapping[str, object]]):
    """Names with their values, as a JSON object in ASCII with its names sorted."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Mapping[str, object] | None, dialect: Dialect) -> str | None:
        """As JSON."""
        return None if value is None else json.dumps(dict(value), separators=(",", ":"), sort_keys=True)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Mapping[str, object] | None:
        """As a mapping."""
        return None if value is None else json.loads(value)
