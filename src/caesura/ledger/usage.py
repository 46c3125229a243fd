"""Sums the usage of requests by group and day."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

from caesura.ledger.requests import Outcome, RequestFilter
from caesura.ledger.schema import requests

DAY_LENGTH = len("2026-01-01")


class Grouping(StrEnum):
    """Criteria by which usage can be grouped."""

    ACCESSOR = "accessor"
    ENDPOINT = "endpoint"
    FEATURE_SET = "feature_set"
    MODELS = "models"
    METHOD = "method"
    TAGS = "tags"
    DEPLOYMENT = "deployment"


@dataclass(frozen=True, slots=True)
class Totals:
    """Totals over requests, in seconds and US dollars."""

    requests: int = 0
    failed: int = 0
    """Requests that failed or were interrupted."""
    audio_seconds: float = 0.0
    billed_seconds: float = 0.0
    connection_seconds: float = 0.0
    paused_seconds: float = 0.0
    usd: float = 0.0
    saved_usd: float = 0.0

    def __add__(self, other: Totals) -> Totals:
        return Totals(
            self.requests + other.requests,
            self.failed + other.failed,
            self.audio_seconds + other.audio_seconds,
            self.billed_seconds + other.billed_seconds,
            self.connection_seconds + other.connection_seconds,
            self.paused_seconds + other.paused_seconds,
            self.usd + other.usd,
            self.saved_usd + other.saved_usd,
        )


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Totals of one group; fields that were not grouped by are None."""

    totals: Totals
    day: date | None = None
    """In UTC."""
    accessor: str | None = None
    """Id of a key; None also for requests without one."""
    endpoint: str | None = None
    feature_set: tuple[str, ...] | None = None
    model_name: str | None = None
    model_uuid: str | None = None
    method: str | None = None
    tags: tuple[str, ...] | None = None
    """All tags of a request; each combination is a group of its own."""
    deployment: str | None = None


@dataclass(frozen=True, slots=True)
class UsageFields:
    """Values that occur in requests and can be used in filters."""

    tags: tuple[str, ...]
    models: tuple[tuple[str, str], ...]
    """Names with UUIDs."""
    methods: tuple[str, ...]
    features: tuple[str, ...]


def sum_usage(
    connection: Connection, criteria: RequestFilter, *, by: Collection[Grouping] = (), by_day: bool = False
) -> list[UsageRow]:
    """Totals of the matching requests, one row for each group that occurs, ordered by day (with `by_day`) and group.

    Without groups there is exactly one row, even if there are no requests. Open requests are left out: their usage is
    known only at their end.
    """
    columns = _columns(by, by_day)
    query = (
        select(*(column.label(name) for name, column in columns.items()), *_SUMS)
        .where(*criteria.conditions(), requests.c.outcome != Outcome.OPEN)
        .group_by(*columns.values())
        .order_by(*columns.values())
    )
    return [_usage_row(row, list(columns)) for row in connection.execute(query).mappings()]


def usage_fields(connection: Connection, criteria: RequestFilter) -> UsageFields:
    """Every tag, model, method and feature of the matching requests, without duplicates, sorted."""

    def each(*columns: ColumnElement[Any]) -> list[Any]:
        return list(connection.execute(select(*columns).where(*criteria.conditions()).distinct()))

    return UsageFields(
        tags=tuple(sorted({tag for (tags,) in each(requests.c.tags) for tag in tags})),
        models=tuple(sorted((name, uuid) for name, uuid in each(requests.c.model_name, requests.c.model_uuid))),
        methods=tuple(sorted(method for (method,) in each(requests.c.method))),
        features=tuple(sorted({feature for (features,) in each(requests.c.features) for feature in features})),
    )


_DAY = func.substr(requests.c.created, 1, DAY_LENGTH, type_=requests.c.request_id.type)
_SUMS = (
    func.count().label("requests"),
    func.coalesce(func.sum(case((requests.c.outcome == Outcome.SUCCEEDED, 0), else_=1)), 0).label("failed"),
    func.sum(requests.c.audio_seconds).label("audio_seconds"),
    func.sum(requests.c.billed_seconds).label("billed_seconds"),
    func.sum(requests.c.connection_seconds).label("connection_seconds"),
    func.sum(requests.c.paused_seconds).label("paused_seconds"),
    func.sum(requests.c.usd).label("usd"),
    func.sum(requests.c.saved_usd).label("saved_usd"),
)
_GROUPED: dict[Grouping, dict[str, ColumnElement[Any]]] = {
    Grouping.ACCESSOR: {"accessor": requests.c.api_key_id},
    Grouping.ENDPOINT: {"endpoint": requests.c.endpoint},
    Grouping.FEATURE_SET: {"feature_set": requests.c.features},
    Grouping.MODELS: {"model_name": requests.c.model_name, "model_uuid": requests.c.model_uuid},
    Grouping.METHOD: {"method": requests.c.method},
    Grouping.TAGS: {"tags": requests.c.tags},
    Grouping.DEPLOYMENT: {"deployment": requests.c.deployment},
}


def _columns(by: Collection[Grouping], by_day: bool) -> dict[str, ColumnElement[Any]]:
    columns: dict[str, ColumnElement[Any]] = {"day": _DAY} if by_day else {}
    for grouping in Grouping:
        if grouping in by:
            columns |= _GROUPED[grouping]
    return columns


def _usage_row(row: Mapping[Any, Any], names: list[str]) -> UsageRow:
    group: dict[str, Any] = {name: row[name] for name in names}
    if "day" in group:
        group["day"] = date.fromisoformat(group["day"])
    # SQL's sum over no rows is NULL.
    sums: dict[str, Any] = {each.key: row[each.key] or 0 for each in _SUMS}
    return UsageRow(Totals(**sums), **group)
