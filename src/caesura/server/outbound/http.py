"""HTTP/1.1 client for URLs that clients name; all its connections are made by the guard.

It is built on httpcore2, the transport of httpx2, and not on httpx2's client, which has no public argument for a
network backend, reads proxies from the environment, and logs every URL with its query.
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
from caesura.server.outbound.guard import Guard, Lookup, ReachPolicy, SystemLookup
from caesura.server.outbound.target import WEB, Target, parse_target

MAX_REDIRECTS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
KEEPING_REDIRECTS = frozenset({307, 308})
"""Redirects that keep method and body (RFC 9110, 15.4)."""
IDLE_S = 4.0
"""How long a connection is kept open for the next request: servers commonly close theirs after five seconds."""
DISCARD_BYTES = 64 * 1024
DISCARD_S = 1.0
"""Bounds on reading a response body that is not needed, in order to reuse the connection."""
USER_AGENT = "caesura"

# At DEBUG it logs every response header: cookies, and the targets of redirects, which may be signed URLs.
logging.getLogger("httpcore2").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Timeouts of requests to URLs that clients name, in seconds."""

    connect_s: float = 1.0
    """For name lookup and TCP connect together; the TLS handshake may take as long again."""
    response_s: float = 10.0
    """For sending, until the response begins, and between two parts of a response."""
    whole_s: float = 600.0
    """For the whole download of a recording."""


class Outbound:
    """Shared settings and guard of all outbound requests of one server; `close` when it stops."""

    def __init__(
        self,
        reach: ReachPolicy | None = None,
        timeouts: Timeouts | None = None,
        *,
        lookup: Lookup | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.timeouts = timeouts or Timeouts()
        self.tls = tls or ssl.create_default_context()
        """TLS context that trusts the certificate authorities of the system."""
        self._system = SystemLookup()
        self.guard = Guard(reach or ReachPolicy(), lookup or self._system)

    def parse(self, url: str, schemes: Collection[str] = WEB) -> Target:
        """Parse `url` and check it, as far as possible without a name lookup. Raises BadUrl."""
        target = parse_target(url, schemes)
        self.guard.check(target.host, target.port)
        return target

    def client(self) -> Client:
        """A client with connections of its own, so that a slow receiver delays no other."""
        return Client(self)

    def close(self) -> None:
        """Release the resolver's threads."""
        self._system.close()


class Client:
    """HTTP client that sends one request at a time; call `aclose` at the end."""

    def __init__(self, outbound: Outbound) -> None:
        self._guard = outbound.guard
        self._timeouts = outbound.timeouts
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=outbound.tls,
            max_connections=2,  # two, because a redirect opens the next connection while the last one is being closed
            max_keepalive_connections=1,
            keepalive_expiry=IDLE_S,
            network_backend=_GuardedBackend(outbound.guard),
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def deliver(self, target: Target, method: str, headers: Mapping[str, str], content: bytes) -> None:
        """Send `content`, and return when the receiver has accepted it (2xx).

        Redirects are followed if they keep method and body and do not lead from TLS to plain text; `headers` are sent
        only to the origin of `target`.

        Raises:
            BadUrl: The URL, or one that it redirects to, may not be reached.
            RemoteFailed: The receiver could not be reached or did not accept the content; `retryable` if that may
                change.
        """
        response = await self._follow(target, method, headers, content)
        await _discard(response)
        status = response.status
        if status in REDIRECTS:
            message = f"it redirects with {status}, which a callback does not follow: 307 and 308 keep what is sent"
            raise RemoteFailed(message, retryable=False)
        if not 200 <= status < 300:
            raise RemoteFailed(
                f"it answered {status}", retryable=_is_transient(status), retry_after_s=_retry_after(response)
            )

    async def get(self, target: Target, headers: Mapping[str, str]) -> httpcore2.Response:
        """Request `target`, follow redirects, and return the head of the response.

        It may have any status; the caller closes it with `aclose`. Raises BadUrl, RemoteFailed.
        """
        return await self._follow(target, "GET", headers, None)

    async def _follow(
        self, target: Target, method: str, headers: Mapping[str, str], content: bytes | None
    ) -> httpcore2.Response:
        followed = REDIRECTS if content is None else KEEPING_REDIRECTS
        for _ in range(MAX_REDIRECTS + 1):
            response = await self._send(target, method, headers, content)
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
        raise RemoteFailed(f"it redirects more than {MAX_REDIRECTS} times", retryable=False)

    async def _send(
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
            # Each phase has its own timeout; this one bounds a response that arrives byte by byte.
            async with asyncio.timeout(2 * connect_s + response_s):
                return await self._pool.handle_async_request(request)
        except TimeoutError as error:
            raise RemoteFailed(f"it did not answer within {response_s:g} s", retryable=True) from error
        except TRANSPORT_ERRORS as error:
            raise_remote_failed(error, self._timeouts)


TRANSPORT_ERRORS = (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError)


def raise_remote_failed(error: Exception, timeouts: Timeouts) -> NoReturn:
    """Raise the RemoteFailed that describes one of TRANSPORT_ERRORS."""
    retryable = True
    match error:
        case httpcore2.ConnectTimeout():
            how = f"no connection could be made within {timeouts.connect_s:g} s"
        case httpcore2.TimeoutException():
            how = f"it did not answer within {timeouts.response_s:g} s"
        case httpcore2.ConnectError() if isinstance(error.__context__, ssl.SSLCertVerificationError):
            how, retryable = "its certificate is not trusted", False
        case httpcore2.ConnectError():
            how = "no connection could be made"
        case httpcore2.ProtocolError():
            how = "it did not send a complete HTTP/1.1 response"
        case _:
            how = "the connection broke"
    raise RemoteFailed(how, retryable=retryable) from error


def header(response: httpcore2.Response, name: bytes) -> str:
    """Value of the first header called `name` (in lower case), or ""."""
    for found, value in response.headers:
        if found.lower() == name:
            return value.decode("utf-8", "replace").strip()
    return ""


def body(response: httpcore2.Response) -> AsyncGenerator[bytes, None]:
    """The body of a response, as it arrives; close the generator. Raises TRANSPORT_ERRORS."""
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
    """Read a short rest of the body, so that the connection can be reused; with a long one it is closed."""
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


def _is_transient(status: int) -> bool:
    return status >= 500 or status in (408, 425, 429)


def _retry_after(response: httpcore2.Response) -> float:
    """Seconds of the `Retry-After` header. The rare form with a date is ignored: our own pauses are long enough."""
    value = header(response, b"retry-after")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


class _GuardedBackend(httpcore2.AsyncNetworkBackend):
    """Network backend that connects only to addresses that the guard allows."""

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
