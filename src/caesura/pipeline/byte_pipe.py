"""Bounded pipe of bytes from the event loop to one other thread."""

from __future__ import annotations

import asyncio
import contextlib
import queue
from collections.abc import Iterator
from typing import Final

ROOM_BYTES: Final = 256 * 1024
"""Bytes that may wait; whoever has more waits until some have been taken."""


class Cancelled(Exception):  # a way out, no error
    """The work was given up: nobody wants the rest."""


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

    async def put(self, data: bytes) -> bool:
        """Hand `data` on, and wait until there is room for more; False when nobody wants any more."""
        if data and not self._over:
            self._waiting += len(data)
            self._queue.put(data)
        while self._waiting > ROOM_BYTES and not self._over:
            self._room.clear()
            await self._room.wait()
        return not self._over

    def end(self) -> None:
        """There is no more."""
        if not self._over:
            self._over = True
            self._queue.put(None)

    def cancel(self) -> None:
        """Nobody wants the rest: who iterates gets `Cancelled`, who waits in `put` goes on. Idempotent."""
        self._over = self._cancelled = True
        self._room.set()
        self._queue.put(None)

    def __iter__(self) -> Iterator[bytes]:
        """The bytes as they came, waiting for them. Raises Cancelled."""
        while (data := self._queue.get()) is not None and not self._cancelled:
            yield data
            # A loop that is closing waits for nothing any more.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._taken, len(data))
        if self._cancelled:
            raise Cancelled

    def _taken(self, size: int) -> None:
        self._waiting -= size
        if self._waiting <= ROOM_BYTES:
            self._room.set()
