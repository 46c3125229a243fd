"""Receivers of callbacks over HTTP and WebSocket: what each sends, and how each reports its loss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from caesura.errors import BadUrl, RemoteFailed
from caesura.server.outbound.guard import ReachPolicy
from caesura.server.outbound.http import Outbound
from caesura.server.outbound.receivers import HttpReceiver, Receiver, SocketReceiver, receiver
from caesura.server.outbound.target import SOCKETS, WEB, parse_target
from tests.server.outbound.remote import (
    QUICK,
    certificate,
    gibberish,
    hang_up,
    outbound,
    reset,
    silence,
    socket_server,
    web_server,
)


@asynccontextmanager
async def opened(url: str, out: Outbound, key_id: str = "key-1") -> AsyncIterator[Receiver]:
    there = receiver(parse_target(url, WEB + SOCKETS), outbound=out, method="PUT", key_id=key_id)
    try:
        await there.open()
        yield there
    finally:
        await there.close()


async def deaf(connection: ServerConnection) -> None:
    async for _ in connection:
        pass


def test_the_scheme_decides_which_way() -> None:
    with outbound() as out:
        kinds = {
            scheme: type(
                receiver(parse_target(f"{scheme}://a.example/", WEB + SOCKETS), outbound=out, method="POST", key_id="")
            )
            for scheme in WEB + SOCKETS
        }
    assert kinds == {"http": HttpReceiver, "https": HttpReceiver, "ws": SocketReceiver, "wss": SocketReceiver}


def test_a_message_is_a_request_with_the_method_and_the_key() -> None:
    async def main() -> None:
        async with web_server() as server:
            with outbound() as out:
                async with opened(server.url(), out) as there:
                    await there.send(b"{1}")
                    await there.finish()
                async with opened(server.url(), out, key_id="") as there:
                    await there.send(b"{2}")
            first, second = server.requests
            assert (first.line, first.headers["dg-token"]) == ("PUT / HTTP/1.1", "key-1")
            assert "dg-token" not in second.headers

    asyncio.run(main())


def test_a_socket_carries_text_and_closes_in_order() -> None:
    heard: list[str | bytes] = []
    seen: list[ServerConnection] = []

    async def hear(connection: ServerConnection) -> None:
        seen.append(connection)
        heard.extend([message async for message in connection])

    async def main() -> None:
        async with socket_server(hear) as port:
            with outbound() as out:
                async with opened(f"ws://user:word@127.0.0.1:{port}/in?a=1", out) as there:
                    await there.send("{ü}".encode())
                    await there.send(b"{2}")
                    await there.finish()
        assert heard == ["{ü}", "{2}"]
        (connection,) = seen
        assert connection.close_code == 1000
        assert connection.request is not None
        assert connection.request.path == "/in?a=1"
        headers = connection.request.headers
        assert (headers["dg-token"], headers["authorization"]) == ("key-1", "Basic dXNlcjp3b3Jk")
        assert headers["host"] == f"127.0.0.1:{port}"

    asyncio.run(main())


@pytest.mark.parametrize("code", [1000, 1001, 1011, 4000])
def test_a_receiver_that_closes_is_lost_however_politely(code: int) -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(code)

    async def main() -> None:
        async with socket_server(leave) as port:
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    watching = asyncio.create_task(there.watch())
                    await there.send(b"{}")
                    with pytest.raises(RemoteFailed, match=f"its socket closed \\({code}\\)") as failed:
                        await watching
                    assert not failed.value.retryable
                    with pytest.raises(RemoteFailed, match="its socket closed"):
                        await there.send(b"{}")

    asyncio.run(main())


def test_a_receiver_that_vanishes_is_lost() -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    async def main() -> None:
        async with socket_server(vanish) as port:
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    with pytest.raises(RemoteFailed, match="1006"):
                        await there.watch()

    asyncio.run(main())


def test_messages_of_a_receiver_are_read_and_ignored() -> None:
    async def chat(connection: ServerConnection) -> None:
        for n in range(100):
            await connection.send(str(n))
        await deaf(connection)

    async def main() -> None:
        async with socket_server(chat) as port:
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there, asyncio.TaskGroup() as tasks:
                    tasks.create_task(there.watch())
                    await there.send(b"{}")
                    await there.finish()

    asyncio.run(main())


def test_a_receiver_that_sends_too_long_a_message_is_lost() -> None:
    async def shout(connection: ServerConnection) -> None:
        await connection.send("x" * 100_000)
        await deaf(connection)

    async def main() -> None:
        async with socket_server(shout) as port:
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    with pytest.raises(RemoteFailed, match="its socket closed"):
                        await there.watch()

    asyncio.run(main())


def test_a_receiver_that_accepts_nothing_is_given_up() -> None:
    async def stare(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    async def main() -> None:
        async with socket_server(stare, close_timeout=0.1) as port:
            with outbound(timeouts=QUICK) as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    with pytest.raises(RemoteFailed, match=r"accepted nothing for 0\.15 s"):
                        await there.send(bytes(20_000_000))

    asyncio.run(main())


def test_an_end_that_is_not_answered_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caesura.server.outbound.receivers.CLOSE_S", 0.05)

    async def stare(connection: ServerConnection) -> None:
        connection.transport.pause_reading()
        await connection.wait_closed()

    async def main() -> None:
        async with socket_server(stare, close_timeout=0.1) as port:
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    with pytest.raises(RemoteFailed, match="did not confirm at the end"):
                        await there.finish()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "headers", "why", "again"),
    [
        (401, {}, "it answered 401", False),
        (404, {}, "it answered 404", False),
        (429, {}, "it answered 429", True),
        (503, {}, "it answered 503", True),
        (200, {}, "it answered 200", False),
        (307, {"Location": "ws://127.0.0.1:1/?key=hidden"}, "it redirects", False),
        (302, {"Location": "http://127.0.0.1:1/?key=hidden"}, "WebSocket|redirects", False),
    ],
)
def test_a_server_that_does_not_upgrade_fails(status: int, headers: dict[str, str], why: str, again: bool) -> None:
    def answer(connection: ServerConnection, _: Request) -> Response:
        response = connection.respond(HTTPStatus(status), "no\n")
        response.headers.update(headers)
        return response

    async def main() -> None:
        async with socket_server(deaf, process_request=answer) as port:
            with outbound() as out, pytest.raises(RemoteFailed, match=why) as failed:
                async with opened(f"ws://127.0.0.1:{port}/", out):
                    pass
            assert failed.value.retryable is again
            assert "hidden" not in str(failed.value)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "why", "again"),
    [
        pytest.param(silence, "did not answer within", True, marks=pytest.mark.slow),
        (hang_up, "not answer as a WebSocket", True),
        (gibberish, "not answer as a WebSocket", False),
        (reset, "not answer as a WebSocket", True),
    ],
)
def test_a_server_without_websockets_is_a_failure(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]], why: str, again: bool
) -> None:
    async def main() -> None:
        async with web_server(answer) as server:
            with outbound(timeouts=QUICK) as out, pytest.raises(RemoteFailed, match=why) as failed:
                async with opened(server.url(scheme="ws"), out):
                    pass
            assert failed.value.retryable is again

    asyncio.run(main())


def test_a_server_that_speaks_no_tls_fails() -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gibberish(writer)
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(speak, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with outbound() as out, pytest.raises(RemoteFailed, match="no connection could be made") as failed:
            async with opened(f"wss://127.0.0.1:{port}/", out):
                pass
        assert failed.value.retryable
        server.close()

    asyncio.run(main())


def test_a_socket_is_opened_only_if_the_guard_allows_it() -> None:
    async def main() -> None:
        async with socket_server(deaf) as port:
            with outbound(reach=ReachPolicy(ports=None)) as out:
                for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"):
                    with pytest.raises(BadUrl, match="may not be reached"):
                        async with opened(f"ws://{host}:{port}/", out):
                            pass

    asyncio.run(main())


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "ws_proxy", "WSS_PROXY"])
def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def main() -> None:
        async with web_server() as proxy, socket_server(deaf) as port:
            monkeypatch.setenv(name, proxy.url())
            monkeypatch.setenv("no_proxy", "")
            with outbound() as out:
                async with opened(f"ws://127.0.0.1:{port}/", out) as there:
                    await there.send(b"{}")
                    await there.finish()
            # Not the number of its connections: a late one of another test may find this port in use again.
            assert not [request for request in proxy.requests if str(port) in request.line]

    asyncio.run(main())


def test_a_socket_of_tls_is_checked_against_its_name(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "a.example")

    async def main() -> None:
        names = {"a.example": [["127.0.0.1"]], "b.example": [["127.0.0.1"]]}
        async with socket_server(deaf, ssl=ours) as port:
            with outbound(names=names, tls=theirs) as out:
                async with opened(f"wss://a.example:{port}/", out) as there:
                    await there.send(b"{}")
                    await there.finish()
                with pytest.raises(RemoteFailed, match="certificate") as failed:
                    async with opened(f"wss://b.example:{port}/", out):
                        pass
                assert not failed.value.retryable

    asyncio.run(main())


def test_no_log_shows_what_a_url_keeps_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with socket_server(deaf) as port:
            logging.getLogger("websockets.server").setLevel(logging.INFO)  # the test's own side
            with outbound() as out:
                async with opened(f"ws://user:hidden1@127.0.0.1:{port}/?key=hidden2", out) as there:
                    await there.send(b"hidden3")
                    await there.finish()

    asyncio.run(main())
    logging.getLogger("websockets.server").setLevel(logging.NOTSET)
    assert "hidden" not in caplog.text
    assert "dXNlcjpoaWRkZW4x" not in caplog.text
