"""How many recordings a server takes at once, which uploads give way, and results that go to callbacks."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from caesura.errors import BadUrl, RemoteFailed
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from tests.in_process_server import InProcessServer
from tests.server.outbound.remote import web_server
from tests.server.prerecorded.test_route import PRIVATE, SPEECH, post, refused
from tests.server.scenes import record, served
from tests.waiting import until

pytestmark = pytest.mark.slow


def test_status_counts_the_recordings_that_are_being_transcribed() -> None:
    async def main(server: InProcessServer) -> None:
        _, writer = await asyncio.open_connection(*server.address)
        writer.write(b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nRIFF")
        await until(lambda: server.service.ledger_writer.open_requests(DEFAULT_PROJECT_ID))
        async with httpx2.AsyncClient(base_url=server.http) as client:
            assert (await client.get("/v1/status")).json()["active_batch_requests"] == 1
            answer = await client.post("/v1/listen", content=SPEECH)
            assert refused(answer) == (429, "TOO_MANY_REQUESTS")
        writer.transport.abort()
        await record(server, 2)
        assert sorted(row.code for row in server.service.session_log) == [422, 429]
        assert not server.service.ledger_writer.open_requests(DEFAULT_PROJECT_ID)

    served(main, max_recordings=1)


async def drip(server: InProcessServer, query: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """An upload that begins and hardly goes on."""
    reader, writer = await asyncio.open_connection(*server.address)
    head = f"POST /v1/listen?{query} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n"
    writer.write(head.encode() + SPEECH[:100])
    return reader, writer


@pytest.mark.parametrize("query", ["", "callback=https://127.0.0.1:9/hook"])
def test_slow_uploads_keep_neither_routes_nor_recordings_waiting(query: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight of them held all places for minutes and, with callbacks, every thread of the management routes."""
    monkeypatch.setattr("caesura.server.prerecorded.body_rate.SLOW_AFTER_S", 0.5)

    async def main(server: InProcessServer) -> None:
        # As on a machine of one core; on a large one it takes more uploads to use up the threads that all share.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(5))
        slow = [await drip(server, query) for _ in range(8)]
        async with httpx2.AsyncClient(base_url=server.http, timeout=60) as client:

            async def all_active() -> bool:
                return bool((await client.get("/v1/status")).json()["active_batch_requests"] == 8)

            await until(all_active)
            assert (await client.get("/v1/projects")).status_code == 200
            await asyncio.sleep(0.6)
            answers = await asyncio.gather(*(post(server) for _ in range(3)))
            assert [answer.status_code for answer in answers] == [200] * 3
            assert (await client.get("/v1/projects")).status_code == 200
        told = 0
        for reader, writer in slow:
            writer.write_eof()
            told += (await reader.read(1_000)).startswith(b"HTTP/1.1 408 ")
            writer.close()
        assert told == 3

    served(main, **PRIVATE)


def test_a_slow_download_gives_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.server.prerecorded.body_rate.SLOW_AFTER_S", 0.3)

    async def dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        try:
            with contextlib.suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(SPEECH[:1])
                    await writer.drain()
                    await asyncio.sleep(0.05)
        finally:
            # Also when the loop ends first: what the garbage collector finds open would fail a later test.
            writer.close()

    async def main(server: InProcessServer) -> None:
        remote = await asyncio.start_server(dripping, "127.0.0.1", 0)
        port = remote.sockets[0].getsockname()[1]
        slow = asyncio.create_task(post(server, body={"url": f"http://127.0.0.1:{port}/"}))
        await until(lambda: server.service.ledger_writer.open_requests(DEFAULT_PROJECT_ID))
        await asyncio.sleep(0.8)
        assert (await post(server)).status_code == 200
        assert refused(await slow) == (408, "REQUEST_TIMEOUT")
        remote.close()
        await remote.wait_closed()

    served(main, max_recordings=1, **PRIVATE)


@pytest.mark.parametrize("error", [BadUrl("It may not be reached."), RemoteFailed("it answered 404", retryable=False)])
def test_a_result_that_cannot_be_delivered_is_one_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    async def failing(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("caesura.server.prerecorded.active.deliver_result", failing)

    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            assert (await post(server, f"callback={receiver.url()}")).status_code == 200
            await until(lambda: "could not be delivered" in caplog.text)
        assert str(error) in caplog.text
        assert "Traceback" not in caplog.text

    served(main, **PRIVATE)
