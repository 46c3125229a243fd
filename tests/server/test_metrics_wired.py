"""The metrics of a running server after real streams."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from caesura.engines.scripted import SCRIPT
from caesura.protocol.closing import CALLBACK_FAILED, REVOKED, Close
from caesura.server.accounts import ledger_writer as ledger_writer_module
from caesura.server.metrics import close_labels
from caesura.words import raw
from tests.in_process_server import InProcessServer
from tests.live_client import FINALIZE, KEEPALIVE, live_client
from tests.server.outbound.remote import Answer, web_server
from tests.server.outside import Outside
from tests.server.scenes import LINEAR, record, refusal, served, speech
from tests.waiting import until

pytestmark = pytest.mark.slow

Samples = Mapping[str, float]
"""Values by name, with the labels as Prometheus writes them: `name{label=value}`."""


async def kept_alive(server: InProcessServer, times: int) -> bool:
    """Has the server counted so many KeepAlives?"""
    return (await metrics(server))["keepalives_total"] >= times


async def metrics(server: InProcessServer) -> Samples:
    """All values in `/metrics`."""
    async with httpx2.AsyncClient(base_url=server.http) as client:
        answer = await client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    found = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = float(sample.value)
    return {name.removeprefix("caesura_"): value for name, value in found.items()}


def closes(found: Samples) -> dict[str, float]:
    prefix = "closes_total"
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def test_before_anybody_came_everything_is_nothing() -> None:
    async def main(server: InProcessServer) -> None:
        found = await metrics(server)
        assert (found["streams_live"], found["streams_capacity"]) == (0, 7)
        assert (found["workers"], found["workers_ready"], found["worker_restarts_total"]) == (1, 1, 0)
        assert found["audio_seconds_total"] == found["billed_seconds_total"] == found["keepalives_total"] == 0
        assert found["withheld_words_total"] == 0
        assert closes(found) == {}

    served(main, max_sessions=7)


def test_words_that_engines_withheld_are_in_the_metrics() -> None:
    async def main(server: InProcessServer) -> None:
        server.service.engines[0].pool.withheld_words = 3
        assert (await metrics(server))["withheld_words_total"] == 3

    served(main)


def test_a_stream_is_counted_while_it_runs_and_at_its_end() -> None:
    async def main(server: InProcessServer) -> None:
        data = speech()
        async with live_client(server.url, **LINEAR) as line:
            await line.socket.send(data[:64_000])
            await line.socket.send(FINALIZE)
            await line.until("Results", from_finalize=True)
            await line.socket.send(KEEPALIVE)
            await line.socket.send(KEEPALIVE)
            await until(partial(kept_alive, server, 2))
            during = await metrics(server)
            assert (during["streams_live"], during["streams_paused"]) == (1, 1)
            assert during["audio_seconds_total"] == during["billed_seconds_total"] == 2.0
            assert closes(during) == {}
            await line.socket.send(data[64_000:])
            await line.finish()
        await record(server)
        await until(lambda: not server.service.live)
        found = await metrics(server)
        seconds = len(data) / 32_000
        assert (found["streams_live"], found["streams_paused"], found["keepalives_total"]) == (0, 0, 2)
        assert found["audio_seconds_total"] == found["billed_seconds_total"] == pytest.approx(seconds, abs=1e-3)
        assert found["final_latency_seconds_count"] == len(line.finals)
        assert found["interim_latency_seconds_count"] == 0
        assert 0 < found["final_latency_seconds_sum"] < 30
        assert closes(found) == {"{code=1000,reason=finished}": 1}
        assert found["interims_shed_total"] == found["binary_control_suspect_total"] == 0

    served(main)


def test_each_separately_transcribed_channel_is_billed() -> None:
    async def main(server: InProcessServer) -> None:
        query = {**LINEAR, "channels": 2, "multichannel": True}
        async with live_client(server.url, **query) as line:
            await line.socket.send(bytes(64_000))
            await line.finish()
        await record(server)
        found = await metrics(server)
        assert (found["audio_seconds_total"], found["billed_seconds_total"]) == (1.0, 2.0)

    served(main)


def test_interims_are_timed_and_those_that_were_left_out_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(server: InProcessServer) -> None:
        async def told() -> list[dict[str, Any]]:
            async with live_client(server.url, **LINEAR, interim_results=True) as line:
                for at in range(0, len(speech()), 16_000):
                    await line.socket.send(speech()[at : at + 16_000])
                    await asyncio.sleep(0.02)
                await line.finish()
            return [message for message in line.of("Results") if not message["is_final"]]

        interims = await told()
        assert interims
        await record(server)
        found = await metrics(server)
        assert (found["interim_latency_seconds_count"], found["interims_shed_total"]) == (len(interims), 0)
        monkeypatch.setattr("caesura.server.live.send_queue.SHED_INTERIMS", 0)
        assert await told() == []
        await record(server, 2)
        found = await metrics(server)
        assert found["interim_latency_seconds_count"] == len(interims)
        assert found["interims_shed_total"] > 0

    served(main, interim_interval_s=0.5)


def test_streams_are_counted_by_how_they_ended() -> None:
    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            await line.finish()
        async with live_client(server.url, **LINEAR) as line:
            pass
        async with live_client(server.url, encoding="flac") as line:
            await line.socket.send(b"no music at all " * 10_000)
            await asyncio.wait_for(line.listen(), 10)
        async with live_client(server.url, **LINEAR) as line:
            await asyncio.wait_for(line.listen(), 10)
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(
            b"GET /v1/listen HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await until(lambda: server.service.live == 1)
        # A text frame that is not UTF-8.
        writer.write(b"\x81\x82" + struct.pack("!I", 0) + b"\xff\xfe")
        await record(server, 5)
        writer.close()
        found = closes(await metrics(server))
        assert found.pop("{code=1000,reason=finished}") == 1
        assert found.pop("{code=1008,reason=data-0000}") == 1
        assert found.pop("{code=1011,reason=net-0001}") == 1
        assert found.pop("{code=1007,reason=bad-text}") == 1
        assert found in ({"{code=1000,reason=client-closed}": 1}, {"{code=1005,reason=client-closed}": 1})

    served(main, idle_timeout_s=0.3)


@pytest.mark.parametrize("close", [REVOKED, CALLBACK_FAILED], ids=["revoked", "callback"])
def test_a_close_of_ours_is_not_called_the_clients(close: Close) -> None:
    code, reason = close_labels(close.code, close.reason)
    assert code == str(close.code)
    assert reason != "client-closed"


def test_a_callback_that_failed_is_counted() -> None:
    async def main(server: InProcessServer) -> None:
        async with (
            web_server(Answer(410)) as receiver,
            live_client(server.url, **LINEAR, callback=receiver.url("/?secret=hush")) as line,
        ):
            await line.finish()
        await record(server)
        assert (await metrics(server))["callback_failures_total"] == 1

    served(main, allow_private_urls=True)


def test_audio_lost_by_an_engine_failure_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            await line.socket.send(speech()[:64_000])
            await line.socket.send(FINALIZE)
            await line.until("Results", from_finalize=True)
            monkeypatch.setattr(server.service.engines[0].pool, "submit", lambda *_: None)
            await line.socket.send(speech()[64_000:128_000])
            await line.finish()
            assert line.closed_with[0] == 1011
        await record(server)
        found = await metrics(server)
        assert found["dropped_audio_seconds_total{cause=drain}"] == pytest.approx(2.0, abs=0.01)
        assert closes(found) == {"{code=1011,reason=net-0000}": 1}

    served(main, drain_timeout_s=0.3)


def test_refusals_are_counted_by_their_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        await refusal(server.url, key="csk_wrong")
        await refusal(server.url)
        await refusal(f"{server.url}?redact=hush", key=key.secret)
        async with live_client(server.url, key=key.secret, **LINEAR):
            await refusal(server.url, key=key.secret)
        found = await metrics(server)
        refused = {name: value for name, value in found.items() if name.startswith("refusals_total")}
        assert refused == {
            "refusals_total{status=401,why=credentials}": 2,
            "refusals_total{status=400,why=parameter}": 1,
            "refusals_total{status=429,why=sessions}": 1,
        }

    served(main, database=str(outside.path), max_sessions=1)


def test_metrics_contain_no_key_no_word_and_no_parameter(tmp_path: Path) -> None:
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key(comment="hush", tags=("hush",))

    async def main(server: InProcessServer) -> None:
        query = {**LINEAR, "search": "hush", "replace": "hush:hush", "tag": "hush", "extra": "hush:hush"}
        async with (
            web_server(Answer(410)) as receiver,
            live_client(server.url, key=key.secret, callback=receiver.url("/hush"), **query) as failed,
        ):
            await failed.finish()
        async with live_client(server.url, key=key.secret, **query) as line:
            await line.socket.send(speech())
            await line.finish()
            assert line.words()
        await refusal(f"{server.url}?hush=hush&model=hush", key=key.secret)
        await refusal(server.url, key="hush")
        await record(server, 2)
        async with httpx2.AsyncClient(base_url=server.http) as client:
            text = (await client.get("/metrics")).text
        values = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
        for secret in ("hush", key.secret, key.key.api_key_id, key.key.project_id):
            assert secret not in text
        spoken = {raw(word.text) for word in SCRIPT} & {"nobody", "twice", "anna", "clock", "room"}
        assert len(spoken) == 5
        assert not [word for word in spoken if word in values.lower()]

    served(main, database=str(outside.path), allow_private_urls=True)


def test_a_connection_that_is_reset_leaves_nothing_open() -> None:
    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            await line.socket.send(KEEPALIVE)
            await until(partial(kept_alive, server, 1))
            assert (await metrics(server))["streams_paused"] == 1
            raw_socket = line.socket.transport.get_extra_info("socket")
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.socket.transport.abort()
            await record(server)
        found = await metrics(server)
        assert (found["streams_live"], found["streams_paused"]) == (0, 0)
        assert sum(closes(found).values()) == 1

    served(main)
