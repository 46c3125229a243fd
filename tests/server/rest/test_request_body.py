"""Bodies that are not JSON, too large, too slow, or do not match their model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from caesura.server.rest.request_body import BodyLimits, request_body_schema
from caesura.server.rest.request_models import CreateKeyRequest, CreateTokenRequest
from tests.server.rest.api import HERE, ManagementApi, run_story

JSON = {"content-type": "application/json"}
KEYS = f"{HERE}/keys"


def refused(
    content: Any, *, headers: dict[str, str] = JSON, limits: BodyLimits | None = None
) -> tuple[int, dict[str, str]]:
    """How this body of a new key is answered."""
    found: list[tuple[int, dict[str, str]]] = []

    async def story(api: ManagementApi) -> None:
        answer = await api.request("POST", KEYS, content=content, headers=headers)
        found.append((answer.status_code, answer.json()))

    run_story(story, limits=limits)
    return found[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "Invalid JSON"),
        (b"{", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"null", "should be an object"),
        (b"[]", "should be an object"),
        (b'"text"', "should be an object"),
        (b"{}", "comment: Field required"),
        (b'{"comment": "a", "scopes": ["member"], "scope": 1}', "there is no scope here"),
        (b'{"comment": "\\ud800", "scopes": ["member"]}', "Invalid JSON"),
        (b"[" * 5000, "Invalid JSON"),
    ],
)
def test_invalid_json_or_another_schema_is_reported(content: bytes, why: str) -> None:
    status, body = refused(content)
    assert status == 400
    assert (body["category"], body["message"]) == ("INVALID_JSON", "Invalid JSON submitted.")
    assert body["details"].startswith("Json deserialize error: ")
    assert why in body["details"]


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_a_body_needs_the_content_type_json(kind: str | None) -> None:
    """A page on another site can send the other types without asking first."""
    content = json.dumps({"comment": "a", "scopes": ["owner"]}).encode()
    status, body = refused(content, headers={} if kind is None else {"content-type": kind})
    assert (status, body["category"]) == (400, "INVALID_JSON")
    assert "application/json" in body["details"]


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8", "application/vnd.api+json"])
def test_all_spellings_of_the_content_type_are_accepted(kind: str) -> None:
    content = json.dumps({"comment": "a", "scopes": ["owner"]}).encode()
    assert refused(content, headers={"content-type": kind})[0] == 200


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(declared: bool) -> None:
    """The declared length decides, or without one the bytes received so far."""
    taken = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(1000):
            taken += 1024
            yield b" " * 1024

    headers = JSON | ({"content-length": str(1000 * 1024)} if declared else {})
    status, body = refused(pieces(), headers=headers)
    assert (status, body["category"]) == (413, "PAYLOAD_TOO_LARGE")
    assert "65536 bytes" in body["message"]


def test_an_invalid_content_length_causes_no_error() -> None:
    content = json.dumps({"comment": "a", "scopes": ["owner"]}).encode()
    assert refused(content, headers=JSON | {"content-length": "many"})[0] == 200
    assert refused(content, headers=JSON | {"content-length": "9" * 5000})[0] == 413


def test_a_body_that_is_too_slow_is_refused() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(30)

    async def story(api: ManagementApi) -> None:
        sending = {"type": "http", "method": "POST", "path": KEYS, "query_string": b"", "root_path": ""}
        sending |= {"headers": [(b"host", b"localhost"), (b"content-type", b"application/json")]}
        sent: list[Any] = []
        waiting = asyncio.Event()

        async def receive() -> Any:
            await waiting.wait()

        async def send(message: Any) -> None:
            sent.append(message)

        await api.app(sending, receive, send)
        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["category"] == "REQUEST_TIMEOUT"

    run_story(story, limits=BodyLimits(body_s=0.05))


def test_a_client_that_disconnects_causes_no_error() -> None:
    async def story(api: ManagementApi) -> None:
        sending = {"type": "http", "method": "POST", "path": KEYS, "query_string": b"", "root_path": ""}
        sending |= {"headers": [(b"host", b"localhost"), (b"content-type", b"application/json")]}

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await api.app(sending, receive, send)
        assert sent[0]["status"] == 400

    run_story(story)


def test_the_document_declares_whether_a_body_is_required() -> None:
    assert request_body_schema(CreateKeyRequest)["requestBody"]["required"] is True
    assert request_body_schema(CreateTokenRequest, optional=True)["requestBody"]["required"] is False
