"""Bounded pipe of bytes from the event loop to one other thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterator
from typing import Final

ROOM_BYTES: Final = 256 * 1024
"""Bytes that may wait in the pipe; beyond that `put` waits until some have been taken."""


class Cancelled(Exception):  # a signal, not an error
    """The work was cancelled: the rest of the bytes is not wanted."""


class BytePipe:
    """A pipe from the loop to one thread. `put`, `end` and `cancel` belong to the loop, iterating to the thread."""

    def __init__(self) -> None:
        """Made on the loop's thread."""
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._waiting = 0
        self._room = asyncio.Event()
        self._over = False
        self._cancelled = False

    @property
    def waiting(self) -> int:
        """Bytes that the thread has not taken yet."""
        return self._waiting

    async def put(self, data: bytes) -> bool:
        """Pass `data` to the thread, and wait for room for more; False when the pipe is ended or cancelled."""
        if data and not self._over:
            self._waiting += len(data)
            self._queue.put(data)
        while self._waiting > ROOM_BYTES and not self._over:
            self._room.clear()
            await self._room.wait()
        return not self._over

    def end(self) -> None:
        """End the bytes: the thread's iteration ends after those that wait."""
        if not self._over:
            self._over = True
            self._queue.put(None)

    def cancel(self) -> None:
        """Cancel: iterating raises `Cancelled`, a waiting `put` returns. Idempotent."""
        self._over = self._cancelled = True
        self._room.set()
        self._queue.put(None)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes in the pieces that were put; waits for them. Raises Cancelled."""
        while (data := self._queue.get()) is not None and not self._cancelled:
            yield data
            # A loop that is closing takes no more callbacks.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._taken, len(data))
        if self._cancelled:
            raise Cancelled

    def _taken(self, size: int) -> None:
        self._waiting -= size
        if self._waiting <= ROOM_BYTES:
            self._room.set()
