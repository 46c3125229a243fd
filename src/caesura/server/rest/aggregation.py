"""Which requests are meant in; their sums by day and group out, told apart by tags and features too."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime

from sqlalchemy import Connection

from caesura.ledger.requests import RequestFilter, count_requests
from caesura.ledger.usage import Grouping, Totals, UsageRow, sum_usage
from caesura.server.rest.errors import bad_query, failed
from caesura.server.rest.timestamps import last_day

MAX_GROUPED_REQUESTS = 200_000
"""Requests that are grouped by tags, of which each may have its own."""


def aggregate(
    connection: Connection,
    wanted: RequestFilter,
    *,
    by: Collection[Grouping] = (),
    tag: str | None = None,
    features: Mapping[str, bool] | None = None,
) -> list[UsageRow]:
    """A row for each day and group, in order.

    A feature that is true is wanted, together with any other such; one that is false is not.

    Raises HTTPException, 400, when too many requests would have to be told apart by their tags.
    """
    # Tags and features of a request are one text in the database: what filters by a single one looks into groups.
    looked_into = {Grouping.TAGS} if tag is not None else set()
    looked_into |= {Grouping.FEATURE_SET} if features else set()
    every = set(by) | looked_into
    if Grouping.TAGS in every and count_requests(connection, wanted) > MAX_GROUPED_REQUESTS:
        raise failed(
            bad_query(f"more than {MAX_GROUPED_REQUESTS} requests would be told apart by tags: give start and end")
        )
    rows = sum_usage(connection, wanted, by=every, by_day=True)
    kept = [row for row in rows if _has_tag(row, tag) and _has_features(row, features or {})]
    return _merged(kept, looked_into - set(by)) if looked_into - set(by) else kept


def days(rows: list[UsageRow], start: datetime | None, end: datetime | None, *, today: date) -> tuple[date, date]:
    """The first and last day of a range: what was asked for, else from the first row to today."""
    found = [row.day for row in rows if row.day is not None]
    last = today if end is None else last_day(end)
    return (min(found, default=last) if start is None else start.date()), last


def _has_tag(row: UsageRow, tag: str | None) -> bool:
    return tag is None or tag in (row.tags or ())


def _has_features(row: UsageRow, features: Mapping[str, bool]) -> bool:
    has = set(row.feature_set or ())
    wanted = {name for name, wanted in features.items() if wanted}
    unwanted = features.keys() - wanted
    return not has & unwanted and (not wanted or bool(has & wanted))


def _merged(rows: list[UsageRow], forgotten: set[Grouping]) -> list[UsageRow]:
    """The rows without what they were told apart by in vain."""
    found: dict[UsageRow, UsageRow] = {}
    blank = {"tags": None} if Grouping.TAGS in forgotten else {}
    blank |= {"feature_set": None} if Grouping.FEATURE_SET in forgotten else {}
    for row in rows:
        group = replace(row, totals=_NOTHING, **blank)
        found[group] = replace(group, totals=row.totals + found[group].totals if group in found else row.totals)
    return sorted(found.values(), key=_order)


def _order(row: UsageRow) -> tuple[str, ...]:
    parts = (row.day, row.accessor, row.endpoint, row.feature_set, row.model_name, row.method, row.tags, row.deployment)
    return tuple(str(part or "") for part in parts)


_NOTHING = Totals()
