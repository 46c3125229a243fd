"""Servers on loopback with answers set by tests, a resolver from a table, and a self-made certificate."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import websockets.asyncio.server as websockets

from caesura.server.outbound.guard import ReachPolicy
from caesura.server.outbound.http import Outbound, Timeouts

ANYWHERE = ReachPolicy(private=True, ports=None)
CALM = Timeouts(connect_s=5.0, response_s=5.0, whole_s=20.0)
"""Long timeouts, for tests in which none must expire, however busy the machine is."""
QUICK = Timeouts(connect_s=0.5, response_s=0.15, whole_s=0.4)


@dataclass(frozen=True, slots=True)
class Request:
    line: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def written(self) -> bytes:
        headers = {"Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} Said", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + self.body


Handler = Callable[[websockets.ServerConnection], Awaitable[None]]
Raw = Callable[[asyncio.StreamWriter], Awaitable[None]]
"""Writes whatever it likes; the connection is closed after it."""


async def silence(writer: asyncio.StreamWriter) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close without a word."""


async def reset(writer: asyncio.StreamWriter) -> None:
    """Cut the connection, so that the other side has an error and not an end."""
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def gibberish(writer: asyncio.StreamWriter) -> None:
    """Speak, but no HTTP."""
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")


class WebServer:
    """Answers in order; the last answer again and again."""

    def __init__(self, answers: Sequence[Answer | Raw]) -> None:
        self.answers = list(answers)
        self.requests: list[Request] = []
        self.connections = 0
        self.port = 0

    def url(self, path: str = "/", *, scheme: str = "http", host: str = "127.0.0.1", userinfo: str = "") -> str:
        return f"{scheme}://{userinfo}{host}:{self.port}{path}"

    @property
    def bodies(self) -> list[str]:
        return [request.body.decode() for request in self.requests]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
                while True:
                    self.requests.append(await self._request(reader))
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    if not isinstance(answer, Answer):
                        await answer(writer)
                        return
                    writer.write(answer.written())
                    await writer.drain()
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader) -> Request:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        line, *rest = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
        return Request(line, headers, await reader.readexactly(int(headers.get("content-length", "0"))))


@contextlib.asynccontextmanager
async def web_server(*answers: Answer | Raw, tls: ssl.SSLContext | None = None) -> AsyncIterator[WebServer]:
    server = WebServer(answers or [Answer()])
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve(reader, writer)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


@contextlib.asynccontextmanager
async def socket_server(handler: Handler, **how: Any) -> AsyncIterator[int]:
    """The port of a WebSocket server."""
    async with websockets.serve(handler, "127.0.0.1", 0, **how) as server:
        yield next(iter(server.sockets)).getsockname()[1]


@contextlib.contextmanager
def outbound(
    *,
    reach: ReachPolicy = ANYWHERE,
    timeouts: Timeouts = CALM,
    names: Mapping[str, Sequence[Sequence[str]]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Outbound]:
    lookup = None if names is None else Names(names)
    # Unless a test has its own, no authority is trusted: loading the system's certificates takes a while.
    made = Outbound(reach, timeouts, lookup=lookup, tls=tls or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    try:
        yield made
    finally:
        made.close()


class Names:
    """A resolver whose names resolve to one list after the other, the last again and again."""

    def __init__(self, table: Mapping[str, Sequence[Sequence[str]]]) -> None:
        self._table = {name: list(found) for name, found in table.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._table:
            raise OSError("no such name")
        found = self._table[host]
        return found.pop(0) if len(found) > 1 else found[0]


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server that has a certificate for `name`, and of a client that trusts it."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    asked = f"req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}".split()
    named = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(["openssl", *asked, *named], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(cert, key)
    return server, ssl.create_default_context(cafile=str(cert))
