"""Aggregates usage by day and group, with filters by tag and feature that the database cannot apply."""

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
"""Most requests that are grouped by tags: each may have different tags."""


def aggregate(
    connection: Connection,
    criteria: RequestFilter,
    *,
    by: Collection[Grouping] = (),
    tag: str | None = None,
    features: Mapping[str, bool] | None = None,
) -> list[UsageRow]:
    """Usage of the matching requests, a row for each day and group, in order.

    Requests match `features` if they have any of the features that are true there, and none of those that are false.

    Raises HTTPException, 400, if too many requests would have to be grouped by tags.
    """
    # The tags of a request are one text in the database, and so are its features: filtering by one needs groups.
    filtered = {Grouping.TAGS} if tag is not None else set()
    filtered |= {Grouping.FEATURE_SET} if features else set()
    every = set(by) | filtered
    if Grouping.TAGS in every and count_requests(connection, criteria) > MAX_GROUPED_REQUESTS:
        raise failed(
            bad_query(f"more than {MAX_GROUPED_REQUESTS} requests would be grouped by tags: give start and end")
        )
    rows = sum_usage(connection, criteria, by=every, by_day=True)
    kept = [row for row in rows if _has_tag(row, tag) and _has_features(row, features or {})]
    return _merged(kept, filtered - set(by)) if filtered - set(by) else kept


def days(rows: list[UsageRow], start: datetime | None, end: datetime | None, *, today: date) -> tuple[date, date]:
    """First and last day of a range; without `start` or `end`, from the first row to today."""
    found = [row.day for row in rows if row.day is not None]
    last = today if end is None else last_day(end)
    return (min(found, default=last) if start is None else start.date()), last


def _has_tag(row: UsageRow, tag: str | None) -> bool:
    return tag is None or tag in (row.tags or ())


def _has_features(row: UsageRow, features: Mapping[str, bool]) -> bool:
    has = set(row.feature_set or ())
    any_of = {name for name, included in features.items() if included}
    none_of = features.keys() - any_of
    return not has & none_of and (not any_of or bool(has & any_of))


def _merged(rows: list[UsageRow], dropped: set[Grouping]) -> list[UsageRow]:
    """The rows merged over groupings that were needed for filtering only."""
    found: dict[UsageRow, UsageRow] = {}
    blank = {"tags": None} if Grouping.TAGS in dropped else {}
    blank |= {"feature_set": None} if Grouping.FEATURE_SET in dropped else {}
    for row in rows:
        group = replace(row, totals=_NO_TOTALS, **blank)
        found[group] = replace(group, totals=row.totals + found[group].totals if group in found else row.totals)
    return sorted(found.values(), key=_order)


def _order(row: UsageRow) -> tuple[str, ...]:
    parts = (row.day, row.accessor, row.endpoint, row.feature_set, row.model_name, row.method, row.tags, row.deployment)
    return tuple(str(part or "") for part in parts)


_NO_TOTALS = Totals()
