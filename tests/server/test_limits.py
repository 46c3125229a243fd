"""Refusals despite a valid key: concurrency limits, credits, scopes."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from caesura.errors import UsageError
from caesura.ledger.requests import RequestRecord
from caesura.server.accounts import ledger_writer as ledger_writer_module
from caesura.server.service import Service
from caesura.server.settings import Settings
from tests.in_process_server import InProcessServer, in_process_server
from tests.live_client import FINALIZE, KEEPALIVE, live_client
from tests.server.outside import Outside
from tests.server.scenes import LINEAR, record, refusal, served, speech
from tests.waiting import until

pytestmark = pytest.mark.slow

TOO_MANY = ("TOO_MANY_REQUESTS", "Too many requests. Please try again later")
UNPAID = (
    "ASR_PAYMENT_REQUIRED",
    "Project does not have enough credits for an ASR request and does not have an overage agreement.",
)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)
    monkeypatch.setattr(ledger_writer_module, "GATHER_S", 0.001)


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "ledger.db")


def said(body: dict[str, str]) -> tuple[str, str]:
    assert set(body) == {"err_code", "err_msg", "request_id"}
    return body["err_code"], body["err_msg"]


async def vanish(server: InProcessServer, key: str) -> None:
    """Open a stream and cut the connection."""
    reader, writer = await asyncio.open_connection(*server.address)
    writer.write(
        b"GET /v1/listen?encoding=linear16&sample_rate=16000 HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Authorization: Token " + key.encode() + b"\r\n\r\n"
    )
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def test_a_project_has_no_more_streams_at_once_than_its_limit(outside: Outside) -> None:
    project = outside.project("small", limit=1)
    key, other = outside.key(project_id=project.project_id), outside.key()

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            status, body = await refusal(server.url, key=key.secret)
            assert (status, said(body)) == (429, TOO_MANY)
            async with live_client(server.url, key=other.secret, **LINEAR) as elsewhere:
                await elsewhere.finish()
            await line.finish()
        await record(server, 2)
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            await line.finish()
            assert line.closed_with == (1000, "")

    served(main, database=str(outside.path))


def test_the_place_of_a_client_that_vanished_is_free_again(outside: Outside) -> None:
    project = outside.project("small", limit=1)
    key = outside.key(project_id=project.project_id)

    async def main(server: InProcessServer) -> None:
        for count in range(1, 4):
            await vanish(server, key.secret)
            gone = await record(server, count)
            assert gone.close_code in (1005, 1006)
            assert server.service.ledger_writer.open_requests(project.project_id) == 0
            await until(lambda: not server.service.live)

    served(main, database=str(outside.path))


def test_simultaneous_requests_do_not_share_a_slot(outside: Outside) -> None:
    """The limit holds while upgrades are under way, too."""
    project = outside.project("small", limit=2)
    key = outside.key(project_id=project.project_id)

    async def main(server: InProcessServer) -> None:
        async def come() -> Any:
            try:
                return await connect(server.url, additional_headers={"Authorization": f"Token {key.secret}"})
            except InvalidStatus as error:
                return error.response.status_code

        came = await asyncio.gather(*(come() for _ in range(12)))
        refused = [status for status in came if isinstance(status, int)]
        assert refused == [429] * 10
        for line in (line for line in came if not isinstance(line, int)):
            await line.close()

    served(main, database=str(outside.path))


def test_a_changed_limit_applies_to_the_next_request(outside: Outside) -> None:
    project = outside.project("small", limit=1)
    key = outside.key(project_id=project.project_id)

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, key=key.secret, **LINEAR):
            await refusal(server.url, key=key.secret)
            await asyncio.to_thread(outside.limit, project, 2)
            await until(lambda: server.service.ledger_writer.has_capacity(project.project_id))
            async with live_client(server.url, key=key.secret, **LINEAR) as second:
                await second.finish()

    served(main, database=str(outside.path))


def test_a_recording_takes_a_place_of_its_project_like_a_stream(outside: Outside) -> None:
    project = outside.project("small", limit=1)
    key = outside.key(project_id=project.project_id)

    async def main(server: InProcessServer) -> None:
        headers = {"Authorization": f"Token {key.secret}", "Content-Type": "audio/wav"}
        async with httpx2.AsyncClient(base_url=server.http, headers=headers) as client:
            async with live_client(server.url, key=key.secret, **LINEAR):
                answer = await client.post("/v1/listen", content=b"RIFF")
                assert (answer.status_code, said(answer.json())) == (429, TOO_MANY)
            await record(server)
            assert (await client.post("/v1/listen", content=b"RIFF")).status_code == 400
            assert server.service.ledger_writer.open_requests(project.project_id) == 0

    served(main, database=str(outside.path))


def test_a_project_without_credit_gets_402(outside: Outside) -> None:
    """It may go on as soon as it was given more, and what runs is not cut off."""
    project = outside.project("prepaid")
    outside.obey_credits(project)
    key = outside.key(project_id=project.project_id)

    async def main(server: InProcessServer) -> None:
        writer = server.service.ledger_writer
        status, body = await refusal(server.url, key=key.secret)
        assert (status, said(body)) == (402, UNPAID)
        await asyncio.to_thread(outside.give, project, 1e-6)
        await until(lambda: writer.has_credit(project.project_id))
        async with (
            live_client(server.url, key=key.secret, **LINEAR) as line,
            live_client(server.url, key=key.secret, **LINEAR) as running,
        ):
            await line.socket.send(speech())
            await line.finish()
            await until(lambda: not writer.has_credit(project.project_id))
            status, body = await refusal(server.url, key=key.secret)
            assert (status, said(body)) == (402, UNPAID)
            await running.socket.send(speech()[:32_000])
            await running.socket.send(FINALIZE)
            await running.until("Results", from_finalize=True)
            await running.finish()
            assert running.closed_with == (1000, "")

    served(main, database=str(outside.path))


def test_a_key_for_something_else_may_not_listen(outside: Outside) -> None:
    key = outside.key(scopes=("usage:read", "keys:write"))

    async def main(server: InProcessServer) -> None:
        expected = ("INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions.")
        status, body = await refusal(server.url, key=key.secret)
        assert (status, said(body)) == (401, expected)
        async with httpx2.AsyncClient(base_url=server.http) as client:
            answer = await client.post("/v1/listen", headers={"Authorization": f"Token {key.secret}"})
        assert (answer.status_code, said(answer.json())) == (401, expected)
        assert "csk_" not in answer.text

    served(main, database=str(outside.path))


def test_a_server_admits_no_more_streams_than_its_limit(outside: Outside) -> None:
    """A request for an unsupported model is refused with that reason, even then."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR):
            status, body = await refusal(server.url)
            assert (status, said(body)) == (429, TOO_MANY)
            assert (await refusal(f"{server.url}?model=nova-9"))[0] == 400
        await until(lambda: not server.service.live)
        async with live_client(server.url, **LINEAR) as line:
            await line.finish()

    served(main, max_sessions=1)


def test_a_stream_that_does_not_fit_is_refused_before_the_upgrade() -> None:
    """Those that talk fill the engine; once they are held by KeepAlive there is room for another."""

    async def main(server: InProcessServer) -> None:
        async with (
            httpx2.AsyncClient(base_url=server.http) as client,
            live_client(server.url, **LINEAR) as one,
            live_client(server.url, **LINEAR) as other,
        ):
            for line in (one, other):
                await line.socket.send(speech()[:32_000])
            await until(lambda: server.service.full)
            status, body = await refusal(server.url)
            assert (status, said(body)) == (429, TOO_MANY)
            assert (await client.get("/readyz")).status_code == 200
            answer = await client.get("/readyz?room")
            assert (answer.status_code, answer.json()["reason"]) == (503, "full")
            text = server.service.metrics.render()[0].decode()
            assert 'caesura_refusals_total{status="429",why="capacity"} 1.0' in text
            assert "caesura_streams_capacity 2.0" in text
            for line in (one, other):
                await line.socket.send(KEEPALIVE)
            await until(lambda: not server.service.full)
            assert (await client.get("/readyz?room")).status_code == 200
            async with live_client(server.url, **LINEAR) as third:
                await third.finish()
            for line in (one, other):
                await line.finish()

    served(main, capacity=2)


def test_how_many_streams_fit_is_measured_at_start() -> None:
    async def main() -> None:
        async with in_process_server(measured=True) as server, httpx2.AsyncClient(base_url=server.http) as client:
            capacity = (await client.get("/v1/status")).json()["stream_capacity"]
            assert 1 <= capacity < server.service.settings.max_sessions
            assert 'caesura_pace_seconds{engine="scripted"}' in (await client.get("/metrics")).text

    asyncio.run(main())


def test_more_capacity_than_sessions_is_refused_at_start() -> None:
    with pytest.raises(UsageError, match="--capacity 3 is more than --max-sessions 2"):
        Service(Settings(engines=("scripted",), capacity=3, max_sessions=2))


def test_a_refused_request_is_counted_but_not_recorded(outside: Outside) -> None:
    project = outside.project("small", limit=1)
    key = outside.key(project_id=project.project_id)
    began = datetime.now(UTC)

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            await refusal(server.url, key=key.secret)
            await refusal(server.url, key="csk_wrong")
            await line.finish()
        await record(server)
        text = server.service.metrics.render()[0].decode()
        assert 'caesura_refusals_total{status="429",why="project"} 1.0' in text
        assert 'caesura_refusals_total{status="401",why="credentials"} 1.0' in text

    served(main, database=str(outside.path))
    rows: list[RequestRecord] = outside.rows()
    assert len(rows) == 1
    assert rows[0].created >= began
    assert json.dumps(dict(rows[0].config)).find(key.secret) == -1
