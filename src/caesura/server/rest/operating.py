"""Nothing in; the paths for operators, which are served beside this API, out for its document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

_REF = "#/components/schemas/"


class Status(BaseModel):
    """How the server is."""

    system_health: str
    active_batch_requests: int
    active_stream_requests: int
    active_listen_v2_stream_requests: int


class Readiness(BaseModel):
    """Whether it can serve."""

    ready: bool
    engines: list[str]


def operating_paths() -> dict[str, Any]:
    """Health, readiness and metrics, which need no key."""
    return {
        "/v1/status": _get("status", "How the server is", {"200": _json("How it is.", f"{_REF}Status")}),
        "/openapi.json": _get("openapi", "This document", {"200": _json("It.")}),
        "/healthz": _get("healthz", "Whether the process is alive", {"200": _json("It is.")}),
        "/readyz": _get(
            "readyz",
            "Whether streams can be served now",
            {"200": _json("They can.", f"{_REF}Readiness"), "503": _json("They cannot yet.", f"{_REF}Readiness")},
        ),
        "/metrics": _get(
            "metrics",
            "Metrics for Prometheus",
            {"200": {"description": "All of them.", "content": {"text/plain": {"schema": {"type": "string"}}}}},
        ),
    }


def _get(name: str, summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    operation = {"tags": ["operation"], "summary": summary, "operationId": name, "security": [], "responses": responses}
    return {"get": operation}


def _json(description: str, ref: str | None = None) -> dict[str, Any]:
    schema = {"type": "object"} if ref is None else {"$ref": ref}
    return {"description": description, "content": {"application/json": {"schema": schema}}}
