"""Receivers of a callback: an HTTP request for each message, or one WebSocket for all of them."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from typing import Any, Protocol

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from caesura.errors import RemoteFailed
from caesura.server.outbound.http import USER_AGENT, Outbound
from caesura.server.outbound.target import SOCKETS, Target

CLOSE_S = 2.0
"""How long a receiver may take to answer the close frame."""
PING_S = 20.0
"""Interval of pings on an open socket, and how long a pong may take."""
MAX_RECEIVED_BYTES = 64 * 1024
"""Longest message that a receiver may send; its content is ignored."""


class Receiver(Protocol):
    """Destination of the messages of a stream. Every method but `close` raises BadUrl and RemoteFailed."""

    async def open(self) -> None:
        """Connect, and return when messages can be sent; may be called again after a failure."""
        ...

    async def send(self, text: bytes) -> None:
        """Send one message, UTF-8, and return when the receiver has accepted it."""
        ...

    async def watch(self) -> None:
        """Raise when the receiver is lost."""
        ...

    async def finish(self) -> None:
        """Signal to the receiver that no more messages follow."""
        ...

    async def close(self) -> None:
        """Release the connection."""
        ...


def receiver(target: Target, *, outbound: Outbound, method: str, key_id: str) -> Receiver:
    """The receiver for `target`.

    Args:
        target: A URL of http, https, ws or wss.
        outbound: The guarded way to the network.
        method: POST or PUT, for http and https.
        key_id: The identifier of the API key that the stream was opened with, for the header `dg-token`; "" sends none.
    """
    headers = {"dg-token": key_id} if key_id else {}
    if target.url.scheme in SOCKETS:
        return SocketReceiver(target, outbound, headers)
    return HttpReceiver(target, outbound, headers, method)


class HttpReceiver:
    """Sends a request for each message, one after the other, on a connection that is kept alive."""

    def __init__(self, target: Target, outbound: Outbound, headers: dict[str, str], method: str) -> None:
        self._target = target
        self._headers = headers
        self._method = method
        self._client = outbound.client()

    async def open(self) -> None:
        """Does nothing: the first message makes the connection."""

    async def send(self, text: bytes) -> None:
        """Send one message, and return when it was answered with 2xx."""
        await self._client.deliver(self._target, self._method, self._headers, text)

    async def watch(self) -> None:
        """Never returns: there is no connection that could be lost between requests."""
        await asyncio.Event().wait()

    async def finish(self) -> None:
        """Does nothing: every request has been answered."""

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()


class SocketReceiver:
    """Sends all messages on one WebSocket."""

    def __init__(self, target: Target, outbound: Outbound, headers: dict[str, str]) -> None:
        self._target = target
        self._outbound = outbound
        self._headers = dict(headers)
        if target.authorization is not None:
            self._headers["Authorization"] = target.authorization
        self._socket: ClientConnection | None = None
        self._ending = False

    async def open(self) -> None:
        """Open the socket, and return when it is open."""
        target, timeouts = self._target, self._outbound.timeouts
        connected = await self._outbound.guard.connect(target.host, target.port, within_s=timeouts.connect_s)
        try:
            self._socket = await self._upgraded(connected)
        except InvalidStatus as error:
            status = error.response.status_code
            raise RemoteFailed(f"it answered {status}", retryable=status >= 500 or status == 429) from None
        except TimeoutError:
            raise RemoteFailed(f"it did not answer within {timeouts.response_s:g} s", retryable=True) from None
        except (WebSocketException, OSError, EOFError, ValueError) as error:
            # A redirect fails too: it would need another socket. The library's messages contain URLs and must not be
            # shown.
            raise _not_a_socket(error) from None
        finally:
            if self._socket is None:
                connected.close()

    async def _upgraded(self, connected: socket.socket) -> ClientConnection:
        target, timeouts = self._target, self._outbound.timeouts
        tls: dict[str, Any] = {"ssl": self._outbound.tls, "server_hostname": target.host} if target.secure else {}
        return await connect(
            str(target.url),
            sock=connected,
            proxy=None,
            additional_headers=self._headers,
            user_agent_header=USER_AGENT,
            compression=None,
            open_timeout=timeouts.connect_s + timeouts.response_s,
            close_timeout=CLOSE_S,
            ping_interval=PING_S,
            ping_timeout=PING_S,
            max_size=MAX_RECEIVED_BYTES,
            logger=_wire,
            **tls,
        )

    async def send(self, text: bytes) -> None:
        """Send one message, and return when the socket has accepted it."""
        response_s = self._outbound.timeouts.response_s
        try:
            async with asyncio.timeout(response_s):
                await self._open_socket.send(text, text=True)
        except ConnectionClosed as closed:
            raise _lost(closed) from None
        except TimeoutError:
            raise RemoteFailed(f"it accepted nothing for {response_s:g} s", retryable=False) from None

    async def watch(self) -> None:
        """Read and ignore messages of the receiver until the socket closes; raise when that was not expected."""
        try:
            while True:
                await self._open_socket.recv()
        except ConnectionClosed as closed:
            if not self._ending:
                raise _lost(closed) from None

    async def finish(self) -> None:
        """Close cleanly: the answer to the close frame confirms everything that was sent before it."""
        self._ending = True
        await self._open_socket.close()
        if self._open_socket.protocol.close_rcvd is None:
            raise RemoteFailed("it did not confirm at the end that it received everything", retryable=False)

    async def close(self) -> None:
        """Abort the socket if it is still open."""
        if self._socket is not None:
            self._socket.transport.abort()
            await self._socket.wait_closed()

    @property
    def _open_socket(self) -> ClientConnection:
        assert self._socket is not None, "open it first"
        return self._socket


def _lost(closed: ConnectionClosed) -> RemoteFailed:
    code = closed.rcvd.code if closed.rcvd is not None else 1006
    return RemoteFailed(f"its socket closed ({code}) before the stream had ended", retryable=False)


def _not_a_socket(error: Exception) -> RemoteFailed:
    if isinstance(error.__cause__, InvalidStatus):
        return RemoteFailed("it redirects, which a callback over ws or wss does not follow", retryable=False)
    if isinstance(error, ssl.SSLCertVerificationError):
        return RemoteFailed("its certificate is not trusted", retryable=False)
    if isinstance(error, OSError):
        return RemoteFailed("no connection could be made", retryable=True)
    cut = isinstance(error.__cause__, EOFError | OSError)
    return RemoteFailed("it does not answer as a WebSocket server", retryable=cut)


class _NoSecrets(logging.LoggerAdapter[logging.Logger]):
    """Logger that drops DEBUG, the level at which the WebSocket library logs the headers of the upgrade."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # logging's name
        return level > logging.DEBUG and super().isEnabledFor(level)


_wire = _NoSecrets(logging.getLogger("caesura.callback.websocket"), {})
