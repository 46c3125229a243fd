"""Parsing of URLs that clients name, and the secrets that are never shown."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadUrl
from caesura.server.outbound.target import SOCKETS, WEB, parse_target
from tests.example_count import examples


@pytest.mark.parametrize(
    ("url", "host", "port", "shown"),
    [
        ("http://example.com", "example.com", 80, "http://example.com/"),
        ("HTTPS://Example.COM/a?b#c", "example.com", 443, "https://example.com/a"),
        ("ws://example.com:8080/x y", "example.com", 8080, "ws://example.com:8080/x%20y"),
        ("wss://example.com", "example.com", 443, "wss://example.com/"),
        ("http://bücher.example/ü", "xn--bcher-kva.example", 80, "http://xn--bcher-kva.example/%C3%BC"),
        ("http://[::ffff:127.0.0.1]:8080/", "::ffff:127.0.0.1", 8080, "http://[::ffff:127.0.0.1]:8080/"),
        ("http://2130706433/", "2130706433", 80, "http://2130706433/"),
        ("http://8.8.8.8@127.0.0.1/", "127.0.0.1", 80, "http://127.0.0.1/"),
        ("http://8.8.8.8\\@127.0.0.1/", "127.0.0.1", 80, "http://127.0.0.1/"),
        ("http://127.0.0.1#@8.8.8.8/", "127.0.0.1", 80, "http://127.0.0.1/"),
        ("http://127.0.0.1?@8.8.8.8/", "127.0.0.1", 80, "http://127.0.0.1/"),
    ],
)
def test_a_url_leads_to_a_host_and_a_port(url: str, host: str, port: int, shown: str) -> None:
    target = parse_target(url, WEB + SOCKETS)
    assert (target.host, target.port, str(target)) == (host, port, shown)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "/a",
        "//example.com/a",
        "http:///a",
        "http://",
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "javascript:alert(1)",
        "http://[::1",
        "http://example.com:0/",
        "http://example.com:65536/",
        "http://example.com:x/",
        "http://256.1.1.1/",
        "http://①②⑦.⓪.⓪.①/",
        "http://example.com/\r\nHost: evil",
        "http://example.com/\x00",
        "http://example.com/" + "a" * 9000,
    ],
)
def test_an_invalid_url_is_refused(url: str) -> None:
    with pytest.raises(BadUrl):
        parse_target(url, WEB + SOCKETS)


def test_a_socket_is_no_recording() -> None:
    with pytest.raises(BadUrl, match="http:// or https://"):
        parse_target("ws://example.com/", WEB)


def test_the_userinfo_becomes_a_header_and_is_nowhere_else() -> None:
    target = parse_target("https://user:p%40ss%3A@example.com/a?key=hidden", WEB)
    assert target.authorization == "Basic dXNlcjpwQHNzOg=="
    assert str(target.url) == "https://example.com/a?key=hidden"
    for shown in (str(target), repr(target)):
        assert not any(secret in shown for secret in ("user", "p%40ss", "p@ss", "hidden", "dXNl"))


def test_a_url_without_userinfo_needs_no_header() -> None:
    assert parse_target("https://example.com/", WEB).authorization is None


@pytest.mark.parametrize(
    ("location", "shown", "keeps"),
    [
        ("/b", "https://example.com/b", True),
        ("c?d", "https://example.com/c", True),
        ("https://example.com:443/b", "https://example.com/b", True),
        ("https://other:word@example.com/b", "https://example.com/b", True),
        ("//example.org/b", "https://example.org/b", False),
        ("http://example.com/b", "http://example.com/b", False),
        ("https://example.com:8443/b", "https://example.com:8443/b", False),
        ("https://me:too@example.org/", "https://example.org/", False),
    ],
)
def test_a_redirect_takes_the_credentials_along_only_to_the_same_origin(location: str, shown: str, keeps: bool) -> None:
    target = parse_target("https://user:word@example.com/a", WEB)
    there = target.redirected(location)
    assert str(there) == shown
    assert there.authorization == (target.authorization if keeps else None)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ws://example.com/", "http://x:99999/", "http://x:y/"])
def test_a_redirect_leads_to_the_web_or_nowhere(location: str) -> None:
    with pytest.raises(BadUrl):
        parse_target("https://example.com/a", WEB).redirected(location)


@examples(50)
@given(st.sampled_from(["", "http://", "https://u:p@example.com/"]), st.text(max_size=40))
def test_any_text_is_a_target_or_a_refusal(before: str, text: str) -> None:
    with suppress(BadUrl):
        target = parse_target(before + text, WEB)
        assert target.host
        assert 0 < target.port < 65536
        assert str(target).isascii()
        assert str(target).isprintable()
        target.redirected(text)
