"""Authentication and authorization of management routes: the caller, the project, and the required scope.

Each route depends on one of these functions, which refuse in this order: no valid key (401), a malformed id (404),
a project that is not the caller's (404, as if it did not exist), a missing scope (401; 403 for temporary tokens).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Path, Request
from pydantic import AfterValidator

from caesura.ledger.access import Access, AccessTable
from caesura.ledger.keys import Key, digest
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project
from caesura.ledger.scopes import DELETE_PROJECT as DELETE
from caesura.ledger.scopes import READ_BILLING, READ_KEYS, READ_PROJECT, READ_USAGE, ROLES, WRITE_KEYS, WRITE_PROJECT
from caesura.protocol.closing import SERVICE_UNAVAILABLE
from caesura.server.accounts.credentials import is_loopback, parse_credential
from caesura.server.accounts.ledger_writer import LedgerWriter
from caesura.server.prerecorded.active import ActiveRecordings
from caesura.server.rest.errors import (
    INVALID_AUTH,
    PROJECT_NOT_FOUND,
    bad_id,
    bad_query,
    failed,
    forbidden,
    insufficient,
    quoted,
    refused,
)
from caesura.server.service import Service

UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
REPEATED = frozenset({"grouping"})
"""Query parameters that may be repeated."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated sender of a request."""

    access: Access
    key: Key | None = None
    """The key that was presented; None for a flag key, for a temporary token, and if no key is required."""
    temporary: bool = False
    """Whether a temporary token was presented, which may transcribe and nothing else."""


def _ledger(request: Request) -> LedgerWriter:
    service = _service(request)
    given: LedgerWriter | None = request.app.state.ledger_writer
    if given is None and not service.admits_requests:
        raise failed(refused(SERVICE_UNAVAILABLE))
    return service.ledger_writer if given is None else given


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


def _recordings(request: Request) -> ActiveRecordings:
    recordings: ActiveRecordings = request.app.state.recordings
    return recordings


CurrentLedger = Annotated[LedgerWriter, Depends(_ledger)]
CurrentService = Annotated[Service, Depends(_service)]
CurrentRecordings = Annotated[ActiveRecordings, Depends(_recordings)]
Id = Annotated[str, Path(json_schema_extra={"format": "uuid"}), AfterValidator(str.lower)]
"""An id in a path, in lower case; its form is checked by `with_ids`."""


async def authenticate(request: Request, ledger: CurrentLedger, service: CurrentService) -> Caller:
    """The caller. Raises HTTPException, 401, without a valid key."""
    secret = parse_credential(request.headers.get("authorization"), ()).secret
    access = ledger.verify(secret)
    if access is None:
        if not service.settings.no_auth:
            raise failed(INVALID_AUTH)
        return Caller(Access(DEFAULT_PROJECT_ID, None, ROLES["member"]))
    if not ledger.key_required:
        return Caller(_unkeyed(access, request, service))
    known = digest(secret or "")
    return Caller(access, ledger.access.keys.get(known), temporary=_is_temporary(ledger.access, known))


CurrentCaller = Annotated[Caller, Depends(authenticate)]


async def with_ids(request: Request, caller: CurrentCaller) -> Caller:
    """The caller, after checking the form of all ids in the path. Raises HTTPException, 404."""
    for name, value in request.path_params.items():
        if name.endswith("_id") and not UUID.fullmatch(value):
            raise failed(bad_id(value))
    return caller


async def manager(request: Request, caller: Annotated[Caller, Depends(with_ids)]) -> Caller:
    """The caller of a route outside projects, who must not use a temporary token. Raises HTTPException."""
    _check_not_temporary(caller)
    _check_not_repeated(request)
    return caller


Manager = Annotated[Caller, Depends(manager)]


def manager_for(scope: str) -> Callable[..., Awaitable[Caller]]:
    """Return a dependency that provides the caller, who must have this scope."""

    async def admitted(caller: Manager) -> Caller:
        check_scope(caller, scope)
        return caller

    return admitted


def project_for(scope: str) -> Callable[..., Awaitable[Project]]:
    """Return a dependency that provides the project in the path; it must be the caller's, who must have this scope."""

    async def admitted(
        request: Request, project_id: Id, caller: Annotated[Caller, Depends(with_ids)], ledger: CurrentLedger
    ) -> Project:
        project = ledger.access.projects.get(project_id)
        if project is None or project.project_id != caller.access.project_id:
            raise failed(PROJECT_NOT_FOUND)
        _check_not_temporary(caller)
        check_scope(caller, scope)
        _check_not_repeated(request)
        return project

    return admitted


def check_scope(caller: Caller, scope: str) -> None:
    """Raise HTTPException, 401, if the caller lacks `scope`."""
    if not caller.access.may(scope):
        raise failed(insufficient(f"The key needs the scope {scope}."))


ProjectToRead = Annotated[Project, Depends(project_for(READ_PROJECT))]
ProjectToWrite = Annotated[Project, Depends(project_for(WRITE_PROJECT))]
ProjectToDelete = Annotated[Project, Depends(project_for(DELETE))]
KeysToRead = Annotated[Project, Depends(project_for(READ_KEYS))]
KeysToWrite = Annotated[Project, Depends(project_for(WRITE_KEYS))]
UsageToRead = Annotated[Project, Depends(project_for(READ_USAGE))]
BillingToRead = Annotated[Project, Depends(project_for(READ_BILLING))]


def _unkeyed(access: Access, request: Request, service: Service) -> Access:
    # A local user may create the first key. A remote client behind a proxy, or a web page with a rebound DNS name,
    # sends another name in the Host header.
    here = is_loopback(service.settings.host) and is_loopback(_host(request.headers.get("host", "")))
    return replace(access, scopes=ROLES["owner"]) if here else access


def _host(header: str) -> str:
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _is_temporary(table: AccessTable, known: str) -> bool:
    return known not in table.keys and known not in table.flag_keys


def _check_not_temporary(caller: Caller) -> None:
    if caller.temporary:
        raise failed(forbidden("A temporary token may transcribe and nothing else: send the API key itself."))


def _check_not_repeated(request: Request) -> None:
    for name, times in Counter(name for name, _ in request.query_params.multi_items()).items():
        if times > 1 and name not in REPEATED:
            raise failed(bad_query(f"{quoted(name)} is given {times} times: give it once"))
