"""The routes of the API in; the OpenAPI document out, with the routes that are served beside it.

What FastAPI makes of the routes is completed here: bodies that they read themselves, credentials, errors in their
shapes, the header that every answer has, and the live and operational endpoints.
"""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from caesura.server.rest.listening import listen_paths
from caesura.server.rest.operating import Readiness, Status, operating_paths
from caesura.server.rest.shapes import LegacyError, ManagedError
from caesura.server.rest.transcripts import Accepted, Transcription, Url
from caesura.server.rest.wishes import GrantWish, KeyWish, ProjectWish

REQUEST_ID = "dg-request-id"
REF = "#/components/schemas/{model}"
DESCRIPTION = (
    "Live speech-to-text that can pause. The wire is that of Deepgram's API: its SDKs work when they are told this "
    "server's address."
)
_BESIDE: tuple[type[BaseModel], ...] = (
    LegacyError,
    ManagedError,
    GrantWish,
    KeyWish,
    ProjectWish,
    Url,
    Transcription,
    Accepted,
    Status,
    Readiness,
)
"""Shapes that no route of FastAPI's names."""
_SECURITY = {
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "`Authorization: Token KEY`. None is asked for while no key exists.",
    },
    "bearer": {"type": "http", "scheme": "bearer", "description": "A temporary token, or a key."},
}
_REQUEST_ID = {"description": "The id of the request.", "schema": {"type": "string", "format": "uuid"}}


def described(api: FastAPI) -> dict[str, Any]:
    """The document of all routes."""
    document: dict[str, Any] = get_openapi(
        title=api.title, version=api.version, description=DESCRIPTION, routes=api.routes
    )
    schemas = document["components"]["schemas"]
    schemas |= models_json_schema([(model, "validation") for model in _BESIDE], ref_template=REF)[1]["$defs"]
    # FastAPI would answer what cannot be read with 422; here it is 400.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"] |= {"securitySchemes": _SECURITY, "headers": {REQUEST_ID: _REQUEST_ID}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete(path, operation)
    document["paths"] |= _beside()
    for operations in document["paths"].values():
        for operation in operations.values():
            _secure(operation)
    return document


def methods_beside() -> dict[str, list[str]]:
    """Which methods are served at paths that are not the API's own."""
    return {path: sorted(method.upper() for method in operations) for path, operations in _beside().items()}


def _beside() -> dict[str, dict[str, Any]]:
    return listen_paths() | operating_paths()


def _complete(path: str, operation: dict[str, Any]) -> None:
    """What FastAPI does not know of a route, or knows wrongly."""
    operation["responses"].pop("422", None)
    parameters = operation.setdefault("parameters", [])
    for parameter in parameters:
        parameter["schema"] = _not_null(parameter["schema"])
    declared = {parameter["name"] for parameter in parameters}
    for name in re.findall(r"{(\w+)}", path):
        if name not in declared:
            kind = {"format": "uuid"} if name.endswith("_id") else {}
            parameters.append({"name": name, "in": "path", "required": True, "schema": {"type": "string", **kind}})
    summary, _, rest = operation.pop("description").partition(". ")
    operation["summary"] = summary.removesuffix(".")
    if rest:
        operation["description"] = rest


def _secure(operation: dict[str, Any]) -> None:
    """Credentials, and the header that every answer has."""
    operation.setdefault("security", [{"token": []}, {"bearer": []}])
    for response in operation["responses"].values():
        response["headers"] = {REQUEST_ID: {"$ref": f"#/components/headers/{REQUEST_ID}"}}


def _not_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter: it can be left out, but nobody can write null into a URL."""
    kinds: list[dict[str, Any]] = [kind for kind in schema.get("anyOf", ()) if kind != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {name: value for name, value in schema.items() if name not in ("anyOf", "default")} | kinds[0]
