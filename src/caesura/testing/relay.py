"""TCP relay that a test puts in front of a real server, to reset or stall connections."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from caesura.errors import UsageError

_CHUNK = 64 * 1024
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with a time of 0: closing the socket sends a reset."""


class Relay:
    """A TCP relay in front of any server, on a thread of its own; use it as a context manager.

    Bytes are passed on unchanged until `cut` or `stall` is called, from any thread. Bytes in flight are lost then, as
    on a real network.
    """

    def __init__(self, url: str) -> None:
        """`url` is ws://host:port of the server.

        Raises UsageError for another scheme, since TLS checks the host's name.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("ws", "http") or not parts.hostname:
            raise UsageError(f"url: {url!r}; it must be ws://host:port")
        self._target = (parts.hostname, parts.port or 80)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="caesura-relay", daemon=True)
        self._server: asyncio.Server | None = None
        self._pipes: set[_Pipe] = set()
        self._port = 0

    @property
    def url(self) -> str:
        """ws://host:port of the relay."""
        return f"ws://127.0.0.1:{self._port}"

    @property
    def connections(self) -> int:
        """Number of open connections."""
        return len(self._pipes)

    def cut(self) -> None:
        """Reset all connections, on both sides; new ones are relayed."""
        self._call(_Pipe.reset)

    def stall(self) -> None:
        """Keep connections open but pass on no more bytes in either direction; new connections are relayed."""
        self._call(_Pipe.stall)

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, action: Callable[[_Pipe], None]) -> None:
        async def on_the_loop() -> None:
            for pipe in tuple(self._pipes):
                action(pipe)

        asyncio.run_coroutine_threadsafe(on_the_loop(), self._loop).result()

    async def _begin(self) -> None:
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        assert self._server is not None
        self._server.close()
        for pipe in tuple(self._pipes):
            pipe.reset()
        await asyncio.gather(*(pipe.over.wait() for pipe in tuple(self._pipes)))

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        pipe = _Pipe((reader, writer), server)
        self._pipes.add(pipe)
        try:
            await pipe.run()
        finally:
            self._pipes.discard(pipe)
            pipe.over.set()


class _Pipe:
    """One relayed connection: the client's and the server's side."""

    def __init__(self, *ends: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        self._ends = ends
        self._tasks: list[asyncio.Task[None]] = []
        self._stalled = False
        self._reset = asyncio.Event()
        self.over = asyncio.Event()

    async def run(self) -> None:
        (reader, writer), (server_reader, server_writer) = self._ends
        self._tasks = [
            asyncio.create_task(_copy(reader, server_writer)),
            asyncio.create_task(_copy(server_reader, writer)),
        ]
        await asyncio.wait(self._tasks)
        if self._stalled:
            await self._reset.wait()
        for _, end in self._ends:
            end.close()
        for _, end in self._ends:
            with contextlib.suppress(OSError):
                await end.wait_closed()

    def stall(self) -> None:
        self._stalled = True
        for _, end in self._ends:
            end.transport.pause_reading()  # type: ignore[attr-defined]  # a transport of a stream reads, too
        self._stop()

    def reset(self) -> None:
        for _, end in self._ends:
            sock = end.transport.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            end.transport.abort()
        self._reset.set()
        self._stop()

    def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
