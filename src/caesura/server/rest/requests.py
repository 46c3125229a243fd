"""Filters in; what requests used, a page of them or one, out. Never what was said."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from fastapi import APIRouter, Query
from sqlalchemy import Connection

from caesura.ledger.requests import Outcome, Request, RequestFilter, find_request, find_requests
from caesura.rfc3339 import rfc3339
from caesura.server.rest.auth import CurrentLedger, Id, UsageToRead
from caesura.server.rest.errors import errors, failed, not_found
from caesura.server.rest.shapes import Deployment
from caesura.server.rest.usage_shapes import OneRequest, RequestDetails, RequestFacts, RequestResponse, Requests
from caesura.server.rest.wishes import NoQuery, RequestsQuery

router = APIRouter(tags=["requests"])


@router.get("/v1/projects/{project_id}/requests", name="list", responses=errors())
async def list_all(project: UsageToRead, ledger: CurrentLedger, asked: Annotated[RequestsQuery, Query()]) -> Requests:
    """A page of the requests of a project, the newest first; pages count from 0."""
    wanted = RequestFilter(
        project_id=project.project_id,
        start=asked.start,
        end=asked.end,
        accessor=asked.accessor,
        request_id=asked.request_id,
        endpoint=asked.endpoint,
        method=asked.method,
        deployment=asked.deployment,
        status=asked.status,
    )

    def finding(connection: Connection) -> list[Request]:
        return find_requests(connection, wanted, limit=asked.limit, page=asked.page)

    found = await ledger.read(finding)
    return Requests(page=asked.page, limit=asked.limit, requests=[facts(each) for each in found])


@router.get("/v1/projects/{project_id}/requests/{request_id}", responses=errors())
async def get(
    project: UsageToRead, request_id: Id, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> OneRequest:
    """One request."""
    found = await ledger.read(lambda connection: find_request(connection, request_id, project_id=project.project_id))
    if found is None:
        raise failed(not_found("The project has no request of that id."))
    return OneRequest(request=facts(found))


def facts(request: Request) -> RequestFacts:
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


def _response(request: Request) -> RequestResponse:
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


def _deployment(request: Request) -> Deployment:
    return cast(Deployment, request.deployment)
