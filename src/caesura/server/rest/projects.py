"""Routes that list, show, rename and delete projects."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from sqlalchemy import Connection

from caesura.errors import UsageError
from caesura.ledger.projects import delete_project, rename_project
from caesura.ledger.scopes import READ_PROJECT
from caesura.server.rest.auth import (
    Caller,
    CurrentLedger,
    ProjectToDelete,
    ProjectToRead,
    ProjectToWrite,
    manager_for,
)
from caesura.server.rest.errors import PROJECT_NOT_FOUND, conflict, error_responses, failed
from caesura.server.rest.request_body import read_body, request_body_schema
from caesura.server.rest.request_models import NoQuery, PageQuery, RenameProjectRequest
from caesura.server.rest.response_models import ListedProject, Message, ProjectFacts, Projects

router = APIRouter(tags=["projects"])


@router.get("/v1/projects", name="list", responses=error_responses(ids=False))
async def list_projects(
    caller: Annotated[Caller, Depends(manager_for(READ_PROJECT))], ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> Projects:
    """The project that the key belongs to."""
    project = ledger.access.projects.get(caller.access.project_id)
    found = [] if project is None else [ListedProject(project_id=project.project_id, name=project.name)]
    return Projects(projects=found)


@router.get("/v1/projects/{project_id}", name="get", responses=error_responses())
async def get_project(project: ProjectToRead, _: Annotated[PageQuery, Query()]) -> ProjectFacts:
    """One project. Parameters of pages are accepted and ignored."""
    return ProjectFacts(project_id=project.project_id, name=project.name, mip_opt_out=True)


@router.patch(
    "/v1/projects/{project_id}",
    responses=error_responses(408, 409, 413),
    openapi_extra=request_body_schema(RenameProjectRequest),
)
async def rename(
    request: Request, project: ProjectToWrite, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> Message:
    """Rename a project. Names are unique on a server."""
    body = await read_body(request, RenameProjectRequest)

    def renaming(connection: Connection) -> bool:
        return rename_project(connection, project.project_id, body.name)

    try:
        renamed = await ledger.write(renaming)
    except UsageError as error:
        raise failed(conflict(str(error))) from None
    if not renamed:
        raise failed(PROJECT_NOT_FOUND)
    return Message(message="The project is renamed.")


@router.delete("/v1/projects/{project_id}", responses=error_responses(409))
async def delete(project: ProjectToDelete, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]) -> Message:
    """Delete a project and revoke its keys; its request records stay."""

    def deleting(connection: Connection) -> bool:
        return delete_project(connection, project.project_id, now=datetime.now(UTC))

    try:
        deleted = await ledger.write(deleting)
    except UsageError as error:
        raise failed(conflict(str(error))) from None
    if not deleted:
        raise failed(PROJECT_NOT_FOUND)
    return Message(message="The project is deleted and its keys are revoked.")
