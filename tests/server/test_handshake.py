"""Heads of requests that the WebSocket library cannot read are answered, not left hanging."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest

from caesura.server.handshake import MAX_HEADERS, MAX_LINE, RefusalsAreAnswers
from tests.serving_inprocess import serving

pytestmark = pytest.mark.slow


def _head(target: int = 10, header: int = 10) -> bytes:
    return (
        b"GET /v1/listen?tag=%b HTTP/1.1\r\nHost: localhost\r\nX-Long: %b\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ) % (b"x" * target, b"y" * header)


@pytest.mark.parametrize("sizes", [{"target": MAX_LINE}, {"target": 60_000}, {"header": MAX_LINE + 1}])
def test_a_line_that_is_too_long_gets_414(sizes: dict[str, int]) -> None:
    """With the body, the id and the sentence of every refusal, and the connection ends."""

    async def main() -> None:
        async with serving() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head(**sizes))
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 414 ")
            said = json.loads(body)
            assert f"dg-request-id: {said['request_id']}".encode() in head
            assert f"dg-error: {said['err_msg']}".encode() in head

    asyncio.run(main())


def test_more_headers_than_are_read_get_431() -> None:
    """One below the limit is upgraded."""

    async def main() -> None:
        async with serving() as server:
            # The head has six of its own.
            for count, status in ((MAX_HEADERS - 6, b"101"), (MAX_HEADERS - 5, b"431")):
                reader, writer = await asyncio.open_connection(*server.address)
                more = b"".join(b"X-%d: y\r\n" % number for number in range(count))
                writer.write(_head().replace(b"X-Long", more + b"X-Long"))
                assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 " + status)
                writer.close()

    asyncio.run(main())


def test_who_connects_and_sends_no_request_is_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent or with half a head; a connection that was upgraded stays."""
    monkeypatch.setattr("caesura.server.handshake.HEAD_S", 0.3)

    async def main() -> None:
        async with serving() as server:
            lines = []
            for sent in (b"", _head()[:40], _head()):
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(sent)
                lines.append((reader, writer))
            for reader, _ in lines[:2]:
                assert await asyncio.wait_for(reader.read(), 10) == b""
            upgraded = lines[2][0]
            assert (await upgraded.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(upgraded.read(1), 0.5)
            for _, writer in lines:
                writer.close()

    asyncio.run(main())


def test_a_head_of_ordinary_length_is_upgraded() -> None:
    """The limit is for lines, not for the head as a whole."""

    async def main() -> None:
        async with serving() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head(target=100, header=5000))
            assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 101 ")
            writer.close()

    asyncio.run(main())


def test_only_the_misleading_record_is_dropped() -> None:
    """uvicorn says of each proper refusal that the application forgot to answer."""
    keep = RefusalsAreAnswers().filter
    assert not keep(logging.makeLogRecord({"msg": "ASGI callable returned without completing handshake."}))
    assert keep(logging.makeLogRecord({"msg": "Exception in ASGI application\n"}))
