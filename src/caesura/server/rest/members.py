"""Routes for members and invitations: each project has one member, the operator of the server, and no invitations.

The ledger has keys but no accounts. Each project has one member, who owns it and every key in it.
"""

from __future__ import annotations

import uuid
from typing import Annotated

from fastapi import APIRouter, Query

from caesura.ledger.projects import Project
from caesura.server.rest.auth import Id, ProjectToRead, ProjectToWrite
from caesura.server.rest.errors import ManagementFault, error_responses, failed, not_found
from caesura.server.rest.request_models import NoQuery
from caesura.server.rest.response_models import Invites, MemberFacts, Members, Scopes

router = APIRouter(tags=["members"])
NO_ADDRESS = ""
OWNER = "owner"
NO_MEMBER = not_found("The project has no member of that id.")
NO_ACCOUNTS = ManagementFault(
    501,
    "NOT_IMPLEMENTED",
    "This server has no accounts: give each person or program a key, POST /v1/projects/{project_id}/keys.",
)
NO_DISTRIBUTION = ManagementFault(
    501, "NOT_IMPLEMENTED", "There is nothing to distribute: this server is a Python package and needs no credentials."
)
NoWishes = Annotated[NoQuery, Query()]


def member_of(project: Project) -> str:
    """The id of the one member of a project, the same each time."""
    return str(uuid.uuid5(uuid.UUID(project.project_id), "member"))


@router.get("/v1/projects/{project_id}/members", responses=error_responses())
async def list_members(project: ProjectToRead, _: NoWishes) -> Members:
    """The one member of a project."""
    return Members(members=[MemberFacts(member_id=member_of(project), email=NO_ADDRESS, scopes=[OWNER])])


@router.get("/v1/projects/{project_id}/members/{member_id}/scopes", responses=error_responses())
async def list_scopes(project: ProjectToRead, member_id: Id, _: NoWishes) -> Scopes:
    """What the member may do: everything."""
    if member_id != member_of(project):
        raise failed(NO_MEMBER)
    return Scopes(scopes=[OWNER])


@router.get("/v1/projects/{project_id}/invites", responses=error_responses())
async def list_invites(_: ProjectToRead, __: NoWishes) -> Invites:
    """The invitations of a project: none."""
    return Invites(invites=[])


async def without_accounts(_: ProjectToWrite) -> None:
    """Refuse to add or remove members: this server has no accounts."""
    raise failed(NO_ACCOUNTS)


async def without_distribution(_: ProjectToRead) -> None:
    """Refuse requests for distribution credentials: this server needs none to be installed."""
    raise failed(NO_DISTRIBUTION)


_CREDENTIALS = "/v1/projects/{project_id}/self-hosted/distribution/credentials"
for _name, _method, _path, _answer in (
    ("leave", "DELETE", "/v1/projects/{project_id}/leave", without_accounts),
    ("remove", "DELETE", "/v1/projects/{project_id}/members/{member_id}", without_accounts),
    ("set_scopes", "PUT", "/v1/projects/{project_id}/members/{member_id}/scopes", without_accounts),
    ("invite", "POST", "/v1/projects/{project_id}/invites", without_accounts),
    ("withdraw_invite", "DELETE", "/v1/projects/{project_id}/invites/{email}", without_accounts),
    ("list_credentials", "GET", _CREDENTIALS, without_distribution),
    ("create_credentials", "POST", _CREDENTIALS, without_distribution),
    ("get_credentials", "GET", f"{_CREDENTIALS}/{{credentials_id}}", without_distribution),
    ("delete_credentials", "DELETE", f"{_CREDENTIALS}/{{credentials_id}}", without_distribution),
):
    router.add_api_route(_path, _answer, name=_name, methods=[_method], responses=error_responses(501), status_code=501)
