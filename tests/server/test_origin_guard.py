"""The origin policy holds on every route of a running server, for requests, preflights and upgrades alike."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from caesura.server.origin import parse_hosts, parse_origins
from tests.in_process_server import InProcessServer
from tests.server.outside import Outside
from tests.server.scenes import served

pytestmark = pytest.mark.slow

EVIL = "https://evil.example"
APP = "https://app.example.org"
ROUTES = [
    ("GET", "/healthz"),
    ("GET", "/metrics"),
    ("GET", "/v1/status"),
    ("GET", "/v1/listen"),
    ("POST", "/v1/listen"),
    ("GET", "/v1/projects"),
    ("DELETE", "/v1/projects/00000000-0000-0000-0000-000000000000"),
    ("GET", "/openapi.json"),
    ("GET", "/nothing"),
    ("OPTIONS", "/v1/listen"),
]
LIVE = "caesura_refusals_total"


async def upgrade(server: InProcessServer, **headers: str) -> tuple[int, dict[str, str]]:
    """Status and headers of an attempt to open a stream."""
    try:
        async with connect(server.url, additional_headers=headers) as line:
            assert line.response is not None
            return 101, dict(line.response.headers.raw_items())
    except InvalidStatus as error:
        refused = error.response
    assert json.loads(refused.body)["err_msg"] == refused.headers["dg-error"]
    return refused.status_code, dict(refused.headers.raw_items())


@pytest.mark.parametrize(
    ("headers", "err_code"),
    [
        ({"Origin": EVIL}, "ORIGIN_NOT_ALLOWED"),
        ({"Origin": "null"}, "ORIGIN_NOT_ALLOWED"),
        ({"Sec-Fetch-Site": "cross-site"}, "ORIGIN_NOT_ALLOWED"),
        ({"Host": "evil.example"}, "HOST_NOT_ALLOWED"),
    ],
)
def test_a_foreign_page_is_refused_on_every_route_while_no_key_is_needed(
    headers: dict[str, str], err_code: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main(server: InProcessServer) -> None:
        async with httpx2.AsyncClient(base_url=server.http, headers=headers) as client:
            for method, path in ROUTES:
                answer = await client.request(method, path)
                body = answer.json()
                assert (answer.status_code, body["err_code"]) == (403, err_code), (method, path)
                assert body["err_msg"] == answer.headers["dg-error"]
                assert body["request_id"] == answer.headers["dg-request-id"]
                assert body["details"]
                assert "access-control-allow-origin" not in answer.headers
                assert body["request_id"] in caplog.text
            # A client of its own name, for this one sends the headers that are tested.
        status, _ = await upgrade(server, **headers) if "Host" not in headers else (403, {})
        assert status == 403
        assert server.service.live == 0
        refused = server.service.metrics.render()[0].decode()
        why = "page" if "Host" not in headers else "host"
        assert f'{LIVE}{{status="403",why="{why}"}} {3 + ("Host" not in headers)}.0' in refused

    with caplog.at_level(logging.INFO, "caesura"):
        served(main)


def test_a_recording_of_a_foreign_page_is_not_transcribed() -> None:
    """Refused before its body is read."""

    async def main(server: InProcessServer) -> None:
        async with httpx2.AsyncClient(base_url=server.http, headers={"Origin": EVIL}) as client:
            answer = await client.post("/v1/listen", content=bytes(100_000))
            assert answer.status_code == 403
        assert len(server.service.session_log) == 0

    served(main)


def test_a_named_page_gets_everything_with_its_preflights() -> None:
    async def main(server: InProcessServer) -> None:
        asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        async with httpx2.AsyncClient(base_url=server.http, headers={"Origin": APP}) as client:
            for method, path in ROUTES:
                preflight = await client.options(path, headers=asks)
                assert (preflight.status_code, preflight.content) == (204, b"")
                assert preflight.headers["access-control-allow-headers"] == "authorization"
                assert "POST" in preflight.headers["access-control-allow-methods"]
                answer = await client.request(method, path)
                assert answer.status_code != 403, (method, path)
                for headers in (preflight.headers, answer.headers):
                    assert headers["access-control-allow-origin"] == APP
                    assert headers["access-control-allow-credentials"] == "true"
                    assert "origin" in headers["vary"].lower()
                    assert "dg-request-id" in headers
        status, upgraded = await upgrade(server, Origin=APP)
        assert (status, upgraded["access-control-allow-origin"]) == (101, APP)
        assert (await upgrade(server, Origin=EVIL))[0] == 403

    served(main, cors_origins=parse_origins([APP]))


def test_a_configured_name_is_accepted() -> None:
    async def main(server: InProcessServer) -> None:
        async with httpx2.AsyncClient(base_url=server.http) as client:
            for host, status in (("speech.example.org", 200), ("evil.example", 403)):
                assert (await client.get("/healthz", headers={"Host": host})).status_code == status

    served(main, allowed_hosts=parse_hosts(["speech.example.org"]))


def test_where_a_key_is_needed_a_page_needs_the_key_and_nothing_else() -> None:
    """The upgrade repeats the origin as the hosted service does; other answers cannot be read by the page."""

    async def main(server: InProcessServer) -> None:
        assert (await upgrade(server, Origin=EVIL))[0] == 401
        status, headers = await upgrade(server, Origin=EVIL, Authorization="Token right")
        assert (status, headers["access-control-allow-origin"]) == (101, EVIL)
        assert "access-control-allow-credentials" not in headers
        assert "dg-request-id" in headers["access-control-expose-headers"]
        async with httpx2.AsyncClient(base_url=server.http, headers={"Origin": EVIL, "Host": "any.example"}) as client:
            answer = await client.get("/healthz")
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers
            preflight = await client.options("/v1/listen", headers={"Access-Control-Request-Method": "POST"})
            assert preflight.status_code == 405

    served(main, keys=("right",))


def test_no_auth_is_as_open_as_no_key_at_all() -> None:
    async def main(server: InProcessServer) -> None:
        assert (await upgrade(server, Origin=EVIL))[0] == 403

    served(main, keys=("right",), no_auth=True)


def test_the_first_key_changes_the_rule_at_once(tmp_path: Path) -> None:
    outside = Outside(tmp_path / "ledger.db")

    async def main(server: InProcessServer) -> None:
        assert (await upgrade(server, Origin=EVIL))[0] == 403
        key = outside.key()
        await server.service.ledger_writer.refresh()
        assert (await upgrade(server, Origin=EVIL, Authorization=f"Token {key.secret}"))[0] == 101

    served(main, database=str(outside.path))
