"""Resolving a server's name or URL, and parameters, to the full address."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.address import listen_address, own_parameters, query_pairs
from caesura.errors import UsageError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("deepgram", "wss://api.deepgram.com/v1/listen"),
        ("localhost", "ws://localhost/v1/listen"),
        ("127.0.0.1:8080", "ws://127.0.0.1:8080/v1/listen"),
        ("[::1]:8080", "ws://[::1]:8080/v1/listen"),
        ("ws://127.0.0.1:8080", "ws://127.0.0.1:8080/v1/listen"),
        ("ws://127.0.0.1:8080/", "ws://127.0.0.1:8080/v1/listen"),
        ("http://host", "ws://host/v1/listen"),
        ("https://host:8443", "wss://host:8443/v1/listen"),
        ("WSS://Host", "wss://Host/v1/listen"),
        ("wss://host/v1", "wss://host/v1/listen"),
        ("wss://host/v1/listen", "wss://host/v1/listen"),
        ("wss://host/v1/listen/", "wss://host/v1/listen"),
        ("wss://host/speech", "wss://host/speech/v1/listen"),
        ("wss://host/speech/v1/", "wss://host/speech/v1/listen"),
        ("wss://host/other/listen", "wss://host/other/listen"),
        ("ws://host/v1/listen?model=nova-3#top", "ws://host/v1/listen?model=nova-3"),
        ("ws://user:pass@host", "ws://user:pass@host/v1/listen"),
    ],
)
def test_a_server_has_many_names_and_one_address(url: str, address: str) -> None:
    assert listen_address(url, {}) == address


@pytest.mark.parametrize("url", ["", "ftp://host", "ws://", "ws:///v1/listen", "//host", "ws://host:port", "ws://[::1"])
def test_what_is_no_address_is_refused_with_one_that_is(url: str) -> None:
    with pytest.raises(UsageError, match=r"is no address of a server; ws://127\.0\.0\.1:8080 is one"):
        listen_address(url, {})


def test_parameters_replace_those_that_the_address_has() -> None:
    address = listen_address("ws://host?model=a&tag=x&tag=y&language=&keyterm=k", {"model": "b", "tag": None})
    assert address == "ws://host/v1/listen?language=&keyterm=k&model=b"


def test_parameters_are_written_as_the_wire_wants_them() -> None:
    given_: dict[str, Any] = {
        "model": "nova-3",
        "interim_results": True,
        "punctuate": False,
        "endpointing": 300,
        "ratio": 0.5,
        "nothing": None,
        "keyterm": ["two words", "Zoë", None, True],
        "tag": (),
    }
    assert query_pairs(given_) == [
        ("model", "nova-3"),
        ("interim_results", "true"),
        ("punctuate", "false"),
        ("endpointing", "300"),
        ("ratio", "0.5"),
        ("keyterm", "two words"),
        ("keyterm", "Zoë"),
        ("keyterm", "true"),
    ]


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.text(max_size=10), max_size=4))
def test_any_text_comes_through_the_query_as_it_is(parameters: dict[str, str]) -> None:
    query = urlsplit(listen_address("ws://host", parameters)).query
    assert parse_qsl(query, keep_blank_values=True) == list(parameters.items())


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("ws://host/v1/listen?a=b+c&d=", {"a": "b c", "d": ""}),
        ("deepgram", {}),
        ("ws://[host?a=b", {}),
    ],
)
def test_an_address_yields_its_own_parameters(url: str, own: dict[str, str]) -> None:
    assert own_parameters(url) == own
