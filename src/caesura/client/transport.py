"""An address in, a connection that carries frames out: the seam between a line and its socket, and the real one."""

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
"""How long a peer may take to answer our close frame."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""Longest message taken from a server."""
MAX_QUEUE = 64
"""Messages that wait in the socket layer before it stops reading."""
_LONGEST_STALL_MS = 2**31 - 1
_PLAIN_HEADERS = {"host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "user-agent"}

_REFUSED = {errno.ECONNREFUSED, 1225, 10061}
"""By number: as POSIX has it, and Windows, which has two."""
_NOT_TRIED = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT, errno.ENETUNREACH}
"""An address of a kind that this machine does not have, such as ::1 where IPv6 is off."""
_NO_SUCH_NAME = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""The answer is that there is no such name; other failures are those of a resolver that may do better later."""

_log = logging.getLogger("caesura.client.websocket")


def _hide_secrets(record: logging.LogRecord) -> bool:
    """The socket layer logs the headers of the upgrade when it debugs; a key is not to be in any log."""
    if record.msg == "> %s: %s" and isinstance(record.args, tuple) and len(record.args) == 2:
        name = str(record.args[0])
        record.args = (name, record.args[1] if name.lower() in _PLAIN_HEADERS else "(hidden)")
    return True


_log.addFilter(_hide_secrets)


class TransportClosed(Exception):  # it says what happened, and only the driver sees it
    """The connection is closed; `code` is 1006 when it went without a close frame."""

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
        """Return when the socket has taken the frame: bytes as a binary one, str as text."""
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
    """A connection of the `websockets` package as a Transport."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    @property
    def request_id(self) -> str:
        """The header `dg-request-id`, or ""."""
        response = self._connection.response
        return _header(response, "dg-request-id") if response is not None else ""

    async def send(self, frame: bytes | str) -> None:
        """Return when the socket has taken the frame."""
        try:
            await self._connection.send(frame)
        except ConnectionClosed as closed:
            raise _closed(closed) from None

    async def receive(self) -> str:
        """The next text message; a binary one, which this wire does not know, is handed on as what it is not."""
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
    """Opens `address` with `headers`. Where the kernel can, it cuts a peer that acknowledges nothing for `stall_s`."""

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
                proxy=None if _is_here(address) else True,
            )
        except Exception as error:
            raise _unopened(address, error) from error
        _cut_stalled(connection, stall_s)
        return WebSocketTransport(connection)

    return open_one


def _unopened(address: str, error: Exception) -> CaesuraError:
    """What stood in the way, as a sentence that says what to do."""
    parts = urlsplit(address)
    place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # a password may stand before the host
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
            return Unreachable(f"{place} makes no secure connection: {_words(error)}. Is it a ws:// address?")
        case socket.gaierror(errno=number):
            return Unreachable(
                f"Nobody here knows a host of the name in {place} ({_words(error)}). Is this machine online? "
                "If so, name another address.",
                retryable=number not in _NO_SUCH_NAME,
            )
        case OSError() | EOFError():
            return Unreachable(
                f"Nothing listens at {place} ({error.__class__.__name__}: {_words(error)}). "
                "Start a server there with `caesura serve`, or name another address.",
                retryable=not _is_refused(error),
            )
        case _:
            return Unreachable(f"{place} cannot be reached: {error}")


def _is_refused(error: Exception) -> bool:
    """Was the connection refused by every address that could be tried?

    Where a name has several addresses, asyncio makes one OSError of all failures, and only its text has their numbers.
    """
    if isinstance(error, ConnectionRefusedError):
        return True
    numbers = {int(number) for number in re.findall(r"\[(?:Errno|WinError) (\d+)\]", str(error))}
    return bool(numbers & _REFUSED) and numbers <= _REFUSED | _NOT_TRIED


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or "the connection was cut"


def read_refusal(response: Response) -> Refused:
    """The exception for an HTTP answer instead of the upgrade: its words from the header or the body."""
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
    """The first one of that name: a proxy may have added another one."""
    return next(iter(response.headers.get_all(name)), "")


def _is_here(address: str) -> bool:
    """Is that this machine? A proxy would look for it on its own."""
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
