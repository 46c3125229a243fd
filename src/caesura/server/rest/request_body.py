"""Reads and validates JSON bodies of management routes, bounded in size and time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from caesura.server.rest.errors import ManagementFault, bad_body, failed, first_error

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """Bounds of a body."""

    body_bytes: int = 64 * 1024
    body_s: float = 30.0
    """Most seconds that it may take to arrive."""


def request_body_schema(model: type[BaseModel], *, optional: bool = False) -> dict[str, Any]:
    """OpenAPI description of a body that a route reads by `read_body`."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": not optional, "content": {"application/json": {"schema": schema}}}}


async def read_body(request: Request, model: type[Body], *, optional: bool = False) -> Body:
    """Read and validate the body of a request; an `optional` one may be empty, which counts as `{}`.

    Raises HTTPException: 413 for a body that is too large, 408 for one that is too slow, 400 for one that is not JSON
    or does not match `model`.
    """
    read = await _read(request, request.app.state.limits)
    if not read and optional:
        return model()
    if not _is_json(request.headers.get("content-type", "")):
        raise failed(bad_body("Content type error: send the header content-type: application/json"))
    try:
        return model.model_validate_json(read)
    except ValidationError as error:
        why = first_error(error.errors(include_url=False, include_context=False))
        raise failed(bad_body(f"Json deserialize error: {why}")) from None


async def _read(request: Request, limits: BodyLimits) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared[:20]) > limits.body_bytes:
        raise failed(_too_large(limits))
    read = bytearray()
    try:
        async with asyncio.timeout(limits.body_s):
            async for piece in request.stream():
                read += piece
                if len(read) > limits.body_bytes:
                    raise failed(_too_large(limits))
    except TimeoutError:
        message = f"The body was not complete after {limits.body_s:g} s."
        raise failed(ManagementFault(408, "REQUEST_TIMEOUT", message)) from None
    return bytes(read)


def _too_large(limits: BodyLimits) -> ManagementFault:
    return ManagementFault(
        413, "PAYLOAD_TOO_LARGE", f"The body is longer than the {limits.body_bytes} bytes that it may have."
    )


def _is_json(content_type: str) -> bool:
    # Browsers send this type to another site only after a preflight request, which is refused: no page can create keys.
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
