"""Every documented route with every kind of bad input: all are refused, and none causes an internal error."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from caesura.ledger.keys import create_key, revoke_key
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.server.rest.app import DATA_PLANE, create_api
from caesura.server.rest.request_body import BodyLimits
from caesura.server.service import Service
from tests.server.rest.api import NOWHERE, SCRIPTED, ManagementApi, run_story

JSON = {"content-type": "application/json"}
NO_IDS = (
    "",
    " ",
    "1",
    "none",
    "..%2F..",
    "%00",
    "%ff",
    NOWHERE[:-1],
    NOWHERE + "0",
    NOWHERE.replace("-", ""),
    "x" * 4000,
)
NO_OBJECTS = (b"", b"{", b"null", b"true", b"0", b"[]", b'"x"', b"\xff", b'{"a":' * 200, b"{}" * 2, b'{"\x00": 1}')


def routes() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each."""
    for path, operations in create_api(Service(SCRIPTED)).openapi()["paths"].items():
        for method, described in operations.items():
            if not DATA_PLANE & set(described["tags"]):
                yield method.upper(), path, described


ROUTES = tuple(routes())
WITH_BODY = tuple((method, path) for method, path, described in ROUTES if "requestBody" in described)


def at(path: str, **ids: str) -> str:
    """The path with these ids in it, and ids of nothing for the rest."""
    known = {"project_id": DEFAULT_PROJECT_ID, "email": "a@example.org", **ids}
    return re.sub(r"{(\w+)}", lambda found: known.get(found[1], NOWHERE), path)


def test_every_route_refuses_requests_without_a_valid_key() -> None:
    """None, a wrong one, an expired one, a revoked one, and a token of a revoked one."""

    async def story(api: ManagementApi) -> None:
        revoked = await api.key()
        token = (await api.request("POST", "/v1/auth/grant", key=revoked.secret)).json()["access_token"]
        now = datetime.now(UTC)
        await api.writer.write(lambda c: revoke_key(c, revoked.key.api_key_id, now=now))
        expired = await api.writer.write(
            lambda c: create_key(
                c, project_id=DEFAULT_PROJECT_ID, now=now - timedelta(days=2), expires=now - timedelta(days=1)
            )
        )
        for method, path, _ in ROUTES:
            for key in (None, "wrong", expired.secret, revoked.secret, token, "\u00e9", "x" * 5000):
                headers = {} if key is None else {"authorization": f"Token {key}".encode()}
                answer = await api.request(method, at(path), headers=headers)
                assert (answer.status_code, answer.json()["err_code"]) == (401, "INVALID_AUTH"), (method, path)

    run_story(story)


def test_every_route_answers_404_for_another_project() -> None:
    async def story(api: ManagementApi) -> None:
        other, key = await api.project("other"), await api.secret()
        for method, path, _ in ROUTES:
            if "{project_id}" in path:
                answer = await api.request(method, at(path, project_id=other.project_id), key=key)
                assert answer.status_code == 404, (method, path)
                assert answer.json() == {"err_code": "PROJECT_NOT_FOUND", "err_msg": "Project not found."}

    run_story(story)


def test_every_route_refuses_malformed_ids(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        for method, path, _ in ROUTES:
            for name in re.findall(r"{(\w+_id)}", path):
                for wrong in NO_IDS:
                    answer = await api.request(method, at(path, **{name: wrong}))
                    # Some make another path of it, where nothing is.
                    assert answer.status_code in (404, 405), (method, path, wrong)
                    if answer.headers["content-type"].startswith("text/plain"):
                        assert answer.text.startswith("UUID parsing failed: ")

    run_story(story, location=location)


def test_every_route_answers_404_for_unknown_ids(location: str | None) -> None:
    async def story(api: ManagementApi) -> None:
        for method, path, described in ROUTES:
            if re.search(r"{(?!project_id)\w+_id}", path) and "501" not in described["responses"]:
                answer = await api.request(method, at(path))
                assert (answer.status_code, answer.json()["category"]) == (404, "NOT_FOUND"), (method, path)

    run_story(story, location=location)


def test_every_route_refuses_invalid_parameters(location: str | None) -> None:
    """Wrong types, bounds passed, and a parameter that is unknown or given twice."""

    async def story(api: ManagementApi) -> None:
        for method, path, described in ROUTES:
            if "501" in described["responses"]:
                continue
            queries = ["unknown=1"]
            for parameter in described.get("parameters", ()):
                if parameter["in"] == "query":
                    queries += [f"{parameter['name']}={wrong}" for wrong in ("%00", "%ff", "%F0%9F%98%80", "x" * 300)]
                    if parameter["schema"].get("type") != "array":
                        queries.append(f"{parameter['name']}=1&{parameter['name']}=1")
            for query in queries:
                answer = await api.request(method, f"{at(path)}?{query}")
                if answer.status_code == 404:
                    continue
                # Tags and names of models may be any text.
                any_text = query.startswith(("tag=", "model=")) and len(query) < 300 and "&" not in query
                assert answer.status_code == (200 if any_text else 400), (method, path, query)
                if any_text:
                    continue
                assert answer.json()["err_code"] == "INVALID_QUERY_PARAMETER"

    run_story(story, location=location)


def test_every_route_refuses_invalid_bodies() -> None:
    async def story(api: ManagementApi) -> None:
        for method, path in WITH_BODY:
            for content in NO_OBJECTS[1:] if path == "/v1/auth/grant" else NO_OBJECTS:
                answer = await api.request(method, at(path), content=content, headers=JSON)
                assert (answer.status_code, answer.json()["category"]) == (400, "INVALID_JSON"), (path, content)
            for size in (65_537, 10_000_000):
                answer = await api.request(method, at(path), content=b" " * size, headers=JSON)
                assert (answer.status_code, answer.json()["category"]) == (413, "PAYLOAD_TOO_LARGE"), path

    run_story(story)


def test_no_field_of_any_body_takes_another_type(location: str | None) -> None:
    right = {"name": "n", "comment": "c", "scopes": ["member"], "tags": [], "ttl_seconds": 5}
    right |= {"time_to_live_in_seconds": 5, "expiration_date": "2100-01-01"}

    async def story(api: ManagementApi) -> None:
        schemas = create_api(Service(SCRIPTED)).openapi()["components"]["schemas"]
        tried = 0
        values: tuple[object, ...] = (True, -1, 1.5, "", "x" * 2000, [[]], [None], {}, {"a": 1}, 10**400)
        for (method, path), model in zip(
            WITH_BODY, ("CreateTokenRequest", "RenameProjectRequest", "CreateKeyRequest"), strict=True
        ):
            fields = schemas[model]["properties"]
            ends = {"time_to_live_in_seconds", "expiration_date"}
            for field in fields:
                for wrong in values:
                    body = {name: right[name] for name in fields if name not in ends} | {field: wrong}
                    if wrong == "" and field == "comment":
                        continue
                    answer = await api.request(method, at(path), content=json.dumps(body), headers=JSON)
                    assert (answer.status_code, answer.json()["category"]) == (400, "INVALID_JSON"), (field, wrong)
                    tried += 1
        assert tried > 60

    run_story(story, location=location)


def test_no_body_of_any_route_is_waited_for_longer_than_it_may_take() -> None:
    async def story(api: ManagementApi) -> None:
        for method, path in WITH_BODY:
            scope = {"type": "http", "method": method, "path": at(path), "query_string": b"", "root_path": ""}
            scope |= {"headers": [(b"host", b"localhost"), (b"content-type", b"application/json")]}
            sent: list[Any] = []

            async def receive() -> Any:
                await asyncio.Event().wait()

            async def send(message: Any, sent: list[Any] = sent) -> None:
                sent.append(message)

            await api.app(scope, receive, send)
            assert sent[0]["status"] == 408, path

    run_story(story, limits=BodyLimits(body_s=0.02))
