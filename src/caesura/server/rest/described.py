"""The routes of the API in; the OpenAPI document out, with the routes that are served beside it.

What FastAPI makes of the routes is completed here: bodies that they read themselves, credentials, errors in their
shapes, the header that every answer has, and the live and operational endpoints.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from caesura.server.rest.errors import errors
from caesura.server.rest.listening import listen_paths
from caesura.server.rest.operating import Readiness, Status, operating_paths
from caesura.server.rest.shapes import LegacyError, ManagedError
from caesura.server.rest.transcripts import Accepted, Transcription, Url
from caesura.server.rest.wishes import GrantWish, KeyWish, ProjectWish

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
_METHODS = ("get", "put", "post", "delete", "patch")


def described(api: FastAPI) -> dict[str, Any]:
    """The document of all routes."""
    document = get_openapi(title=api.title, version=api.version, description=DESCRIPTION, routes=api.routes)
    schemas = document["components"]["schemas"]
    schemas |= models_json_schema([(model, "validation") for model in _BESIDE], ref_template=REF)[1]["$defs"]
    # FastAPI answers what cannot be read with 422; here it is 400.
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    document["components"] |= {"securitySchemes": _SECURITY, "headers": {"dg-request-id": _REQUEST_ID}}
    document["paths"] |= listen_paths() | operating_paths()
    for operation in _operations(document["paths"]):
        _complete(operation)
    return document


def _operations(paths: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    return (path[method] for path in paths.values() for method in _METHODS if method in path)


def _complete(operation: dict[str, Any]) -> None:
    operation["responses"].pop("422", None)
    operation.setdefault("security", [{"token": []}, {"bearer": []}])
    for response in operation["responses"].values():
        response["headers"] = {"dg-request-id": {"$ref": "#/components/headers/dg-request-id"}}
    if operation["responses"].get("501") and "200" not in operation["responses"]:
        operation["responses"]["501"].setdefault("content", errors(501)[501]["content"])
