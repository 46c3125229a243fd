"""Errors of the HTTP routes: the three response shapes of the wire, their handlers and their OpenAPI description.

The data plane and authentication use one JSON shape (`err_code`), the management plane another (`category`), and a
malformed id in a path is answered in plain text. A route raises `failed(fault)`; the handlers here make the response.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException as RoutingError
from starlette.requests import ClientDisconnect

from caesura.errors import LedgerError
from caesura.protocol import closing
from caesura.protocol.closing import Refusal

_log = logging.getLogger("caesura.rest")

MAX_QUOTED = 60
"""Most characters of a value that a response repeats."""


@dataclass(frozen=True, slots=True)
class DataPlaneFault:
    """An error in the shape of the data plane. `err_msg` is printable ASCII, since the header `dg-error` repeats it."""

    status: int
    err_code: str
    err_msg: str
    details: str = ""
    identified: bool = True
    """Whether the body contains the request id too; the header always has it."""
    retry_after_s: int = 0
    """Seconds for the `Retry-After` header; 0 for no such header."""


@dataclass(frozen=True, slots=True)
class ManagementFault:
    """An error in the shape of the management plane."""

    status: int
    category: str
    message: str
    details: str = ""


@dataclass(frozen=True, slots=True)
class PlainTextFault:
    """An error in plain text."""

    status: int
    text: str


Fault = DataPlaneFault | ManagementFault | PlainTextFault


def failed(fault: Fault) -> HTTPException:
    """The exception that a route raises to answer with `fault`."""
    return HTTPException(fault.status, fault)


def refused(refusal: Refusal, details: str = "") -> DataPlaneFault:
    """A refusal of the data plane as a fault."""
    return DataPlaneFault(
        refusal.status,
        refusal.err_code,
        refusal.err_msg,
        details or refusal.details,
        retry_after_s=refusal.retry_after_s,
    )


INVALID_AUTH = refused(closing.INVALID_AUTH)
PROJECT_NOT_FOUND = DataPlaneFault(404, "PROJECT_NOT_FOUND", "Project not found.", identified=False)


def forbidden(details: str) -> DataPlaneFault:
    """The fault for something that a temporary token, or a key without a role, must never do."""
    return DataPlaneFault(403, "FORBIDDEN", "Insufficient permissions.", details, identified=False)


def insufficient(details: str) -> DataPlaneFault:
    """The fault for a key that lacks a scope."""
    return DataPlaneFault(401, "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions.", details)


def not_found(what: str) -> ManagementFault:
    """The fault for something that does not exist; `what` is a sentence."""
    return ManagementFault(404, "NOT_FOUND", what)


def conflict(why: str) -> ManagementFault:
    """The fault for a request that the current state does not permit."""
    return ManagementFault(409, "CONFLICT", why)


def bad_id(value: str) -> PlainTextFault:
    """The fault for an id in a path that is not a UUID."""
    example = "give 36 characters as in 123e4567-e89b-12d3-a456-426614174000"
    return PlainTextFault(404, f"UUID parsing failed: {quoted(value)} is no UUID, {example}")


def bad_query(why: str) -> DataPlaneFault:
    """The fault for a bad query parameter."""
    return DataPlaneFault(400, "INVALID_QUERY_PARAMETER", f"Failed to deserialize query parameters: {why}")


def bad_body(why: str) -> ManagementFault:
    """The fault for a body that is not JSON, or does not match its model."""
    return ManagementFault(400, "INVALID_JSON", "Invalid JSON submitted.", why)


def quoted(value: object) -> str:
    """A value from outside, in printable ASCII and shortened."""
    written = ascii(value)
    return _short(written)


def first_error(errors: Any, *, skip: int = 0) -> str:
    """The first error of pydantic, as field, value and what is wrong; `skip` parts of the field's path are left out."""
    error = errors[0]
    where = _short(".".join(str(part) for part in error["loc"][skip:]))
    if error["type"] == "extra_forbidden":
        # The value is not shown: it may be a secret in the wrong place.
        return f"there is no {where} here: leave it out"
    what = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    if not where or error["type"] == "missing" or not isinstance(given, str | int | float | bool):
        return f"{where}: {what}" if where else what
    return f"{where} is {quoted(given)}: {what}"


def fault_response(fault: Fault, request_id: str) -> Response:
    """The response for `fault`; the application adds the request id as a header."""
    match fault:
        case DataPlaneFault():
            body = {"err_code": fault.err_code, "err_msg": fault.err_msg}
            body |= {"request_id": request_id} if fault.identified else {}
            headers = {"dg-error": fault.err_msg}
            if fault.retry_after_s:
                headers["retry-after"] = str(fault.retry_after_s)
        case ManagementFault():
            body = {"category": fault.category, "message": fault.message}
            body |= {"request_id": request_id}
            headers = {}
        case PlainTextFault():
            return Response(fault.text, fault.status, media_type="text/plain")
    body |= {"details": fault.details} if fault.details else {}
    return Response(json.dumps(body, separators=(",", ":")), fault.status, headers, media_type="application/json")


def handle_errors(api: FastAPI) -> None:
    """Register handlers that answer every error of `api` in one of the shapes."""
    for error, handler in (
        (RoutingError, _on_http_error),
        (RequestValidationError, _on_unreadable_query),
        (LedgerError, _on_ledger_error),
        (ClientDisconnect, _on_disconnect),
        (Exception, _on_internal_error),
    ):
        api.add_exception_handler(error, handler)


def request_id_of(request: Request) -> str:
    """The id that every answer to this request carries."""
    return str(request.state.request_id)


def _on_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RoutingError)
    fault: object = error.detail
    headers = dict(error.headers or {})
    if not isinstance(fault, DataPlaneFault | ManagementFault | PlainTextFault):
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            headers = {"allow": ", ".join(_methods_at(request))}
        fault = _routing_fault(error.status_code, request)
    response = fault_response(fault, request_id_of(request))
    response.headers.update(headers)
    return response


def _routing_fault(status: int, request: Request) -> ManagementFault:
    if status == HTTPStatus.NOT_FOUND:
        return not_found("There is nothing at this path: /openapi.json lists what is served.")
    phrase = HTTPStatus(status).phrase
    return ManagementFault(status, phrase.upper().replace(" ", "_"), f"{phrase}: {request.method} is not served here.")


def _methods_at(request: Request) -> list[str]:
    """The methods of all routes at the path: the router itself names those of the first one only."""
    routes: tuple[APIRoute, ...] = request.app.state.routes
    methods = (route.methods or () for route in routes if route.path_regex.match(request.scope["path"]))
    return sorted(set[str]().union(*methods) - {"HEAD"})


def _on_unreadable_query(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return fault_response(bad_query(_printable(first_error(error.errors(), skip=1))), request_id_of(request))


def _on_ledger_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, LedgerError)
    request_id = request_id_of(request)
    _log.error("%s: %s", request_id, error)
    if not error.transient:
        return _on_internal_error(request, error)
    return fault_response(refused(closing.SERVICE_UNAVAILABLE), request_id)


def _on_disconnect(request: Request, _: Exception) -> Response:
    return fault_response(bad_body("the client disconnected before its body was complete"), request_id_of(request))


def _on_internal_error(request: Request, _: Exception) -> Response:
    fault = DataPlaneFault(500, "INTERNAL_SERVER_ERROR", "Internal error; the log has the details.")
    return fault_response(fault, request_id_of(request))


def error_responses(*statuses: int, ids: bool = True) -> dict[int | str, dict[str, Any]]:
    """OpenAPI descriptions of the errors of a route; `ids`: whether its path contains ids, which may be malformed."""
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({*statuses, 400, 401, 403, 500, 503} | ({404} if ids else set())):
        content: dict[str, Any] = {"application/json": {"schema": ANY_ERROR}}
        if ids and status == HTTPStatus.NOT_FOUND:
            content["text/plain"] = {"schema": {"type": "string"}}
        found[status] = {"description": HTTPStatus(status).phrase, "content": content}
    return found


ANY_ERROR = {"anyOf": [{"$ref": "#/components/schemas/LegacyError"}, {"$ref": "#/components/schemas/ManagedError"}]}


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}..."


def _printable(text: str) -> str:
    return ascii(text)[1:-1].replace("\\'", "'").replace("\\\\", "\\")
