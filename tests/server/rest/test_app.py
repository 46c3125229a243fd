"""The application as a whole: headers of every response, and paths that do not exist."""

from __future__ import annotations

import asyncio
import logging
import uuid
from importlib.metadata import version
from typing import Any

import pytest

from caesura.distribution import DISTRIBUTION
from caesura.server.rest.app import create_api
from caesura.server.service import Service
from tests.server.rest.api import HERE, SCRIPTED, ManagementApi, run_story


def test_every_answer_names_its_request_and_is_not_to_be_kept() -> None:
    async def story(api: ManagementApi) -> None:
        for path in ("/v1/projects", "/v1/projects/none", "/nowhere", "/openapi.json"):
            answer = await api.get(path)
            assert uuid.UUID(answer.headers["dg-request-id"]).version == 7
            assert answer.headers["cache-control"] == "no-store"

    run_story(story)


def test_unknown_paths_are_answered_in_the_format_of_the_management_plane() -> None:
    async def story(api: ManagementApi) -> None:
        nowhere = await api.get("/v1/nothing")
        assert nowhere.status_code == 404
        assert nowhere.json()["category"] == "NOT_FOUND"
        assert nowhere.json()["request_id"] == nowhere.headers["dg-request-id"]
        wrong = await api.request("PUT", HERE)
        assert (wrong.status_code, wrong.json()["category"]) == (405, "METHOD_NOT_ALLOWED")
        assert wrong.headers["allow"] == "DELETE, GET, PATCH"

    run_story(story)


def test_a_405_lists_the_methods_of_the_path() -> None:
    async def story(api: ManagementApi) -> None:
        for path, allowed in (("/v1/listen", "GET, POST"), ("/v1/status", "GET"), ("/metrics", "GET")):
            answer = await api.request("DELETE", path)
            assert (answer.status_code, answer.headers["allow"]) == (405, allowed)

    run_story(story)


def test_no_page_is_served_that_would_load_scripts_from_elsewhere() -> None:
    async def story(api: ManagementApi) -> None:
        for path in ("/docs", "/redoc"):
            assert (await api.get(path)).status_code == 404

    run_story(story)


def test_the_document_is_of_this_version() -> None:
    async def story(api: ManagementApi) -> None:
        document = (await api.get("/openapi.json")).json()
        assert document["info"]["title"] == "Caesura"
        assert document["info"]["version"] == version(DISTRIBUTION)
        assert set(document["components"]["securitySchemes"]) == {"token", "bearer"}

    run_story(story)


def test_before_the_ledger_is_open_every_request_is_refused() -> None:
    """A service that has not been started yet."""

    async def story(api: ManagementApi) -> None:
        api.app.routes[0].app = create_api(Service(SCRIPTED))  # type: ignore[attr-defined]
        answer = await api.get("/v1/projects")
        assert (answer.status_code, answer.json()["err_code"]) == (503, "Service Unavailable")
        assert (await api.get("/openapi.json")).status_code == 200

    run_story(story)


def test_no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def story(api: ManagementApi) -> None:
        first = (await api.request("POST", f"{HERE}/keys", json={"comment": "", "scopes": ["owner"]})).json()["key"]
        token = (await api.request("POST", "/v1/auth/grant", key=first)).json()["access_token"]
        await api.get("/v1/projects", key=first)
        await api.get("/v1/projects", key=token)
        astray = await api.get(f"{HERE}?token={first}", key=first)
        assert first not in astray.text + str(astray.headers)
        # The client of this test logs the address that it requests.
        logged = "".join(record.getMessage() for record in caplog.records if record.name != "httpx2")
        assert first not in logged
        assert token not in logged

    with caplog.at_level(logging.DEBUG):
        run_story(story)


def test_the_application_has_no_life_of_its_own() -> None:
    """The application that mounts it starts and stops the service; lifespan messages are answered."""
    sent: list[Any] = []
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(create_api(Service(SCRIPTED))({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
