"""The tables of parameters in; the paths of `/v1/listen`, which are served beside this API, out for its document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS, Honoured
from caesura.server.rest.errors import errors

ONLY_LIVE = "Only on live streams."
_REF = "#/components/schemas/"
_SWITCH = "true or false"


def listen_paths() -> dict[str, Any]:
    """`/v1/listen`: recordings by POST, live streams by a WebSocket, which OpenAPI can only name."""
    return {"/v1/listen": {"post": _recording(), "get": _live()}}


def _recording() -> dict[str, Any]:
    answers = {"anyOf": [{"$ref": f"{_REF}Transcription"}, {"$ref": f"{_REF}Accepted"}]}
    return {
        "tags": ["listen"],
        "summary": "Transcribe a recording",
        "description": "With `callback` it is answered at once with an id, and the transcription is sent there.",
        "operationId": "transcribe",
        "parameters": [*_honoured(HONOURED), *_honoured(RECORDINGS), *_others()],
        "requestBody": {
            "required": True,
            "description": "The recording itself, or where it lies.",
            "content": {
                "audio/*": {"schema": {"type": "string", "format": "binary"}},
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
                "application/json": {"schema": {"$ref": f"{_REF}Url"}},
            },
        },
        "responses": {
            "200": {"description": "What was heard.", "content": {"application/json": {"schema": answers}}},
            **_stated(errors(402, 405, 408, 413, 422, 429, ids=False)),
        },
    }


def _live() -> dict[str, Any]:
    return {
        "tags": ["listen"],
        "summary": "Transcribe a live stream",
        "description": (
            "The upgrade to a WebSocket (RFC 6455): audio goes in as binary messages, KeepAlive, Finalize, Configure "
            "and CloseStream as text; Results, Metadata, UtteranceEnd and SpeechStarted come out. The key may also "
            "come as subprotocols: `token, KEY`."
        ),
        "operationId": "listen",
        "parameters": [*_honoured(HONOURED), *_others()],
        "responses": {
            "101": {"description": "The stream is open."},
            **_stated(errors(402, 405, 414, 426, 429, 431, ids=False)),
        },
    }


def _honoured(rows: Mapping[str, Honoured]) -> list[dict[str, Any]]:
    return [_parameter(name, f"{row.does}: {row.right}", _schema(row)) for name, row in rows.items()]


def _others() -> list[dict[str, Any]]:
    refused = [
        _parameter(name, f"Not honoured: what asks for it is refused. {row.right}".rstrip(), {"type": "string"})
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


def _stated(found: Mapping[int | str, dict[str, Any]]) -> dict[str, Any]:
    return {str(status): response for status, response in found.items()}
