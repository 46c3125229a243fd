"""Messages in; text frames on the socket out, in order, bounded, with the interims left out that nobody would read."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.protocol.actions import CloseSocket

SHED_INTERIMS = 64
"""Messages waiting to be sent beyond which interims are left out: the next one says more."""
OUTBOX_PAUSE_BYTES = 256 * 1024
"""So much waiting to be sent stops our reading: who does not read is not answered without end."""
OUTBOX_BYTES = 16 * 1024 * 1024
SEND_TIMEOUT_S = 30.0
"""A client that takes nothing for so long, or lets so much pile up, has stopped reading."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A message as text; `sent` is told when the socket has taken it."""

    text: str
    sent: Callable[[], None] | None = None

    @property
    def size(self) -> int:
        """Bytes of the text as it goes over the wire."""
        return len(self.text.encode())


class Outbox:
    """What one client is still to be sent. `run` it in a task: it returns after the close frame, or with the client."""

    def __init__(self, websocket: WebSocket, *, give_up: Callable[[str], None]) -> None:
        """Nothing waits.

        Args:
            websocket: An accepted one.
            give_up: Is told, in a word or two, why the client counts as gone; `run` then returns.
        """
        self._websocket = websocket
        self._give_up = give_up
        self._waiting: deque[Parcel | CloseSocket] = deque()
        self._bytes = 0
        self._given_up = False
        self._closing = False
        self._changed = asyncio.Event()
        self._sent_enough = asyncio.Event()

    def post(self, parcel: Parcel, *, interim: bool) -> bool:
        """Put a message behind the others; False when it was an interim and is left out."""
        if interim and len(self._waiting) >= SHED_INTERIMS:
            return False
        self._waiting.append(parcel)
        self._bytes += parcel.size
        self._changed.set()
        if self._bytes > OUTBOX_BYTES:
            self._stop(f"{self._bytes} bytes wait to be sent")
        return True

    def close(self, close: CloseSocket) -> None:
        """Close the socket once everything before has been sent."""
        self._closing = True
        self._waiting.append(close)
        self._changed.set()

    @property
    def closing(self) -> bool:
        """Whether the close that the client is told has been decided: no later one reaches it."""
        return self._closing

    @property
    def bytes_waiting(self) -> int:
        """How much text waits to be sent."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing more should be read."""
        return self._bytes > OUTBOX_PAUSE_BYTES

    async def room(self) -> None:
        """Wait until it is not full."""
        while self.full:
            self._sent_enough.clear()
            await self._sent_enough.wait()

    async def run(self) -> None:
        """Send until the socket is closed or the client takes nothing any more."""
        with contextlib.suppress(WebSocketDisconnect):
            while not self._given_up:
                while self._waiting and not self._given_up:
                    if not await self._send(self._waiting.popleft()):
                        return
                self._changed.clear()
                await self._changed.wait()

    async def _send(self, item: Parcel | CloseSocket) -> bool:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if isinstance(item, CloseSocket):
                    await self._websocket.close(item.code, item.reason)
                    return False
                await self._websocket.send_text(item.text)
        except TimeoutError:
            self._stop(f"nothing was taken for {SEND_TIMEOUT_S:g} s")
            return False
        self._bytes -= item.size
        if not self.full:
            self._sent_enough.set()
        if item.sent is not None:
            item.sent()
        return True

    def _stop(self, why: str) -> None:
        if self._given_up:
            return
        self._given_up = True
        self._waiting.clear()
        self._bytes = 0
        self._sent_enough.set()
        self._changed.set()
        self._give_up(why)
