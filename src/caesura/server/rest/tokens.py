"""Routes that create temporary tokens and describe the credential that was presented."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from caesura.ledger.scopes import GRANT
from caesura.rfc3339 import rfc3339
from caesura.server.rest.auth import CurrentCaller, CurrentLedger
from caesura.server.rest.errors import error_responses, failed, forbidden
from caesura.server.rest.request_body import read_body, request_body_schema
from caesura.server.rest.request_models import CreateTokenRequest, NoQuery
from caesura.server.rest.response_models import Granted, KeyFacts

router = APIRouter(tags=["auth"])


@router.post(
    "/v1/auth/grant",
    responses=error_responses(408, 413, ids=False),
    openapi_extra=request_body_schema(CreateTokenRequest, optional=True),
)
async def grant(
    request: Request, caller: CurrentCaller, ledger: CurrentLedger, _: Annotated[NoQuery, Query()]
) -> Granted:
    """Create a temporary token, which may transcribe and nothing else; needs a key with a role."""
    if caller.temporary or not caller.access.may(GRANT):
        raise failed(forbidden("Only a key of the role member, admin or owner may make temporary tokens."))
    body = await read_body(request, CreateTokenRequest, optional=True)
    token = ledger.grant_token(caller.access, body.ttl_s)
    return Granted(access_token=token.access_token, expires_in=token.expires_in)


@router.get("/v1/auth/token", responses=error_responses(ids=False), response_model_exclude_unset=True)
async def facts(caller: CurrentCaller, _: Annotated[NoQuery, Query()]) -> KeyFacts:
    """Information on the key or temporary token that was presented; not its secret."""
    access, key = caller.access, caller.key
    known = KeyFacts(
        api_key_id=access.api_key_id,
        project_id=access.project_id,
        scopes=sorted(access.scopes - {GRANT}) if key is None else list(key.scopes),
        tags=list(access.tags),
        temporary=caller.temporary,
    )
    if key is not None:
        known.comment, known.created = key.comment, rfc3339(key.created)
        if key.expires is not None:
            known.expiration_date = rfc3339(key.expires)
    return known
