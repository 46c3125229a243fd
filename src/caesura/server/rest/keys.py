"""Routes for the API keys of a project."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request
from sqlalchemy import Connection

from caesura.errors import UsageError
from caesura.ledger.keys import Key, NewKey, create_key, find_key, list_keys, revoke_key
from caesura.ledger.projects import Project
from caesura.ledger.scopes import GRANT, allowed, check_scopes
from caesura.rfc3339 import rfc3339
from caesura.server.rest.auth import CurrentCaller, CurrentLedger, Id, KeysToRead, KeysToWrite
from caesura.server.rest.errors import bad_body, error_responses, failed, insufficient, not_found
from caesura.server.rest.members import NO_ADDRESS, member_of
from caesura.server.rest.request_body import read_body, request_body_schema
from caesura.server.rest.request_models import CreateKeyRequest, KeysQuery, NoQuery
from caesura.server.rest.response_models import (
    KeyInMember,
    KeyItem,
    KeyOfMember,
    Keys,
    ListedKey,
    ListedMember,
    MemberWithKey,
    Message,
    NewKeyWithSecret,
)

router = APIRouter(tags=["keys"])
NO_KEY = not_found("The project has no key of that id.")


@router.get(
    "/v1/projects/{project_id}/keys", name="list", responses=error_responses(), response_model_exclude_none=True
)
async def list_all(project: KeysToRead, ledger: CurrentLedger, query: Annotated[KeysQuery, Query()]) -> Keys:
    """The keys of a project, the oldest first; without revoked ones."""
    now = datetime.now(UTC)
    keys = await ledger.read(lambda connection: list_keys(connection, project.project_id))
    member = ListedMember(member_id=member_of(project), email=NO_ADDRESS)
    kept = [key for key in keys if key.revoked is None and query.status in (None, _status(key, now))]
    return Keys(api_keys=[KeyOfMember(member=member, api_key=listed_key(key)) for key in kept])


@router.post(
    "/v1/projects/{project_id}/keys",
    responses=error_responses(408, 413),
    response_model_exclude_none=True,
    openapi_extra=request_body_schema(CreateKeyRequest),
)
async def create(
    request: Request, project: KeysToWrite, caller: CurrentCaller, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> NewKeyWithSecret:
    """Create a key. Its secret is in this response only. It cannot have more scopes than the key that creates it."""
    body = await read_body(request, CreateKeyRequest)
    now = datetime.now(UTC)
    try:
        excess = allowed(check_scopes(body.scopes)) - caller.access.scopes
        if excess:
            lacking = ", ".join(sorted(excess - {GRANT}) or ["member"])
            raise failed(insufficient(f"A key cannot make one that may do more than itself: {lacking}."))
        made = await ledger.write(lambda connection: _make(connection, project, body, now))
    except UsageError as error:
        raise failed(bad_body(f"Json deserialize error: {error}")) from None
    return NewKeyWithSecret(key=made.secret, **listed_key(made.key).model_dump(exclude={"created"}))


@router.get("/v1/projects/{project_id}/keys/{key_id}", responses=error_responses(), response_model_exclude_none=True)
async def get(project: KeysToRead, key_id: Id, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]) -> KeyItem:
    """One key."""
    key = await ledger.read(lambda connection: find_key(connection, key_id, project_id=project.project_id))
    if key is None or key.revoked is not None:
        raise failed(NO_KEY)
    member = MemberWithKey(member_id=member_of(project), email=NO_ADDRESS, api_key=listed_key(key))
    return KeyItem(item=KeyInMember(member=member))


@router.delete("/v1/projects/{project_id}/keys/{key_id}", responses=error_responses())
async def revoke(project: KeysToWrite, key_id: Id, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]) -> Message:
    """Revoke a key for good. Every server on this ledger closes its streams within a second."""

    def revoking(connection: Connection) -> bool:
        known = find_key(connection, key_id, project_id=project.project_id)
        return known is not None and revoke_key(connection, key_id, now=datetime.now(UTC))

    if not await ledger.write(revoking):
        raise failed(NO_KEY)
    return Message(message="The key is revoked.")


def listed_key(key: Key) -> ListedKey:
    """A key as the wire shows it."""
    return ListedKey(
        api_key_id=key.api_key_id,
        comment=key.comment,
        scopes=list(key.scopes),
        tags=list(key.tags),
        created=rfc3339(key.created),
        expiration_date=None if key.expires is None else rfc3339(key.expires),
    )


def _make(connection: Connection, project: Project, body: CreateKeyRequest, now: datetime) -> NewKey:
    lasting = body.time_to_live_in_seconds
    return create_key(
        connection,
        project_id=project.project_id,
        now=now,
        comment=body.comment,
        scopes=body.scopes,
        tags=body.tags or (),
        expires=body.expiration_date if lasting is None else now + timedelta(seconds=lasting),
    )


def _status(key: Key, now: datetime) -> str:
    return "active" if key.is_valid(now) else "expired"
