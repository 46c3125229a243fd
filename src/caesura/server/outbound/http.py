"""A request in, the answer of whoever may be reached out: HTTP/1.1 over connections that only the guard makes.

It stands on httpcore2, the transport of httpx2, and not on httpx2's client: that one takes no network backend by a
public argument, reads proxies from the environment, and logs every URL with its query.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import httpcore2

from caesura.errors import RemoteFailed
from caesura.server.outbound.guard import Guard, Lookup, Reach, SystemLookup
from caesura.server.outbound.target import WEB, Target, read_target

MOST_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPING_REDIRECTS = frozenset({307, 308})
"""Those that keep method and body (RFC 9110, 15.4)."""
IDLE_S = 4.0
"""How long a connection is kept for the next request: servers commonly close theirs after five seconds."""
DISCARD_BYTES = 64 * 1024
DISCARD_S = 1.0
"""So much of an answer's body, for so long, is read to keep the connection; nobody wants what it says."""
USER_AGENT = "caesura"

# At DEBUG it logs every header that comes in: cookies, and where redirects lead, signed URLs among them.
logging.getLogger("httpcore2").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long what a URL names may take, in seconds."""

    connect_s: float = 1.0
    """To look its name up and to connect; to agree on TLS, as long again."""
    response_s: float = 10.0
    """To begin to answer, to take what it is sent, and between two parts of an answer."""
    whole_s: float = 600.0
    """For all of a recording."""


class Outbound:
    """What all requests to URLs that clients name have in common. One for each server; `close` when it stops."""

    def __init__(
        self,
        reach: Reach | None = None,
        timeouts: Timeouts | None = None,
        *,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.tls = tls or ssl.create_default_context()
        """Trusts the certificate authorities of the system."""
        self._system = SystemLookup()
        self.guard = Guard(reach or Reach(), lookup or self._system)

    def read(self, url: str, schemes: Collection[str] = WEB) -> Target:
        """Where `url` leads; refuses what needs no lookup to be refused. Raises BadUrl."""
        target = read_target(url, schemes)
        self.guard.check(target.host, target.port)
        return target

    def client(self) -> Client:
        """A client with connections of its own, so that nobody waits for another's slow receiver."""
        return Client(self)

    def close(self) -> None:
        """Let the resolver's threads go."""
        self._system.close()


class Client:
    """Sends one request at a time; `aclose` when there are no more."""

    def __init__(self, outbound: Outbound) -> None:
        self._guard = outbound.guard
        self._timeouts = outbound.timeouts
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=outbound.tls,
            max_connections=2,  # a redirect opens the next while the last is being closed
            max_keepalive_connections=1,
            keepalive_expiry=IDLE_S,
            network_backend=_GuardedBackend(outbound.guard),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def deliver(self, target: Target, method: str, headers: Mapping[str, str], content: bytes) -> None:
        """Return when the receiver took `content` (2xx).

        Redirects are followed where they keep method and body, but none from TLS to plain text; `headers` go only
        to the origin that was asked for.

        Raises:
            BadUrl: The URL, or one that it redirects to, may not be reached.
            RemoteFailed: It could not be reached or did not take it; `again` unless it never will.
        """
        response = await self._follow(target, method, headers, content)
        await _discard(response)
        status = response.status
        if status in REDIRECTS:
            message = f"it redirects with {status}, which a callback does not follow: 307 and 308 keep what is sent"
            raise RemoteFailed(message, retryable=False)
        if not 200 <= status < 300:
            raise RemoteFailed(
                f"it answered {status}", retryable=_may_pass(status), retry_after_s=_retry_after(response)
            )

    async def get(self, target: Target, headers: Mapping[str, str]) -> httpcore2.Response:
        """The head of the answer, whatever its status, after redirects; `aclose` it. Raises BadUrl, RemoteFailed."""
        return await self._follow(target, "GET", headers, None)

    async def _follow(
        self, target: Target, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpcore2.Response:
        followed = REDIRECTS if content is None else KEEPING_REDIRECTS
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._ask(target, method, headers, content)
            location = header(response, b"location")
            if response.status not in followed or not location:
                return response
            await _discard(response)
            there = target.redirected(location)
            if target.secure and not there.secure and content is not None:
                raise RemoteFailed("it redirects from https to http, which would show the text", retryable=False)
            if there.origin != target.origin:
                headers = {}
            target = there
        raise RemoteFailed(f"it redirects more than {MOST_REDIRECTS} times", retryable=False)

    async def _ask(
        self, target: Target, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpcore2.Response:
        self._guard.check(target.host, target.port)
        connect_s, response_s = self._timeouts.connect_s, self._timeouts.response_s
        phases = {"connect": connect_s, "read": response_s, "write": response_s, "pool": response_s}
        request = httpcore2.Request(
            method,
            httpcore2.URL(
                scheme=target.url.raw_scheme,
                host=target.url.raw_host,
                port=target.port,
                target=target.url.raw_path,
            ),
            headers=_headers(target, headers, content),
            content=content,
            extensions={"timeout": phases},
        )
        try:
            # Each phase has its time-out; this one ends the answer that comes byte by byte.
            async with asyncio.timeout(2 * connect_s + response_s):
                return await self._pool.handle_async_request(request)
        except TimeoutError as error:
            raise RemoteFailed(f"it did not answer within {response_s:g} s", retryable=True) from error
        except TRANSPORT_ERRORS as error:
            raise_failed(error, self._timeouts)


TRANSPORT_ERRORS = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


def raise_failed(error: Exception, timeouts: Timeouts) -> NoReturn:
    """One of TRANSPORT_ERRORS in our words."""
    again = True
    match error:
        case httpcore2.ConnectTimeout():
            how = f"no connection could be made within {timeouts.connect_s:g} s"
        case httpcore2.TimeoutException():
            how = f"it did not answer within {timeouts.response_s:g} s"
        case httpcore2.ConnectError() if isinstance(error.__context__, ssl.SSLCertVerificationError):
            how, again = "its certificate is not to be trusted", False
        case httpcore2.ConnectError():
            how = "no connection could be made"
        case httpcore2.ProtocolError():
            how = "it did not answer in HTTP/1.1, or not to the end"
        case _:
            how = "the connection broke"
    raise RemoteFailed(how, retryable=again) from error


def header(response: httpcore2.Response, name: bytes) -> str:
    """The first header of that name, in lower case, or ""."""
    for found, value in response.headers:
        if found.lower() == name:
            return value.decode("utf-8", "replace").strip()
    return ""


def body(response: httpcore2.Response) -> AsyncGenerator[bytes, None]:
    """The bytes of an answer, as they come; close it. Raises TRANSPORT_ERRORS."""
    return response.aiter_stream()


def _headers(target: Target, headers: Mapping[str, str], content: bytes | None) -> list[tuple[bytes, bytes]]:
    written = {"Host": target.url.netloc.decode("ascii"), "User-Agent": USER_AGENT, "Accept": "*/*", **headers}
    if target.authorization is not None:
        written["Authorization"] = target.authorization
    if content is not None:
        written["Content-Type"] = "application/json"
        written["Content-Length"] = str(len(content))
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in written.items()]


async def _discard(response: httpcore2.Response) -> None:
    """Read a short rest, so that the connection can be used again; a long one costs the connection."""
    try:
        with contextlib.suppress(TimeoutError, *TRANSPORT_ERRORS):
            async with asyncio.timeout(DISCARD_S), contextlib.aclosing(body(response)) as parts:
                read = 0
                async for part in parts:
                    read += len(part)
                    if read > DISCARD_BYTES:
                        break
    finally:
        await response.aclose()


def _may_pass(status: int) -> bool:
    return status >= 500 or status in (408, 425, 429)


def _retry_after(response: httpcore2.Response) -> float:
    """Whole seconds; a date, the other form, is rare and asks for no more than we wait anyway."""
    asked = header(response, b"retry-after")
    return float(asked) if asked.isascii() and asked.isdigit() and len(asked) < 6 else 0.0


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to what the guard lets through, and nowhere else."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._network = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        async def connect(address: str) -> httpcore2.AsyncNetworkStream:
            try:
                return await self._network.connect_tcp(
                    address, port, local_address=local_address, socket_options=socket_options
                )
            except httpcore2.ConnectError as error:
                raise OSError(str(error)) from error

        assert timeout is not None, "every request has its time-outs"
        return await self._guard.dial(host, port, within_s=timeout, connect=connect)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109  # httpcore2's signature
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise AssertionError("no URL leads to a local socket")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
