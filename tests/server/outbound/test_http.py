"""Requests to URLs that clients name: headers, redirects, and the error of each failure."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from caesura.errors import BadUrl, RemoteFailed
from caesura.server.outbound.guard import Address, Guard, ReachPolicy
from caesura.server.outbound.http import Outbound
from caesura.server.outbound.target import WEB, parse_target
from tests.server.outbound.remote import (
    QUICK,
    Answer,
    certificate,
    gibberish,
    hang_up,
    outbound,
    reset,
    silence,
    web_server,
)
from tests.server.outbound.remote import Names as Table

Names = dict[str, list[list[str]]]


async def deliver(out: Outbound, url: str, method: str = "POST", text: bytes = b"{}") -> None:
    client = out.client()
    try:
        await client.deliver(parse_target(url, WEB), method, {"dg-token": "key-1"}, text)
    finally:
        await client.aclose()


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_a_delivery_is_one_request_with_a_length_a_type_and_its_headers() -> None:
    async def main() -> None:
        async with web_server() as server:
            with outbound() as out:
                await deliver(out, server.url("/hook?a=1", userinfo="user:word@"), "PUT", "{ü}".encode())
            (request,) = server.requests
            assert request.line == "PUT /hook?a=1 HTTP/1.1"
            assert request.body == "{ü}".encode()
            assert request.headers == {
                "host": f"127.0.0.1:{server.port}",
                "user-agent": "caesura",
                "accept": "*/*",
                "dg-token": "key-1",
                "authorization": "Basic dXNlcjp3b3Jk",
                "content-type": "application/json",
                "content-length": "4",
            }

    run(main)


def test_one_connection_carries_one_delivery_after_the_other() -> None:
    async def main() -> None:
        async with web_server(Answer(200, body=b"thank you")) as server:
            with outbound() as out:
                client = out.client()
                for n in range(3):
                    await client.deliver(parse_target(server.url(), WEB), "POST", {}, str(n).encode())
                await client.aclose()
            assert (server.bodies, server.connections) == (["0", "1", "2"], 1)

    run(main)


def test_an_endless_response_counts_by_its_status() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n" + bytes(200_000))
        await writer.drain()
        await asyncio.Event().wait()

    async def main() -> None:
        async with web_server(endless) as server:
            with outbound() as out:
                await deliver(out, server.url())

    run(main)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_some_statuses_are_retryable(status: int) -> None:
    async def main() -> None:
        async with web_server(Answer(status, {"Retry-After": "7"})) as server:
            with outbound() as out, pytest.raises(RemoteFailed, match=f"it answered {status}") as failed:
                await deliver(out, server.url())
            assert (failed.value.retryable, failed.value.retry_after_s) == (True, 7.0)

    run(main)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 413, 304])
def test_failures_with_other_statuses_are_not_retryable(status: int) -> None:
    async def main() -> None:
        headers = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
        async with web_server(Answer(status, headers)) as server:
            with outbound() as out, pytest.raises(RemoteFailed, match=f"it answered {status}") as failed:
                await deliver(out, server.url())
            assert (failed.value.retryable, failed.value.retry_after_s) == (False, 0.0)

    run(main)


async def drip(writer: asyncio.StreamWriter) -> None:
    for byte in b"HTTP/1.1 200 OK\r\nX: " + b"y" * 10_000:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.02)


async def only_informing(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\n\r\n")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (silence, "it did not answer within"),
        (gibberish, "it did not send a complete HTTP/1.1 response"),
        (hang_up, "it did not send a complete HTTP/1.1 response"),
        (reset, "the connection broke"),
        pytest.param(drip, "it did not answer within", marks=pytest.mark.slow),
        pytest.param(only_informing, "it did not answer within", marks=pytest.mark.slow),
    ],
)
def test_a_receiver_that_does_not_answer_is_given_up(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]], why: str
) -> None:
    async def main() -> None:
        async with web_server(answer) as server:
            with outbound(timeouts=QUICK) as out, pytest.raises(RemoteFailed, match=why) as failed:
                await deliver(out, server.url())
            assert failed.value.retryable

    run(main)


# ---- redirects ----


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_that_keeps_method_and_body_is_followed(status: int) -> None:
    async def main() -> None:
        async with web_server(Answer(status, {"Location": "/there?b=2"}, b"over there"), Answer()) as server:
            with outbound() as out:
                await deliver(out, server.url(userinfo="u:p@"), "PUT", b"{1}")
            assert [each.line for each in server.requests] == ["PUT / HTTP/1.1", "PUT /there?b=2 HTTP/1.1"]
            assert server.bodies == ["{1}", "{1}"]
            assert all(each.headers["authorization"] == "Basic dTpw" for each in server.requests)

    run(main)


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_redirect_that_drops_the_body_is_a_failure(status: int) -> None:
    async def main() -> None:
        async with web_server(Answer(status, {"Location": "/there"})) as server:
            with outbound() as out, pytest.raises(RemoteFailed, match="307 and 308 keep") as failed:
                await deliver(out, server.url())
            assert (failed.value.retryable, len(server.requests)) == (False, 1)

    run(main)


def test_a_redirect_to_another_origin_gets_neither_password_nor_key() -> None:
    async def main() -> None:
        async with web_server() as other, web_server(Answer(307, {"Location": other.url("/x")})) as server:
            with outbound() as out:
                await deliver(out, server.url(userinfo="u:p@"))
            (request,) = other.requests
            assert not {"authorization", "dg-token"} & request.headers.keys()

    run(main)


def test_the_number_of_redirects_is_bounded() -> None:
    async def main() -> None:
        async with web_server(Answer(307, {"Location": "/again"})) as server:
            with outbound() as out, pytest.raises(RemoteFailed, match="more than 5 times") as failed:
                await deliver(out, server.url())
            assert (failed.value.retryable, len(server.requests)) == (False, 6)

    run(main)


class _OneNameInside(Guard):
    """Lets `out.example` lead to a test's server on loopback, as if it were public; judges all else for real."""

    def check(self, host: str, port: int) -> None:
        if host != "out.example":
            super().check(host, port)

    async def resolve(self, host: str, port: int) -> list[Address]:
        return [IPv4Address("127.0.0.1")] if host == "out.example" else await super().resolve(host, port)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "[::1]", "2130706433", "0x7f.1", "in.example", "mixed.example"]
)
def test_a_redirect_inside_is_refused(host: str) -> None:
    loopback = [["127.0.0.1"]]
    names = Table(
        {
            "in.example": loopback,
            "2130706433": loopback,
            "0x7f.1": loopback,
            "mixed.example": [["8.8.8.8", "127.0.0.1"]],
        }
    )

    async def main() -> None:
        async with web_server() as inside, web_server() as server:
            server.answers = [Answer(307, {"Location": inside.url(host=host)})]
            with outbound() as out:
                out.guard = _OneNameInside(ReachPolicy(ports=None), names)
                with pytest.raises(BadUrl, match="may not be reached"):
                    await deliver(out, server.url(host="out.example"))
            assert (inside.connections, len(server.requests)) == (0, 1)

    run(main)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://127.0.0.1:99999/"])
def test_a_redirect_out_of_the_web_is_refused(location: str) -> None:
    async def main() -> None:
        async with web_server(Answer(308, {"Location": location})) as server:
            with outbound() as out, pytest.raises(BadUrl):
                await deliver(out, server.url())

    run(main)


def test_a_redirect_to_a_forbidden_port_is_refused() -> None:
    async def main() -> None:
        async with web_server() as server:
            server.answers = [Answer(307, {"Location": "http://127.0.0.1:22/"})]
            reach = ReachPolicy(private=True, ports=frozenset({server.port}))
            with outbound(reach=reach) as out, pytest.raises(BadUrl, match="does not connect to port 22"):
                await deliver(out, server.url())

    run(main)


# ---- the guard ----


def test_nothing_inside_is_reached_unless_a_setting_allows_it() -> None:
    async def main() -> None:
        async with web_server() as server:
            with outbound(reach=ReachPolicy(ports=None)) as out, pytest.raises(BadUrl, match="may not be reached"):
                await deliver(out, server.url(host="localhost"))
            assert server.connections == 0

    run(main)


def test_a_kept_connection_needs_no_second_lookup() -> None:
    """A name that moves inside between two deliveries: the first connection stands, a new one is refused."""

    async def main() -> None:
        async with web_server() as server:
            names: Names = {"a.example": [["127.0.0.1"], ["169.254.169.254"]]}
            target = parse_target(server.url(host="a.example"), WEB)
            with outbound(names=names) as out:
                client = out.client()
                await client.deliver(target, "POST", {}, b"1")
                await client.deliver(target, "POST", {}, b"2")
                await client.aclose()
                with pytest.raises(BadUrl):
                    await deliver(out, server.url(host="a.example"))
            assert (server.bodies, server.requests[0].headers["host"]) == (["1", "2"], f"a.example:{server.port}")

    run(main)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    async def main() -> None:
        async with web_server() as proxy, web_server() as server:
            monkeypatch.setenv(name, proxy.url())
            monkeypatch.setenv("no_proxy", "")
            with outbound() as out:
                await deliver(out, server.url())
            assert (proxy.connections, len(server.requests)) == (0, 1)

    run(main)


def test_a_url_is_parsed_and_checked_in_one_step() -> None:
    with outbound(reach=ReachPolicy()) as out:
        assert out.parse("https://example.com:8443/a").port == 8443
        for url in ("https://example.com:8444/", "http://10.0.0.1/", "http://[::1]/", "ftp://example.com/"):
            with pytest.raises(BadUrl):
                out.parse(url)


def test_no_log_shows_what_a_url_keeps_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    async def main() -> None:
        async with web_server() as server:
            server.answers = [Answer(307, {"Location": "/signed?key=hidden3"}), Answer()]
            with outbound() as out:
                await deliver(out, server.url("/?key=hidden2", userinfo="user:hidden1@"))

    run(main)
    assert "hidden" not in caplog.text
    assert "dXNlcjpoaWRkZW4x" not in caplog.text


# ---- TLS ----


def test_certificates_are_checked_by_default() -> None:
    out = Outbound()
    assert (out.tls.verify_mode, out.tls.check_hostname) == (ssl.CERT_REQUIRED, True)
    out.close()


def test_a_certificate_is_checked_against_the_name_and_not_the_address(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "a.example")

    async def main() -> None:
        async with web_server(tls=ours) as server:
            names: Names = {"a.example": [["127.0.0.1"]], "b.example": [["127.0.0.1"]]}
            with outbound(names=names, tls=theirs) as out:
                await deliver(out, server.url(scheme="https", host="a.example"))
                with pytest.raises(RemoteFailed, match="certificate is not trusted") as failed:
                    await deliver(out, server.url(scheme="https", host="b.example"))
                assert not failed.value.retryable
            system = ssl.create_default_context()
            with outbound(names=names, tls=system) as out, pytest.raises(RemoteFailed, match="certificate"):
                await deliver(out, server.url(scheme="https", host="a.example"))

    run(main)


def test_a_callback_is_not_led_from_tls_to_plain_text(tmp_path: Path) -> None:
    ours, theirs = certificate(tmp_path, "a.example")

    async def main() -> None:
        async with web_server() as plain, web_server(Answer(308, {"Location": plain.url()}), tls=ours) as server:
            url = server.url(scheme="https", host="a.example")
            resolved: Names = {"a.example": [["127.0.0.1"]]}
            with outbound(names=resolved, tls=theirs) as out, pytest.raises(RemoteFailed, match="to http") as failed:
                await deliver(out, url)
            assert (failed.value.retryable, plain.connections) == (False, 0)

    run(main)


def test_a_server_that_speaks_no_tls_fails(tmp_path: Path) -> None:
    async def main() -> None:
        async with web_server() as server:
            with outbound(timeouts=QUICK) as out, pytest.raises(RemoteFailed, match="no connection could be made"):
                await deliver(out, server.url(scheme="https"))

    run(main)
