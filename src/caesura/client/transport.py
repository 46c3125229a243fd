"""Transport protocol between a line and its socket, and its implementation over the websockets package."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import json
import logging
import math
import re
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response

from caesura.client.reconnect import refusal
from caesura.errors import CaesuraError, Refused, Unreachable, UsageError

HANDSHAKE_S = 10.0
"""How long one attempt to connect may take."""
CLOSE_S = 2.0
"""How long the server may take to answer our close frame."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Longest message accepted from a server."""
MAX_QUEUE = 64
"""Messages that wait in the socket layer before it stops reading."""
_LONGEST_STALL_MS = 2**31 - 1
_PLAIN_HEADERS = {"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "user-agent"}

_REFUSED_ERRNOS = {errno.ECONNREFUSED, 1225, 10061}
"""Error numbers of a refused connection: one of POSIX, two of Windows."""
_NO_ROUTE_ERRNOS = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH}
"""Error numbers of an address family that this machine lacks, such as ::1 without IPv6."""
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""Resolver errors for a name that does not exist; others may be transient."""

_log = logging.getLogger("caesura.client.websocket")


def _hide_secrets(record: logging.LogRecord) -> bool:
    """Filter for websockets' debug log, which has the headers of the upgrade: no key may be in a log."""
    if record.msg == "> %s: %s" and isinstance(record.args, tuple) and len(record.args) == 2:
        name = str(record.args[0])
        record.args = (name, record.args[1] if name.lower() in _PLAIN_HEADERS else "(hidden)")
    return True


_log.addFilter(_hide_secrets)


class TransportClosed(Exception):  # only the driver sees it
    """The connection is closed; `code` is 1006 without a close frame."""

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"{code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Transport(Protocol):
    """One open connection. Every method but `abort` raises TransportClosed once the connection is gone."""

    @property
    def request_id(self) -> str:
        """The header `dg-request-id`, or ""."""
        ...

    async def send(self, frame: bytes | str) -> None:
        """Return when the socket has accepted the frame: bytes as a binary one, str as text."""
        ...

    async def receive(self) -> str:
        """The next text message."""
        ...

    async def ping(self) -> None:
        """Send a ping, and return when it is answered."""
        ...

    async def close(self) -> None:
        """Close in order; never raises, and takes a few seconds at most."""
        ...

    def abort(self) -> None:
        """Cut the connection at once."""
        ...


Opener = Callable[[], Awaitable[Transport]]
"""Makes one attempt to connect. Raises CaesuraError when it fails."""


class WebSocketTransport:
    """Transport over a connection of the `websockets` package."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def request_id(self) -> str:
        """The header `dg-request-id`, or ""."""
        response = self._connection.response
        return _header(response, "dg-request-id") if response is not None else ""

    async def send(self, frame: bytes | str) -> None:
        """Return when the socket has accepted the frame."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    async def receive(self) -> str:
        """The next text message; a binary one, which this wire has not, as a text that is no valid message."""
        try:
            message = await self._connection.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from None
        return message if isinstance(message, str) else "(a binary message)"

    async def ping(self) -> None:
        """Send a ping, and return when it is answered."""
        try:
            await (await self._connection.ping())
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    async def close(self) -> None:
        """Close in order."""
        with contextlib.suppress(ConnectionClosed, OSError):
            await self._connection.close()

    def abort(self) -> None:
        """Cut the connection at once."""
        self._connection.transport.abort()


def websocket_opener(address: str, headers: dict[str, str], *, stall_s: float) -> Opener:
    """Opener for `address` with `headers`; sets TCP_USER_TIMEOUT to `stall_s` where the kernel has it."""

    async def open_one() -> Transport:
        try:
            connection = await connect(
                address,
                additional_headers=headers,
                compression=None,
                open_timeout=HANDSHAKE_S,
                close_timeout=CLOSE_S,
                ping_interval=None,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=MAX_QUEUE,
                logger=_log,
                proxy=None if _is_loopback(address) else True,
            )
        except Exception as error:
            raise _open_error(address, error) from error
        _cut_stalled(connection, stall_s)
        return WebSocketTransport(connection)

    return open_one


def _open_error(address: str, error: Exception) -> CaesuraError:
    """Exception for a failed attempt, with a message that says what to do."""
    parts = urlsplit(address)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without a password in front of the host
    match error:
        case InvalidStatus(response=response):
            return read_refusal(response)
        case InvalidURI():
            return UsageError(f"{place} is no address of a server; ws://127.0.0.1:8080 is one.")
        case InvalidHandshake():
            return Unreachable(f"{place} does not speak this wire: {error}")
        case TimeoutError():
            return Unreachable(f"{place} does not answer.")
        case ssl.SSLError():
            return Unreachable(f"{place} makes no secure connection: {_reason(error)}. Is it a ws:// address?")
        case socket.gaierror(errno=number):
            return Unreachable(
                f"The host in {place} has no address ({_reason(error)}). Is this machine online? "
                "If so, name another address.",
                retryable=number not in _NO_SUCH_NAME,
            )
        case OSError() | EOFError():
            return Unreachable(
                f"Nothing listens at {place} ({error.__class__.__name__}: {_reason(error)}). "
                "Start a server there with `caesura serve`, or name another address.",
                retryable=not _is_refused(error),
            )
        case _:
            return Unreachable(f"{place} cannot be reached: {error}")


def _is_refused(error: Exception) -> bool:
    """Was the connection refused at every address that could be tried?

    For a name with several addresses asyncio raises one OSError, and only its text has the numbers of all failures.
    """
    if isinstance(error, ConnectionRefusedError):
        return True
    numbers = {int(number) for number in re.findall(r"\[(?:Errno|WinError) (\d+)\]", str(error))}
    return bool(numbers & _REFUSED_ERRNOS) and numbers <= _REFUSED_ERRNOS | _NO_ROUTE_ERRNOS


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or "the connection was cut"


def read_refusal(response: Response) -> Refused:
    """Exception for an HTTP response in place of the upgrade, with its message from the header or the body."""
    try:
        body = json.loads(response.body or b"{}")
        words, request_id = str(body.get("err_msg") or ""), str(body.get("request_id") or "")
    except (ValueError, AttributeError):
        words = request_id = ""
    try:
        retry_after: float | None = max(float(_header(response, "Retry-After")), 0.0)
    except ValueError:
        retry_after = None
    return refusal(
        response.status_code,
        _header(response, "dg-error") or words or response.reason_phrase,
        _header(response, "dg-request-id") or request_id,
        retry_after,
    )


def _header(response: Response, name: str) -> str:
    """First header of that name: a proxy may have added another."""
    return next(iter(response.headers.get_all(name)), "")


def _is_loopback(address: str) -> bool:
    """Is that this machine? A proxy would connect to its own loopback."""
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _cut_stalled(connection: ClientConnection, stall_s: float) -> None:
    sock = connection.transport.get_extra_info("socket")
    option = getattr(socket, "TCP_USER_TIMEOUT", None)
    if sock is not None and option is not None:
        with contextlib.suppress(OSError):  # not a TCP socket
            sock.setsockopt(socket.IPPROTO_TCP, option, math.ceil(min(stall_s * 1000, _LONGEST_STALL_MS)))


def _closed(closed: ConnectionClosed) -> TransportClosed:
    if closed.rcvd is None:
        return TransportClosed(1006)
    return TransportClosed(closed.rcvd.code, closed.rcvd.reason)


async def close_quietly(transport: Transport) -> None:
    """Close in order, or cut when that takes too long."""
    try:
        async with asyncio.timeout(CLOSE_S + 1.0):
            await transport.close()
    except TimeoutError:
        transport.abort()
