"""Bodies over a real socket: too large, too slow, cut off."""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator

import pytest

from caesura.server.rest.request_body import BodyLimits
from tests.server.rest.api import HERE
from tests.server.rest.served import Served, served

pytestmark = pytest.mark.slow

SLOW_S = 1.5
"""Time for a body: enough for one that is sent at once, also on a busy machine."""


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    with served(limits=BodyLimits(body_s=SLOW_S)) as running:
        yield running


def connect(server: Served) -> socket.socket:
    return socket.create_connection(server.address, timeout=60)


def head(server: Served, **headers: str) -> bytes:
    lines = [
        f"POST {HERE}/keys HTTP/1.1",
        "host: 127.0.0.1",
        f"authorization: Token {server.secret}",
        "content-type: application/json",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n"


def answered(line: socket.socket) -> tuple[int, dict[str, str]]:
    """Status and body of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += line.recv(65536)
    top, _, body = received.partition(b"\r\n\r\n")
    (length,) = (int(each.split(b":")[1]) for each in top.split(b"\r\n") if each.lower().startswith(b"content-length"))
    while len(body) < length:
        body += line.recv(65536)
    return int(top.split()[1]), json.loads(body)


def test_a_body_that_declares_too_much_is_refused_before_a_byte_of_it(server: Served) -> None:
    with connect(server) as line:
        line.sendall(head(server, content_length="65537"))
        status, body = answered(line)
        assert (status, body["category"]) == (413, "PAYLOAD_TOO_LARGE")


def test_a_body_without_a_length_is_cut_off(server: Served) -> None:
    with connect(server) as line:
        line.sendall(head(server, transfer_encoding="chunked"))
        for _ in range(70):
            line.sendall(b"400\r\n" + b" " * 1024 + b"\r\n")
        assert answered(line)[0] == 413


def test_a_body_that_arrives_too_slowly_is_given_up(server: Served) -> None:
    """Byte by byte, each in time: all of it must come in time."""
    with connect(server) as line:
        line.sendall(head(server, content_length="1000"))
        began = time.monotonic()
        while not select.select([line], [], [], 0.05)[0]:
            line.sendall(b" ")
        status, body = answered(line)
        assert (status, body["category"]) == (408, "REQUEST_TIMEOUT")
        assert time.monotonic() - began >= SLOW_S


def test_a_client_that_disconnects_leaves_the_server_as_it_was(server: Served) -> None:
    for sent in (b"", b'{"comment"'):
        with connect(server) as line:
            line.sendall(head(server, content_length="1000") + sent)
    with connect(server) as line:
        content = json.dumps({"comment": "", "scopes": ["member"]}).encode()
        line.sendall(head(server, content_length=str(len(content))) + content)
        assert answered(line)[0] == 200


def test_the_body_of_a_get_is_not_read(server: Served) -> None:
    """However much a GET declares, it is answered at once."""
    with connect(server) as line:
        line.sendall(head(server, content_length="1000000000").replace(b"POST", b"GET"))
        assert answered(line)[0] == 200
