"""The relay passes bytes on unchanged until a fault is triggered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidMessage

from caesura.errors import UsageError
from caesura.testing import Relay


@asynccontextmanager
async def echoing() -> AsyncIterator[Relay]:
    """A relay in front of a server that echoes."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        with Relay(f"ws://127.0.0.1:{port}") as relay:
            yield relay


async def answered(line: ClientConnection, message: bytes) -> bytes:
    await line.send(message)
    return await asyncio.wait_for(line.recv(decode=False), 5)


def test_bytes_are_relayed_in_both_directions() -> None:
    async def talk() -> None:
        async with echoing() as relay, connect(relay.url) as line:
            assert await answered(line, bytes(300_000)) == bytes(300_000)
            assert relay.connections == 1

    asyncio.run(talk())


def test_a_cut_resets_the_connection_and_the_next_one_is_relayed() -> None:
    async def talk() -> None:
        async with echoing() as relay:
            async with connect(relay.url) as line:
                assert await answered(line, b"one") == b"one"
                await asyncio.to_thread(relay.cut)
                with pytest.raises(ConnectionClosed) as closed:
                    await asyncio.wait_for(line.recv(), 5)
                assert closed.value.rcvd is None
            async with connect(relay.url) as line:
                assert await answered(line, b"two") == b"two"

    asyncio.run(talk())


def test_a_stalled_connection_stays_open_and_sends_nothing() -> None:
    async def talk() -> None:
        async with echoing() as relay, connect(relay.url, ping_interval=None, close_timeout=0.01) as line:
            assert await answered(line, b"one") == b"one"
            await asyncio.to_thread(relay.stall)
            await line.send(b"two")
            pong = asyncio.ensure_future(await line.ping())
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(line.recv(), 0.1)
            assert not pong.done()
            assert line.close_code is None
            async with connect(relay.url) as other:
                assert await answered(other, b"three") == b"three"
            pong.cancel()

    asyncio.run(talk())


def test_where_no_server_listens_the_connection_ends_at_once() -> None:
    async def talk() -> None:
        with Relay("ws://127.0.0.1:1") as relay, pytest.raises((InvalidMessage, OSError)):
            await connect(relay.url)

    asyncio.run(talk())


@pytest.mark.parametrize("url", ["wss://example.org", "127.0.0.1:80", "ws://"])
def test_an_address_that_cannot_be_led_to_is_refused_by_name(url: str) -> None:
    with pytest.raises(UsageError, match="url"):
        Relay(url)
