"""Routes for operators, compared with their description in the OpenAPI document."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from caesura.server.rest.app import create_api
from caesura.server.rest.response_models import Alive, Readiness, ServerStatus
from caesura.server.service import Service
from tests.in_process_server import in_process_server
from tests.server.rest.api import SCRIPTED, ManagementApi, run_story

PATHS = ("/v1/status", "/healthz", "/readyz", "/metrics", "/openapi.json")


def described() -> dict[str, Any]:
    paths = create_api(Service(SCRIPTED)).openapi()["paths"]
    return {path: paths[path]["get"] for path in PATHS}


def test_none_of_them_needs_a_key() -> None:
    assert all(operation["security"] == [] for operation in described().values())

    async def story(api: ManagementApi) -> None:
        await api.key()
        for path in PATHS:
            for method in ("GET", "HEAD"):
                assert (await api.request(method, path)).status_code == (503 if path == "/readyz" else 200)

    run_story(story)


def test_a_server_that_is_not_ready_answers_503() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.get("/readyz")
        assert (answer.status_code, answer.json()) == (
            503,
            {"ready": False, "engines": ["scripted"], "reason": "ledger"},
        )
        assert (await api.get("/v1/status")).json()["system_health"] == "Initializing"

    run_story(story)


@pytest.mark.slow
def test_the_server_answers_as_described() -> None:
    async def story() -> None:
        async with in_process_server() as server, httpx2.AsyncClient(base_url=server.http) as client:
            for path, operation in described().items():
                answer = await client.get(path)
                (kind,) = operation["responses"][str(answer.status_code)]["content"]
                assert answer.headers["content-type"].split(";")[0] == kind, path
                assert ("cache-control" in answer.headers) == (path == "/openapi.json")
            for path, model in (("/v1/status", ServerStatus), ("/readyz", Readiness), ("/healthz", Alive)):
                body = (await client.get(path)).json()
                assert set(body) == set(model.model_fields)
                model.model_validate(body)

    asyncio.run(story())
