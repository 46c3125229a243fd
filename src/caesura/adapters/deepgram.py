"""What Deepgram's SDK asks for in; `Transport` and `AsyncTransport`, to be its `transport_factory`, out.

client = DeepgramClient(api_key=..., transport_factory=caesura.adapters.deepgram.Transport)

The SDK has one factory for each kind in a process, and knows it by identity. So these are classes, and settings are
attributes of a class: derive from it, set them, and give the SDK that one.
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
    import deepgram.transport_interface as _  # noqa: F401  # what is older has no place for a transport
    from deepgram.core.api_error import ApiError
except ImportError as missing:
    needs = "caesura.adapters.deepgram needs deepgram-sdk 6 or 7: pip install 'deepgram-sdk>=6,<8'"
    raise ImportError(needs) from missing

DETACH_S = 5.0
"""How long leaving the SDK's context waits for the last words."""


class Transport:
    """A socket of the SDK's sync client that pauses, reconnects and knows when each word was said.

    For addresses of /v1/listen; any other one gets a plain socket, as without a transport. Making one connects, and
    raises what the SDK's own would: ApiError for a refusal. For any thread.

    `send` takes audio at once while a voice is live, and holds up a recording that is far ahead of its words. `recv`
    and iteration yield JSON text. When the line is over, iteration ends, or raises ApiError, websockets'
    ConnectionClosedError, or one of our LineError; `send` and `recv` raise the same, or ConnectionClosedOK.
    """

    tuning: ClassVar[Tuning] = Tuning()
    """Bounds and patience of the line."""
    pause_after_s: ClassVar[float] = PAUSE_AFTER_S
    """Audio that comes so much later than the audio before it was captured after a pause. Infinite: source time counts
    samples, as if nobody had ever stopped sending."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        request = parse_address(url)
        self._socket: _Socket
        if request.is_line:
            self._socket = _Line(
                SdkLine(request, headers, tuning=self.tuning, pause_after_s=self.pause_after_s),
            )
        else:
            self._socket = _Plain(url, headers)

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
        """Hang up, when the last words have come; waits for them a few seconds at most. Idempotent."""
        self._socket.close()


class AsyncTransport:
    """The same for the SDK's async client. Making one begins to connect; what is awaited first waits for that."""

    tuning: ClassVar[Tuning] = Tuning()
    """As that of Transport."""
    pause_after_s: ClassVar[float] = PAUSE_AFTER_S
    """As that of Transport."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        request = parse_address(url)
        self._socket: _AsyncSocket
        if request.is_line:
            self._socket = _AsyncLine(
                SdkLine(request, headers, tuning=self.tuning, pause_after_s=self.pause_after_s),
            )
        else:
            self._socket = _AsyncPlain(url, headers)

    async def send(self, data: Any) -> None:
        """Send audio (bytes-like) or a control message (str)."""
        await self._socket.send(data)

    async def recv(self) -> Any:
        """The next message; to cancel it loses none."""
        return await self._socket.recv()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            try:
                message = await self._socket.recv()
            except ConnectionClosedOK:
                return
            yield message

    async def close(self) -> None:
        """Hang up, when the last words have come; waits for them a few seconds at most. Idempotent."""
        await self._socket.close()


# ---- errors, as the SDK's users know them ----


def sdk_error(error: CaesuraError | None) -> Exception:
    """What the SDK's user expects to see when a line ends with `error`, None: as it should."""
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


class _Line:
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


class _AsyncLine:
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
                # Shielded, because a future of another thread would be cancelled with the first who waits for it.
                await asyncio.shield(asyncio.wrap_future(self._opened))
            self._opened.result()
        except CaesuraError as error:
            raise sdk_error(error) from error


# ---- sockets that are none of ours ----


class _Plain:
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


class _AsyncPlain:
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
        """The SDK asks for a transport without waiting for it, so the first use connects."""
        async with self._opening:
            if self._socket is None:
                try:
                    self._socket = await websockets.asyncio.client.connect(self._url, additional_headers=self._headers)
                except InvalidStatus as error:
                    raise _api_error(error.response) from error
            return self._socket
