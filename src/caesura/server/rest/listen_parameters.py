"""OpenAPI descriptions of the parameters and the body of /v1/listen, from the tables of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS, Honoured

_SWITCH = "true or false"


def _supported(rows: Mapping[str, Honoured]) -> list[dict[str, Any]]:
    return [_parameter(name, f"{row.does}: {row.right}", _schema(row)) for name, row in rows.items()]


def _unsupported() -> list[dict[str, Any]]:
    refused = [
        _parameter(name, f"Not supported: a request that needs it is refused. {row.right}".rstrip(), {"type": "string"})
        for name, row in NOT_HONOURED.items()
    ]
    ignored = [
        _parameter(name, f"Changes nothing: {row.because}", {"type": "string"}, deprecated=True)
        for name, row in IGNORED.items()
    ]
    return refused + ignored


def _schema(row: Honoured) -> dict[str, Any]:
    one: dict[str, Any] = {"type": "boolean"} if row.right == _SWITCH else {"type": "string"}
    return {"type": "array", "items": one, "maxItems": row.most} if row.most > 1 else one


def _parameter(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema, **more}


LIVE: Final = [*_supported(HONOURED), *_unsupported()]
"""Query parameters of live streams."""
RECORDING: Final = [*_supported(HONOURED), *_supported(RECORDINGS), *_unsupported()]
"""Query parameters of recordings."""
RECORDING_BODY: Final = {
    "required": True,
    "description": "The recording itself, or its URL.",
    "content": {
        "audio/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "application/json": {"schema": {"$ref": "#/components/schemas/RecordingUrl"}},
    },
}
