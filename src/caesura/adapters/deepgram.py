"""Transports for Deepgram's Python SDK that pause, reconnect and give each word its true time.

client = DeepgramClient(api_key=..., transport_factory=caesura.adapters.deepgram.Transport)

The SDK keeps one factory of each kind in a process, and compares it by identity. So these are classes, and settings are
class attributes: derive a class, set them, and hand that class to the SDK.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import json
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, ClassVar, Protocol

import websockets.asyncio.client
import websockets.sync.client
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.frames import Close
from websockets.http11 import Response

from caesura.adapters.capture import PAUSE_AFTER_S
from caesura.adapters.sdk_line import LineEnded, SdkLine, parse_address
from caesura.client.config import Tuning
from caesura.errors import CaesuraError, ConnectionClosedByServer, ReconnectFailed, Refused

try:
    import deepgram.transport_interface as _  # noqa: F401  # older versions cannot use a transport
    from deepgram.core.api_error import ApiError
except ImportError as missing:
    needs = "caesura.adapters.deepgram needs deepgram-sdk 6 or 7: pip install 'deepgram-sdk>=6,<8'"
    raise ImportError(needs) from missing

DETACH_S = 5.0
"""How long the exit of the SDK's context manager waits for the last words."""


class DeepgramTransport:
    """Socket of the SDK's synchronous client over a line that pauses and reconnects.

    Only for /v1/listen; any other address gets a plain socket, as without a transport. The constructor connects
    and raises what the SDK's own socket would: ApiError for a refusal. May be used from any thread.

    `send` accepts live audio at once, and waits with a recording that is far ahead of its words. `recv` and iteration
    yield JSON text. After the end of the line, iteration ends, or raises ApiError, websockets' ConnectionClosedError,
    or a LineError of this package; `send` and `recv` raise the same, or ConnectionClosedOK.
    """

    tuning: ClassVar[Tuning] = Tuning()
    """Buffer size and timeouts of the line."""
    pause_after_s: ClassVar[float] = PAUSE_AFTER_S
    """Shortest gap between two chunks that counts as a pause. If infinite, source time counts samples only."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        request = parse_address(url)
        self._socket: _Socket
        if request.is_line:
            self._socket = _LineSocket(
                SdkLine(request, headers, tuning=self.tuning, pause_after_s=self.pause_after_s),
            )
        else:
            self._socket = _PlainSocket(url, headers)

    def send(self, data: Any) -> None:
        """Send audio (bytes-like) or a control message (str)."""
        self._socket.send(data)

    def recv(self) -> Any:
        """The next message; waits for it."""
        return self._socket.recv()

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                message = self._socket.recv()
            except ConnectionClosedOK:
                return
            yield message

    def close(self) -> None:
        """Close after the last words; waits for them a few seconds at most. Idempotent."""
        self._socket.close()


Transport = DeepgramTransport
"""The public name."""


class AsyncTransport:
    """Socket of the SDK's async client. The constructor starts to connect; the first await waits for that."""

    tuning: ClassVar[Tuning] = Tuning()
    """See Transport."""
    pause_after_s: ClassVar[float] = PAUSE_AFTER_S
    """See Transport."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        request = parse_address(url)
        self._socket: _AsyncSocket
        if request.is_line:
            self._socket = _AsyncLineSocket(
                SdkLine(request, headers, tuning=self.tuning, pause_after_s=self.pause_after_s),
            )
        else:
            self._socket = _AsyncPlainSocket(url, headers)

    async def send(self, data: Any) -> None:
        """Send audio (bytes-like) or a control message (str)."""
        await self._socket.send(data)

    async def recv(self) -> Any:
        """The next message; cancelling loses none."""
        return await self._socket.recv()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            try:
                message = await self._socket.recv()
            except ConnectionClosedOK:
                return
            yield message

    async def close(self) -> None:
        """Close after the last words; waits for them a few seconds at most. Idempotent."""
        await self._socket.close()


# ---- errors of the SDK ----


def sdk_error(error: CaesuraError | None) -> Exception:
    """The exception that users of the SDK expect when a line ends with `error`; None if it ended without error."""
    match error:
        case None | ConnectionClosedByServer(code=1000):
            return ConnectionClosedOK(Close(1000, ""), Close(1000, ""), rcvd_then_sent=True)
        case ConnectionClosedByServer(code=code, reason=reason):
            return ConnectionClosedError(Close(code, reason), None)
        case (
            Refused(__cause__=InvalidStatus(response=response))
            | ReconnectFailed(__cause__=Refused(__cause__=InvalidStatus(response=response)))
        ):
            return _api_error(response)
        case Refused(status=status, dg_error=words):
            return ApiError(status_code=status, headers={}, body=words)
        case _:
            return error


def _api_error(response: Response) -> ApiError:
    body: Any = bytes(response.body or b"").decode(errors="replace")
    with contextlib.suppress(ValueError):
        body = json.loads(body)
    headers = {name.lower(): value for name, value in response.headers.raw_items()}
    return ApiError(status_code=response.status_code, headers=headers, body=body)


# ---- a line as a socket ----


class _Socket(Protocol):
    def send(self, data: Any) -> None: ...
    def recv(self) -> Any: ...
    def close(self) -> None: ...


class _AsyncSocket(Protocol):
    async def send(self, data: Any) -> None: ...
    async def recv(self) -> Any: ...
    async def close(self) -> None: ...


class _LineSocket:
    def __init__(self, line: SdkLine) -> None:
        self._line = line
        try:
            line.begin().result()
        except CaesuraError as error:
            raise sdk_error(error) from error
        except BaseException:
            line.abandon()
            raise

    def send(self, data: Any) -> None:
        try:
            chunks = self._line.accept(data)
        except LineEnded as ended:
            raise sdk_error(ended.error) from ended.error
        for chunk in chunks:
            self._line.send_captured(chunk)
            room = self._line.room()
            if room is not None:
                room.result()
                self._line.released()

    def recv(self) -> str:
        ready = threading.Event()
        try:
            while (text := self._line.next_message(ready.set)) is None:
                ready.wait()
                ready.clear()
        except LineEnded as ended:
            raise sdk_error(ended.error) from ended.error
        return text

    def close(self) -> None:
        with contextlib.suppress(concurrent.futures.TimeoutError):
            self._line.detach().result(DETACH_S)
        self._line.abandon()


class _AsyncLineSocket:
    def __init__(self, line: SdkLine) -> None:
        self._line = line
        self._opened = line.begin()

    async def send(self, data: Any) -> None:
        try:
            chunks = self._line.accept(data)
        except LineEnded as ended:
            raise sdk_error(ended.error) from ended.error
        for chunk in chunks:
            self._line.send_captured(chunk)
            room = self._line.room()
            await self._open()
            if room is not None:
                await asyncio.wrap_future(room)
            self._line.released()

    async def recv(self) -> str:
        await self._open()
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the user's loop is closed
                loop.call_soon_threadsafe(ready.set)

        try:
            while (text := self._line.next_message(wake)) is None:
                await ready.wait()
                ready.clear()
        except LineEnded as ended:
            raise sdk_error(ended.error) from ended.error
        return text

    async def close(self) -> None:
        try:
            async with asyncio.timeout(DETACH_S):
                await asyncio.wrap_future(self._line.detach())
        except TimeoutError:
            pass
        finally:
            self._line.abandon()

    async def _open(self) -> None:
        try:
            if not self._opened.done():
                # Shielded, because cancelling one waiting task would cancel the future for all.
                await asyncio.shield(asyncio.wrap_future(self._opened))
            self._opened.result()
        except CaesuraError as error:
            raise sdk_error(error) from error


# ---- plain sockets ----


class _PlainSocket:
    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._stack = contextlib.ExitStack()
        try:
            self._socket = self._stack.enter_context(websockets.sync.client.connect(url, additional_headers=headers))
        except InvalidStatus as error:
            raise _api_error(error.response) from error

    def send(self, data: Any) -> None:
        self._socket.send(data)

    def recv(self) -> Any:
        return self._socket.recv()

    def close(self) -> None:
        self._stack.close()


class _AsyncPlainSocket:
    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url = url
        self._headers = headers
        self._opening = asyncio.Lock()
        self._socket: websockets.asyncio.client.ClientConnection | None = None

    async def send(self, data: Any) -> None:
        await (await self._open()).send(data)

    async def recv(self) -> Any:
        return await (await self._open()).recv()

    async def close(self) -> None:
        if self._socket is not None:
            await self._socket.close()

    async def _open(self) -> websockets.asyncio.client.ClientConnection:
        """The SDK constructs the transport without awaiting anything, so the first use connects."""
        async with self._opening:
            if self._socket is None:
                try:
                    self._socket = await websockets.asyncio.client.connect(self._url, additional_headers=self._headers)
                except InvalidStatus as error:
                    raise _api_error(error.response) from error
            return self._socket
