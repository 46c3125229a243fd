"""Routes for the usage of a project, by day and group."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated

from fastapi import APIRouter, Query

from caesura.ledger.projects import Project
from caesura.ledger.requests import RequestFilter
from caesura.ledger.usage import Grouping, UsageRow, usage_fields
from caesura.server.rest.aggregation import aggregate, days
from caesura.server.rest.auth import CurrentLedger, CurrentService, UsageToRead
from caesura.server.rest.errors import error_responses
from caesura.server.rest.request_models import RangeQuery, UsageBreakdownQuery, UsageQuery
from caesura.server.rest.usage_response_models import (
    Resolution,
    Usage,
    UsageBreakdown,
    UsageFieldsFound,
    UsageGroup,
    UsageOfDay,
    UsageRowModel,
    UsedModel,
)
from caesura.server.service import Service

router = APIRouter(tags=["usage"])
BY_DAY = Resolution(units="day", amount=1)
HOUR_S = 3600.0
SEVERAL = "multi"


@router.get("/v1/projects/{project_id}/usage", responses=error_responses())
async def get(project: UsageToRead, ledger: CurrentLedger, query: Annotated[UsageQuery, Query()]) -> Usage:
    """What a project used each day."""
    rows = await ledger.read(
        lambda connection: aggregate(connection, request_filter(project, query), tag=query.tag, features=query.features)
    )
    first, last = days(rows, query.start, query.end, today=today())
    results = [
        UsageOfDay(
            start=day(row),
            end=day(row),
            hours=row.totals.audio_seconds / HOUR_S,
            total_hours=row.totals.billed_seconds / HOUR_S,
            requests=row.totals.requests,
        )
        for row in rows
    ]
    return Usage(start=first.isoformat(), end=last.isoformat(), resolution=BY_DAY, results=results)


@router.get("/v1/projects/{project_id}/usage/fields", responses=error_responses())
async def fields(
    project: UsageToRead, ledger: CurrentLedger, service: CurrentService, query: Annotated[RangeQuery, Query()]
) -> UsageFieldsFound:
    """Values that occur in the requests of a project, to filter by."""
    criteria = RequestFilter(project_id=project.project_id, start=query.start, end=query.end)
    found = await ledger.read(lambda connection: usage_fields(connection, criteria))
    return UsageFieldsFound(
        tags=list(found.tags),
        models=[_used_model(service, name, uuid) for name, uuid in found.models],
        processing_methods=list(found.methods),
        features=list(found.features),
    )


@router.get("/v1/projects/{project_id}/usage/breakdown", responses=error_responses())
async def breakdown(
    project: UsageToRead, ledger: CurrentLedger, query: Annotated[UsageBreakdownQuery, Query()]
) -> UsageBreakdown:
    """What a project used each day, grouped as requested."""
    by = {Grouping(name) for name in query.grouping}
    rows = await ledger.read(
        lambda connection: aggregate(
            connection, request_filter(project, query), by=by, tag=query.tag, features=query.features
        )
    )
    first, last = days(rows, query.start, query.end, today=today())
    results = [
        UsageRowModel(
            hours=row.totals.audio_seconds / HOUR_S,
            total_hours=row.totals.billed_seconds / HOUR_S,
            requests=row.totals.requests,
            grouping=_group(row),
        )
        for row in rows
    ]
    return UsageBreakdown(start=first.isoformat(), end=last.isoformat(), resolution=BY_DAY, results=results)


def request_filter(project: Project, query: UsageQuery) -> RequestFilter:
    """The ledger's filter for a query."""
    return RequestFilter(
        project_id=project.project_id,
        start=query.start,
        end=query.end,
        accessor=query.accessor,
        endpoint=query.endpoint,
        method=query.method,
        deployment=query.deployment,
        model=query.model,
    )


def today() -> date:
    """The current date in UTC."""
    return datetime.now(UTC).date()


def day(row: UsageRow) -> str:
    """The day of a row of daily usage."""
    assert row.day is not None
    return row.day.isoformat()


def _group(row: UsageRow) -> UsageGroup:
    return UsageGroup(
        start=day(row),
        end=day(row),
        accessor=row.accessor,
        endpoint=row.endpoint,
        feature_set=None if row.feature_set is None else ",".join(row.feature_set),
        models=None if row.model_uuid is None else [row.model_uuid],
        method=row.method,
        tags=None if row.tags is None else list(row.tags),
        deployment=row.deployment,
    )


def _used_model(service: Service, name: str, uuid: str) -> UsedModel:
    for engine in service.engines:
        if engine.model.uuid == uuid:
            languages = engine.info.languages
            language = languages[0] if len(languages) == 1 else SEVERAL
            return UsedModel(name=name, language=language, version=engine.model.version, model_id=uuid)
    return UsedModel(name=name, language=None, version=None, model_id=uuid)
