"""Keys that expire, or that another process with the same ledger creates and revokes, while a server runs."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from caesura.ledger.requests import Outcome
from caesura.protocol.closing import REVOKED
from caesura.server.accounts import ledger_writer as ledger_writer_module
from tests.in_process_server import InProcessServer
from tests.live_client import FINALIZE, KEEPALIVE, live_client
from tests.server.outside import Outside
from tests.server.scenes import LINEAR, record, refusal, served, speech
from tests.waiting import WITHIN_S, until

pytestmark = pytest.mark.slow

REFUSED = (401, "INVALID_AUTH")


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return Outside(tmp_path / "ledger.db")


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)


async def status(server: InProcessServer, key: str | None) -> tuple[int, str]:
    found, body = await refusal(server.url, key=key)
    return found, body["err_code"]


def test_a_key_that_is_revoked_elsewhere_ends_its_open_streams_after_half_a_second(outside: Outside) -> None:
    """When the ledger is looked at next: that often a server does it, unless a test sets another time."""
    assert ledger_writer_module.POLL_S == 0.5
    key, other = outside.key(), outside.key()

    async def main(server: InProcessServer) -> None:
        async with (
            live_client(server.url, key=key.secret, **LINEAR) as one,
            live_client(server.url, key=key.secret, **LINEAR) as two,
            live_client(server.url, key=other.secret, **LINEAR) as bystander,
        ):
            await one.socket.send(speech()[:64_000])
            await one.socket.send(FINALIZE)
            await one.until("Results", from_finalize=True)
            await asyncio.to_thread(outside.revoke, key)
            await asyncio.wait_for(asyncio.gather(one.listen(), two.listen()), WITHIN_S)
            assert one.closed_with == two.closed_with == (1008, "The API key was revoked.")
            assert await status(server, key.secret) == REFUSED
            await bystander.finish()
            assert bystander.closed_with == (1000, "")
        await record(server, 3)
        records = [row for row in server.service.session_log if row.api_key_id == key.key.api_key_id]
        assert [(row.close_code, row.close_reason) for row in records] == [(1008, REVOKED.reason)] * 2
        assert {row.outcome for row in records} == {Outcome.FAILED}
        assert sorted(row.audio_seconds for row in records) == [0.0, 2.0]
        assert server.service.live == 0

    served(main, database=str(outside.path))
    rows = {row.request_id: row for row in outside.rows()}
    assert sorted((row.close_code, row.close_reason) for row in rows.values()) == [
        (1000, ""),
        (1008, REVOKED.reason),
        (1008, REVOKED.reason),
    ]


@pytest.mark.usefixtures("_soon")
def test_a_stream_that_is_draining_is_revoked_too(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record has that reason, although a normal close had already begun."""
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        # Jobs are lost, so that the last words do not come.
        monkeypatch.setattr(server.service.engines[0].pool, "submit", lambda *_: None)
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            await line.socket.send(speech())
            await line.socket.send('{"type":"CloseStream"}')
            await asyncio.to_thread(outside.revoke, key)
            await asyncio.wait_for(line.listen(), WITHIN_S)
            assert line.closed_with == (1008, REVOKED.reason)
        ended = await record(server)
        assert (ended.close_code, ended.close_reason) == (1008, REVOKED.reason)

    served(main, database=str(outside.path))


@pytest.mark.usefixtures("_soon")
def test_from_the_first_key_on_every_request_needs_one(outside: Outside) -> None:
    """On loopback no key is needed while there is none; a key of another process counts once it is loaded."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as early:
            key = await asyncio.to_thread(outside.key)
            await until(lambda: server.service.ledger_writer.key_required)
            assert await status(server, None) == REFUSED
            assert await status(server, "csk_wrong") == REFUSED
            async with live_client(server.url, key=key.secret, **LINEAR) as line:
                await line.finish()
                assert line.closed_with == (1000, "")
            # A stream from before needed no key, and continues.
            await early.socket.send(KEEPALIVE)
            await early.finish()
            assert early.closed_with == (1000, "")
            await asyncio.to_thread(outside.revoke, key)
            await until(lambda: server.service.ledger_writer.verify(key.secret) is None)
            assert await status(server, None) == REFUSED

    served(main, database=str(outside.path))


@pytest.mark.usefixtures("_soon")
def test_an_expired_key_is_refused_and_closes_nothing(outside: Outside) -> None:
    async def main(server: InProcessServer) -> None:
        key = await asyncio.to_thread(outside.key, expires=datetime.now(UTC) + timedelta(seconds=3))
        await until(lambda: server.service.ledger_writer.verify(key.secret))
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            await until(lambda: server.service.ledger_writer.verify(key.secret) is None)
            assert await status(server, key.secret) == REFUSED
            await line.finish()
            assert line.closed_with == (1000, "")

    served(main, database=str(outside.path))


@pytest.mark.usefixtures("_soon")
def test_a_token_opens_a_stream_that_outlives_it_but_not_its_key(outside: Outside) -> None:
    key = outside.key(tags=("ward",))

    async def main(server: InProcessServer) -> None:
        writer = server.service.ledger_writer
        access = writer.verify(key.secret)
        assert access is not None
        token = writer.grant_token(access, ttl_s=3).access_token
        async with live_client(server.url, key=token, tag="call", **LINEAR) as line:
            await until(lambda: writer.verify(token) is None)
            assert await status(server, token) == REFUSED
            await line.socket.send(speech()[:32_000])
            await line.socket.send(FINALIZE)
            await line.until("Results", from_finalize=True)
            await asyncio.to_thread(outside.revoke, key)
            await asyncio.wait_for(line.listen(), WITHIN_S)
            assert line.closed_with == (1008, REVOKED.reason)
        ended = await record(server)
        assert ended.api_key_id == key.key.api_key_id
        assert ended.tags == ("call", "ward")
        fresh = writer.grant_token(access, ttl_s=60).access_token
        assert await status(server, fresh) == REFUSED

    served(main, database=str(outside.path))


@pytest.mark.usefixtures("_soon")
def test_keys_given_by_flag_go_on_beside_those_of_the_ledger(outside: Outside) -> None:
    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, key="by-flag", **LINEAR) as line:
            key = await asyncio.to_thread(outside.key)
            await until(lambda: server.service.ledger_writer.verify(key.secret))
            await asyncio.to_thread(outside.revoke, key)
            await until(lambda: server.service.ledger_writer.verify(key.secret) is None)
            async with live_client(server.url, key="by-flag", **LINEAR) as another:
                await another.finish()
            await line.finish()
            assert line.closed_with == another.closed_with == (1000, "")
        assert await status(server, None) == REFUSED
        ended = await record(server, 2)
        assert ended.api_key_id is not None
        assert "by-flag" not in ended.api_key_id

    served(main, database=str(outside.path), keys=("by-flag",))


@pytest.mark.usefixtures("_soon")
def test_revoking_a_ledger_key_ends_it_also_where_it_is_a_static_key(
    outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    """Its streams are closed, it is refused from then on, and the next start warns of it."""
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, key=key.secret, **LINEAR) as line:
            await asyncio.to_thread(outside.revoke, key)
            await asyncio.wait_for(line.listen(), WITHIN_S)
            assert line.closed_with == (1008, REVOKED.reason)
        assert await status(server, key.secret) == REFUSED

    async def again(server: InProcessServer) -> None:
        assert await status(server, key.secret) == REFUSED

    with caplog.at_level(logging.INFO, "caesura.ledger"):
        served(main, database=str(outside.path), keys=(key.secret,))
        assert f"a static key is key {key.key.api_key_id} of the ledger" in caplog.text
        assert "is not valid" not in caplog.text
        served(again, database=str(outside.path), keys=(key.secret,))
    (warning,) = [entry for entry in caplog.records if "is not valid" in entry.message]
    assert warning.levelname == "WARNING"
    assert key.key.api_key_id in warning.message
    assert key.secret not in caplog.text


@pytest.mark.usefixtures("_soon")
def test_a_server_with_no_auth_accepts_everybody(outside: Outside) -> None:
    """A key that is presented and good still counts as that key."""
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        for presented in (None, "csk_wrong", key.secret):
            async with live_client(server.url, key=presented, **LINEAR) as line:
                await line.finish()
                assert line.closed_with == (1000, "")
        await record(server, 3)
        assert [row.api_key_id for row in server.service.session_log] == [None, None, key.key.api_key_id]

    served(main, database=str(outside.path), no_auth=True)
