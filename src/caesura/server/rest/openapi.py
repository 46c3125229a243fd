"""Builds the OpenAPI document: FastAPI generates it from the routes, and this module completes it.

Added here: bodies that routes read themselves, credentials, the shapes of errors, and the header that every response
has.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from caesura.server.rest.request_models import CreateKeyRequest, CreateTokenRequest, RenameProjectRequest
from caesura.server.rest.response_models import LegacyError, ManagedError
from caesura.server.rest.transcript_models import RecordingUrl

REQUEST_ID = "dg-request-id"
REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Live speech-to-text that can pause. The wire is that of Deepgram's API: its SDKs work when they are given this "
    "server's address."
)
_READ_BY_ROUTES: tuple[type[BaseModel], ...] = (
    LegacyError,
    ManagedError,
    CreateTokenRequest,
    CreateKeyRequest,
    RenameProjectRequest,
    RecordingUrl,
)
"""Models that are in no signature of a route: errors, and bodies that routes read themselves."""
_SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Token KEY`. Not required while no key exists.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "A temporary token, or a key."},
}
_REQUEST_ID = {"description": "The id of the request.", "schema": {"type": "string", "format": "uuid"}}


def build_openapi(api: FastAPI) -> dict[str, Any]:
    """The document of all routes of `api`."""
    document: dict[str, Any] = get_openapi(
        title=api.title, version=api.version, description=DESCRIPTION, routes=api.routes
    )
    schemas = document["components"]["schemas"]
    schemas |= models_json_schema([(model, "validation") for model in _READ_BY_ROUTES], ref_template=REF)[1]["$defs"]
    # FastAPI declares 422 for invalid requests; here the status is 400.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"] |= {"securitySchemes": _SECURITY, "headers": {REQUEST_ID: _REQUEST_ID}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    return document


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Correct and complete what FastAPI generated for one operation."""
    responses = operation["responses"]
    if responses.get("422", {}).get("description") == "Validation Error":
        del responses["422"]
    _complete_parameters(path, operation)
    _split_summary(operation)
    operation.setdefault("security", [{"token": []}, {"bearer": []}])
    for response in responses.values():
        response["headers"] = {REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"}}


def _complete_parameters(path: str, operation: dict[str, Any]) -> None:
    """Declare ids in the path, which dependencies read, and drop null from the schemas."""
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _not_null(parameter["schema"])
    declared = {parameter["name"] for parameter in parameters}
    for name in re.findall(r"{(\w+)}", path):
        if name not in declared:
            kind = {"format": "uuid"} if name.endswith("_id") else {}
            parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string", **kind}})


def _split_summary(operation: dict[str, Any]) -> None:
    """The first sentence of the docstring is the summary, the rest the description."""
    text = " ".join(operation.pop("description").split())
    summary, _, rest = text.partition(". ")
    operation["summary"] = summary.removesuffix(".")
    if rest:
        operation["description"] = rest


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter without null: it can be left out, but a URL cannot contain null."""
    kinds: list[dict[str, Any]] = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name not in ("anyOf", "default")} | kinds[0]
