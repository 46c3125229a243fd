"""Routes for the records of single requests: their usage, but never any transcript."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from caesura.ledger.requests import Outcome, RequestFilter, RequestRecord, find_request, find_requests
from caesura.rfc3339 import rfc3339
from caesura.server.rest.auth import CurrentLedger, Id, UsageToRead
from caesura.server.rest.errors import error_responses, failed, not_found
from caesura.server.rest.request_models import NoQuery, RequestsQuery
from caesura.server.rest.response_models import Deployment
from caesura.server.rest.usage_response_models import (
    OneRequest,
    RequestDetails,
    RequestFacts,
    RequestResponse,
    Requests,
)

router = APIRouter(tags=["requests"])


@router.get("/v1/projects/{project_id}/requests", name="list", responses=error_responses())
async def list_all(project: UsageToRead, ledger: CurrentLedger, query: Annotated[RequestsQuery, Query()]) -> Requests:
    """A page of the requests of a project, the newest first; pages count from 0."""
    criteria = RequestFilter(
        project_id=project.project_id,
        start=query.start,
        end=query.end,
        accessor=query.accessor,
        request_id=query.request_id,
        endpoint=query.endpoint,
        method=query.method,
        deployment=query.deployment,
        status=query.status,
    )

    def finding(connection: Connection) -> list[RequestRecord]:
        return find_requests(connection, criteria, limit=query.limit, page=query.page)

    found = await ledger.read(finding)
    return Requests(page=query.page, limit=query.limit, requests=[facts(each) for each in found])


@router.get("/v1/projects/{project_id}/requests/{request_id}", responses=error_responses())
async def get(
    project: UsageToRead, request_id: Id, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> OneRequest:
    """One request."""
    found = await ledger.read(lambda connection: find_request(connection, request_id, project_id=project.project_id))
    if found is None:
        raise failed(not_found("The project has no request of that id."))
    return OneRequest(request=facts(found))


def facts(request: RequestRecord) -> RequestFacts:
    """A request as the wire shows it."""
    return RequestFacts(
        request_id=request.request_id,
        project_uuid=request.project_id,
        created=rfc3339(request.created),
        path=request.path,
        api_key_id=request.api_key_id,
        response=None if request.outcome is Outcome.OPEN else _response(request),
        code=request.code,
        deployment=_deployment(request),
        callback=request.callback,
    )


def _response(request: RequestRecord) -> RequestResponse:
    return RequestResponse(
        details=RequestDetails(
            usd=request.usd,
            duration=request.audio_seconds,
            total_audio=request.billed_seconds,
            channels=request.channels,
            streams=1,
            models=[request.model_uuid],
            method=request.method.value,
            tags=list(request.tags),
            features=list(request.features),
            config=dict(request.config),
            outcome=cast(Literal["succeeded", "failed", "interrupted"], request.outcome.value),
            connection_seconds=request.connection_seconds,
            paused_seconds=request.paused_seconds,
            saved_usd=request.saved_usd,
            keepalive_count=request.keepalive_count,
            bytes_in=request.bytes_in,
            close_code=request.close_code,
            close_reason=request.close_reason,
        ),
        token_details=[],
        code=request.code,
        completed=None if request.completed is None else rfc3339(request.completed),
        deployment=_deployment(request),
    )


def _deployment(request: RequestRecord) -> Deployment:
    return cast(Deployment, request.deployment)
