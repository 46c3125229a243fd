"""Routes and refusals over real sockets, before the upgrade and after it."""

from __future__ import annotations

import asyncio
import json
import logging
import uuid
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from caesura.server.settings import Settings
from tests.in_process_server import InProcessServer, in_process_server
from tests.waiting import until

pytestmark = pytest.mark.slow

PIPECAT = (
    "channels=1&detect_entities=false&diarize=false&dictation=false&encoding=linear16&interim_results=true"
    "&language=en-US&model=nova-3&multichannel=false&numerals=false&punctuate=true&sample_rate=16000&smart_format=true"
)
LIVEKIT = (
    "model=nova-3&punctuate=true&smart_format=true&no_delay=true&interim_results=true&encoding=linear16"
    "&vad_events=true&sample_rate=16000&channels=1&endpointing=25&filler_words=true&profanity_filter=false"
    "&numerals=false&mip_opt_out=false&language=en-US"
)
KEYED = Settings(engines=("scripted",), workers=1, keys=("right-key",))


def served(test: Callable[[InProcessServer], Coroutine[Any, Any, None]], settings: Settings | None = None) -> None:
    """Run `test` against a server of its own."""

    async def main() -> None:
        async with in_process_server(settings) as server:
            await test(server)

    asyncio.run(main())


async def refusal(url: str, **options: Any) -> tuple[int, dict[str, str], dict[str, str]]:
    """Status, headers and body of an upgrade that must fail."""
    with pytest.raises(InvalidStatus) as caught:
        async with connect(url, **options):
            pass
    response = caught.value.response
    return response.status_code, dict(response.headers), json.loads(response.body)


def test_a_wrong_key_is_refused_before_the_upgrade() -> None:
    """401 with the documented body; the key comes back nowhere."""

    async def main(server: InProcessServer) -> None:
        for options in (
            {},
            {"additional_headers": {"Authorization": "Token wrong-key"}},
            {"additional_headers": {"Authorization": "right-key"}},
            {"subprotocols": ["token", "wrong-key"]},
        ):
            status, headers, body = await refusal(server.url + "?model=nova-3", **options)
            assert status == 401
            assert body["err_code"] == "INVALID_AUTH"
            assert body["err_msg"] == headers["dg-error"] == "Invalid credentials."
            assert body["request_id"] == headers["dg-request-id"]
            assert uuid.UUID(body["request_id"]).version == 7
            assert "wrong-key" not in str(headers) + str(body)

    served(main, KEYED)


def test_the_right_key_is_accepted_by_every_documented_way() -> None:
    """Header schemes in any case; as a subprotocol the scheme word is echoed and never the secret."""

    async def main(server: InProcessServer) -> None:
        for scheme in ("Token", "token", "Bearer", "bearer"):
            async with connect(server.url, additional_headers={"Authorization": f"{scheme} right-key"}) as line:
                assert line.subprotocol is None
        for offered in (["token", "right-key"], ["bearer", "right-key", "x-deepgram-session-id", "abc"]):
            async with connect(server.url, subprotocols=offered) as line:  # type: ignore[arg-type]
                assert line.subprotocol == offered[0]
                assert line.response is not None
                assert "right-key" not in str(line.response.headers)

    served(main, KEYED)


def test_without_keys_a_browser_that_offers_one_still_gets_its_protocol_selected() -> None:
    """Browsers drop a connection whose offered protocols are all ignored."""

    async def main(server: InProcessServer) -> None:
        async with connect(
            server.url, subprotocols=[Subprotocol("token"), Subprotocol("whatever")], origin=Origin(server.http)
        ) as line:
            assert line.subprotocol == "token"

    served(main)


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("utterance_end_ms=999&interim_results=true", 400, "Invalid 'utterance_end_ms' value of '999'."),
        ("encoding=linear16", 400, "sample_rate"),
        ("detect_entities=true", 400, "detect_entities"),
        ("redact=names", 400, "redact"),
        ("callback=ftp://example.com", 400, "Invalid 'callback' value."),
        ("callback=http://127.0.0.1/", 400, "callback"),
        ("callback=http://example.com:22/", 400, "callback"),
        ("keyterm=x", 400, "scripted"),
        ("language=english", 400, "No such model/language/tier combination found"),
        ("model=nova-9", 400, "No such model/language/tier combination found"),
        ("model=whisper-large", 405, "whisper-large"),
        ("interim_results=True", 400, "interim_results"),
        ("tag=" + "x" * 9_000, 414, "longer"),
    ],
)
def test_an_unsupported_parameter_is_refused_by_name(query: str, status: int, message: str) -> None:
    """The sentence stands in the body and in `dg-error`, one and the same."""

    async def main(server: InProcessServer) -> None:
        got, headers, body = await refusal(f"{server.url}?{query}")
        assert got == status
        assert message in body["err_msg"]
        assert headers["dg-error"] == body["err_msg"]
        assert headers["dg-request-id"] == body["request_id"]
        assert headers["content-type"] == "application/json"

    served(main)


@pytest.mark.parametrize("query", [PIPECAT, LIVEKIT, "", "model=nova-2-phonecall&encoding=mulaw&sample_rate=8000"])
def test_the_parameters_of_frameworks_are_accepted(query: str) -> None:
    """The default queries of voice-agent frameworks simply work; the id on the 101 is that of the Metadata."""

    async def main(server: InProcessServer) -> None:
        async with connect(f"{server.url}?{query}") as line:
            assert line.response is not None
            await line.send('{"type": "CloseStream"}')
            said = json.loads(await line.recv())
            assert said["type"] == "Metadata"
            assert said["request_id"] == line.response.headers["dg-request-id"]
            await line.wait_closed()
            assert (line.close_code, line.close_reason) == (1000, "")

    served(main)


def test_a_refusal_leaves_one_line_in_the_log_without_the_key(caplog: pytest.LogCaptureFixture) -> None:
    """An operator finds the id that the client shows."""

    async def main(server: InProcessServer) -> None:
        _, headers, _ = await refusal(server.url, additional_headers={"Authorization": "Token wrong-key"})
        (line,) = [message for message in caplog.messages if "refused" in message]
        assert headers["dg-request-id"] in line
        assert "401" in line
        assert "wrong-key" not in caplog.text

    with caplog.at_level(logging.DEBUG, "caesura"):
        served(main, KEYED)


def test_more_sessions_than_allowed_are_refused() -> None:
    """429 before the upgrade; a place that is given back is free again."""

    async def main(server: InProcessServer) -> None:
        async with connect(server.url):
            status, _, body = await refusal(server.url)
            assert status == 429
            assert body["err_code"] == "TOO_MANY_REQUESTS"
        await until(lambda: not server.service.live)
        async with connect(server.url):
            pass

    served(main, Settings(engines=("scripted",), workers=1, max_sessions=1))


def test_the_other_routes() -> None:
    """Status, health and readiness; every response has an id, also those for unknown paths."""

    async def main(server: InProcessServer) -> None:
        async with httpx2.AsyncClient(base_url=server.http) as client:
            async with connect(server.url):
                status = await client.get("/v1/status")
            assert status.json() == {
                "system_health": "Healthy",
                "active_batch_requests": 0,
                "active_stream_requests": 1,
                "active_listen_v2_stream_requests": 0,
                "stream_capacity": 10_000,
            }
            ready = await client.get("/readyz")
            assert ready.json() == {"ready": True, "engines": ["scripted"], "reason": None}
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            for method, path, code in [
                ("GET", "/v1/listen", 426),
                ("POST", "/v1/listen", 400),
                ("GET", "/v1/nothing", 404),
                ("DELETE", "/v1/status", 405),
            ]:
                answer = await client.request(method, path)
                assert answer.status_code == code
                body = answer.json()
                assert body["request_id"] == answer.headers["dg-request-id"]
                # The management routes answer in the other shape of the wire.
                assert body.get("err_msg", "") == answer.headers.get("dg-error", "")
                assert body.get("err_msg") or body["message"]

    served(main)


def test_a_websocket_elsewhere_is_refused_in_the_same_form() -> None:
    """The answer is not a bare 403, but a sentence with the right path."""

    async def main(server: InProcessServer) -> None:
        for path in ("/v2/listen", "/", "/v1/status"):
            status, headers, body = await refusal(server.url.replace("/v1/listen", path))
            assert (status, body["err_code"]) == (404, "NOT_FOUND")
            assert "/v1/listen" in body["err_msg"] == headers["dg-error"]
            assert body["request_id"] == headers["dg-request-id"]

    served(main)


def test_a_server_that_is_not_ready_refuses_streams() -> None:
    """While no engine worker is ready, live connections and /readyz get 503."""

    async def main(server: InProcessServer) -> None:
        await server.service.engines[0].pool.stop()
        async with httpx2.AsyncClient(base_url=server.http) as client:
            assert (await client.get("/readyz")).status_code == 503
            assert (await client.get("/healthz")).status_code == 200
        status, _, _ = await refusal(server.url)
        assert status == 503

    served(main)
