"""The WebSocket transport: opening, refusals, errors and closing."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response
from websockets.sync.server import ServerConnection

from caesura.client import transport
from caesura.client.transport import (
    Transport,
    TransportClosed,
    close_quietly,
    read_refusal,
    websocket_opener,
)
from caesura.errors import BadCredentials, PaymentRequired, Refused, TooManyStreams, Unreachable, UsageError
from caesura.testing import FakeServer
from tests.client.lines import PATIENCE_S, VOICE
from tests.client.websocket_peers import Peers, peers


def opener(
    url: str, headers: dict[str, str] | None = None, *, stall_s: float = 5.0
) -> Callable[[], Awaitable[Transport]]:
    return websocket_opener(f"{url}/v1/listen", headers or {}, stall_s=stall_s)


def run(test: Awaitable[None]) -> None:
    async def go() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test

    asyncio.run(go())


def listens(seen: Peers, socket: ServerConnection) -> None:
    """Takes everything and says nothing."""
    seen.read(socket)


@contextmanager
def raw(answer: bytes) -> Iterator[str]:
    """A server that reads a request and answers it with that."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE_S)

        def serve() -> None:
            with listener.accept()[0] as peer:
                peer.settimeout(PATIENCE_S)
                peer.recv(65536)
                peer.sendall(answer)

        serving = threading.Thread(target=serve)
        serving.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
        serving.join()


# ---- an open connection ----


def test_bytes_go_as_binary_and_text_as_text() -> None:
    async def test(url: str) -> None:
        connection = await opener(url)()
        await connection.send(b"\1\2")
        await connection.send('{"type":"KeepAlive"}')
        await connection.close()

    with peers(listens) as server:
        run(test(server.url))
        server.wait(lambda: len(server.connections[0]) == 2)
        assert server.connections == [[b"\1\2", '{"type":"KeepAlive"}']]


def test_messages_are_received_in_order_and_then_how_it_ended() -> None:
    def handle(_: Peers, socket: ServerConnection) -> None:
        socket.send("one")
        socket.send("two")
        socket.close(1011, "NET-0001")

    async def test(url: str) -> None:
        connection = await opener(url)()
        assert [await connection.receive(), await connection.receive()] == ["one", "two"]
        with pytest.raises(TransportClosed) as closed:
            await connection.receive()
        assert (closed.value.code, closed.value.reason) == (1011, "NET-0001")
        assert str(closed.value) == "1011 NET-0001"
        with pytest.raises(TransportClosed, match="1011"):
            await connection.send(b"\0\0")
        with pytest.raises(TransportClosed, match="1011"):
            await connection.ping()
        await connection.close()

    with peers(handle) as server:
        run(test(server.url))


def test_a_binary_message_of_the_server_is_handed_on_as_what_it_is_not() -> None:
    def handle(_: Peers, socket: ServerConnection) -> None:
        socket.send(b"\1\2")

    async def test(url: str) -> None:
        connection = await opener(url)()
        assert await connection.receive() == "(a binary message)"
        await connection.close()

    with peers(handle) as server:
        run(test(server.url))


def test_a_connection_that_is_cut_ends_with_1006() -> None:
    async def test(server: FakeServer) -> None:
        connection = await websocket_opener(
            f"{server.url}/v1/listen?encoding=linear16&sample_rate=16000", {}, stall_s=5
        )()
        assert connection.request_id == server.connections[0].request_id
        server.cut()
        with pytest.raises(TransportClosed) as closed:
            await connection.receive()
        assert closed.value.code == 1006

    with FakeServer(VOICE) as server:
        run(test(server))


def test_a_ping_returns_when_it_is_answered() -> None:
    async def test(url: str) -> None:
        connection = await opener(url)()
        await connection.ping()
        await connection.close()

    with peers(listens) as server:
        run(test(server.url))


def test_cutting_wakes_the_reader() -> None:
    async def test(url: str) -> None:
        connection = await opener(url)()
        receiving = asyncio.create_task(connection.receive())
        await asyncio.sleep(0)
        connection.abort()
        with pytest.raises(TransportClosed, match="1006"):
            await receiving
        await connection.close()

    with peers(listens) as server:
        run(test(server.url))


def test_a_close_that_takes_too_long_becomes_a_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CLOSE_S", -1.0)  # together with the second on top: at once
    done: list[str] = []

    class Stuck:
        request_id = ""

        async def send(self, frame: bytes | str) -> None: ...
        async def receive(self) -> str:
            return ""

        async def ping(self) -> None: ...
        async def close(self) -> None:
            await asyncio.Event().wait()

        def abort(self) -> None:
            done.append("cut")

    run(close_quietly(Stuck()))
    assert done == ["cut"]


def test_the_kernel_cuts_a_peer_that_acknowledges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if option is None:
        pytest.skip("this kernel does not")

    class WatchedSocket(socket.socket):
        def setsockopt(self, level: int, name: int, *value: Any) -> None:
            super().setsockopt(level, name, *value)
            if (level, name) == (socket.IPPROTO_TCP, option):
                limits.append(self.getsockopt(level, name))

    limits: list[int] = []
    monkeypatch.setattr(socket, "socket", WatchedSocket)

    async def test(url: str) -> None:
        for stall_s, milliseconds in ((0.0123, 13), (5.0, 5000), (math.inf, 2**31 - 1), (1e12, 2**31 - 1)):
            connection = await opener(url, stall_s=stall_s)()
            assert limits.pop() == milliseconds
            await connection.close()

    with peers(listens) as server:
        run(test(server.url))


# ---- what is refused ----


def response(status: int, body: bytes = b"", **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, HTTPStatus(status).phrase, Headers(names), body)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (response(401, dg_error="no such key", dg_request_id="id"), (BadCredentials, 401, "no such key", "id", None)),
        (
            response(402, b'{"err_msg":"no credits","request_id":"id"}'),
            (PaymentRequired, 402, "no credits", "id", None),
        ),
        (response(403), (BadCredentials, 403, "Forbidden", "", None)),
        (response(429, Retry_After="7"), (TooManyStreams, 429, "Too Many Requests", "", 7.0)),
        (response(429, Retry_After="-7"), (TooManyStreams, 429, "Too Many Requests", "", 0.0)),
        (
            response(429, Retry_After="Wed, 21 Oct 2026 07:28:00 GMT"),
            (TooManyStreams, 429, "Too Many Requests", "", None),
        ),
        (response(503, b"<html>busy"), (Refused, 503, "Service Unavailable", "", None)),
        (response(503, b'["busy"]'), (Refused, 503, "Service Unavailable", "", None)),
        (response(503, b"\xff"), (Refused, 503, "Service Unavailable", "", None)),
        (response(503, b'{"err_msg":null}'), (Refused, 503, "Service Unavailable", "", None)),
        (response(400, b'{"err_msg":"body"}', dg_error="header"), (Refused, 400, "header", "", None)),
    ],
)
def test_a_refusal_is_read_from_its_headers_or_its_body(answer: Response, expected: tuple[Any, ...]) -> None:
    error = read_refusal(answer)
    assert (type(error), error.status, error.dg_error, error.request_id, error.retry_after_s) == expected


def test_a_header_that_a_proxy_has_doubled_is_read_once() -> None:
    headers = Headers([("dg-error", "first"), ("dg-error", "second"), ("Retry-After", "1"), ("Retry-After", "2")])
    error = read_refusal(Response(429, "Too Many Requests", headers))
    assert (error.dg_error, error.retry_after_s) == ("first", 1.0)


def test_an_http_answer_instead_of_the_upgrade_is_a_refusal() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(HTTPStatus.PAYMENT_REQUIRED, "no credits")

    async def test(url: str) -> None:
        with pytest.raises(PaymentRequired):
            await opener(url)()

    with peers(listens, process_request=refuse) as server:
        run(test(server.url))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "does not speak this wire"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "does not speak this wire"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "does not speak this wire"),
    ],
    ids=["nothing", "another protocol", "half an upgrade"],
)
def test_what_does_not_speak_websocket_is_reported(answer: bytes, words: str) -> None:
    async def test(url: str) -> None:
        with pytest.raises(Unreachable, match=words) as caught:
            await opener(url)()
        assert str(caught.value).startswith(url)

    with raw(answer) as url:
        run(test(url))


def test_a_server_that_never_answers_the_upgrade_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "HANDSHAKE_S", 0.05)

    async def test(url: str) -> None:
        with pytest.raises(Unreachable, match="does not answer"):
            await opener(url)()

    with FakeServer(VOICE) as server:
        server.stall()
        run(test(server.url))


def test_a_secure_address_of_a_server_that_is_not_secure_is_reported() -> None:
    async def test(url: str) -> None:
        with pytest.raises(Unreachable, match=r"makes no secure connection.*Is it a ws:// address\?"):
            await opener(url.replace("ws:", "wss:"))()

    with raw(b"HTTP/1.1 400 Bad Request\r\n\r\n") as url:
        run(test(url))


@pytest.mark.parametrize(("number", "retryable"), [(socket.EAI_NONAME, False), (socket.EAI_AGAIN, True)])
def test_an_unknown_host_name_says_what_to_do(monkeypatch: pytest.MonkeyPatch, number: int, retryable: bool) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)

    async def test() -> None:
        with pytest.raises(Unreachable, match=r"host in ws://nobody\.invalid .*name another address") as no:
            await opener("ws://nobody.invalid")()
        assert no.value.retryable is retryable

    run(test())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_refused_connection_is_distinguished_from_one_that_may_work_later(host: str) -> None:
    """On every address of the name: asyncio then makes one error of several."""

    async def test(port: int) -> None:
        with pytest.raises(Unreachable, match="Nothing listens at") as caught:
            await opener(f"ws://{host}:{port}")()
        assert not caught.value.retryable

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run(test(taken.getsockname()[1]))


@pytest.mark.parametrize(
    ("text", "retryable"),
    [
        (
            "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0), [Errno 111] Connect call failed",
            False,
        ),
        ("Multiple exceptions: [Errno 99] Cannot assign requested address, [Errno 111] Connect call failed", False),
        ("Multiple exceptions: [Errno 110] Connect call failed, [Errno 111] Connect call failed", True),
        ("[Errno 113] No route to host", True),
        ("[Errno 99] Cannot assign requested address", True),
        ("the connection was cut", True),
    ],
)
@pytest.mark.skipif(sys.platform != "linux", reason="these are its numbers")
def test_several_addresses_refuse_only_when_all_of_them_do(
    monkeypatch: pytest.MonkeyPatch, text: str, retryable: bool
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise OSError(text)

    monkeypatch.setattr(transport, "connect", fail)

    async def test() -> None:
        with pytest.raises(Unreachable) as caught:
            await opener("ws://two.example")()
        assert caught.value.retryable is retryable

    run(test())


def test_what_is_no_address_is_a_mistake_of_the_caller() -> None:
    async def test() -> None:
        with pytest.raises(UsageError, match="is no address of a server"):
            await websocket_opener("http://127.0.0.1", {}, stall_s=5)()

    run(test())


def test_a_password_in_the_address_is_in_no_error() -> None:
    async def test(port: int) -> None:
        with pytest.raises(Unreachable) as caught:
            await opener(f"ws://user:sesame@127.0.0.1:{port}")()
        assert f"ws://127.0.0.1:{port}" in str(caught.value)
        assert "sesame" not in str(caught.value)

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        run(test(taken.getsockname()[1]))


def test_the_socket_layer_may_debug_without_logging_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    async def test(url: str) -> None:
        connection = await opener(url, {"Authorization": "Token sesame", "X-Key": "sesame"})()
        await connection.close()

    caplog.set_level(logging.DEBUG, "caesura.client.websocket")
    with peers(listens) as server:
        run(test(server.url))
        assert server.headers[0]["Authorization"] == "Token sesame"
    assert "> Authorization: (hidden)" in caplog.messages
    assert "> X-Key: (hidden)" in caplog.messages
    assert "> Upgrade: websocket" in caplog.messages
    assert "sesame" not in caplog.text


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """Behind a company's proxy a server of one's own would look as if it did not run."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)

    async def open_one(url: str) -> None:
        address = url.replace("127.0.0.1", host) + "/v1/listen?encoding=linear16&sample_rate=16000"
        (await websocket_opener(address, {}, stall_s=5.0)()).abort()

    with FakeServer(VOICE) as server:
        asyncio.run(open_one(server.url))
        assert len(server.connections) == 1
