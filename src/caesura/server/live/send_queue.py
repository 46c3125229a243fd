"""Bounded queue of the messages for one live client; sheds interims when the client reads slowly."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.protocol.actions import CloseSocket, Send
from caesura.server.outbound.callback import SHED_INTERIMS

PAUSE_BYTES = 256 * 1024
"""With more than this waiting to be sent the server stops reading: a client that does not read is not served on."""
MAX_BYTES = 16 * 1024 * 1024
SEND_TIMEOUT_S = 30.0
"""A client that takes nothing for so long, or lets so much pile up, has stopped reading."""


class SendQueue:
    """Messages for one client. `run` it in a task: it returns after the close frame, or when the client is gone."""

    def __init__(self, websocket: WebSocket, *, sent: Callable[[Send], None], give_up: Callable[[str], None]) -> None:
        """Start empty.

        Args:
            websocket: An accepted one.
            sent: Called when the socket has taken a message.
            give_up: Called with a reason, in a few words, when the client counts as gone; `run` then returns.
        """
        self._websocket = websocket
        self._sent = sent
        self._give_up = give_up
        self._waiting: deque[tuple[Send, int] | CloseSocket] = deque()
        self._bytes = 0
        self._given_up = False
        self._closing = False
        self._changed = asyncio.Event()
        self._sent_enough = asyncio.Event()

    def put(self, send: Send) -> bool:
        """Queue a message behind the others; False when it is left out because it may be shed and too many wait."""
        if send.sheddable and len(self._waiting) >= SHED_INTERIMS:
            return False
        size = len(send.text.encode())
        self._waiting.append((send, size))
        self._bytes += size
        self._changed.set()
        if self._bytes > MAX_BYTES:
            self._stop(f"{self._bytes} bytes wait to be sent")
        return True

    def close(self, close: CloseSocket) -> None:
        """Close the socket once everything before has been sent."""
        self._closing = True
        self._waiting.append(close)
        self._changed.set()

    @property
    def closing(self) -> bool:
        """Whether a close is queued: the client is sent no later one."""
        return self._closing

    @property
    def bytes_waiting(self) -> int:
        """Bytes of text that wait to be sent."""
        return self._bytes

    @property
    def full(self) -> bool:
        """Whether so much waits that nothing more should be read."""
        return self.bytes_waiting > PAUSE_BYTES

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

    async def _send(self, item: tuple[Send, int] | CloseSocket) -> bool:
        try:
            async with asyncio.timeout(SEND_TIMEOUT_S):
                if isinstance(item, CloseSocket):
                    await self._websocket.close(item.code, item.reason)
                    return False
                send, size = item
                await self._websocket.send_text(send.text)
        except TimeoutError:
            self._stop(f"nothing was taken for {SEND_TIMEOUT_S:g} s")
            return False
        self._bytes -= size
        if not self.full:
            self._sent_enough.set()
        self._sent(send)
        return True

    def _stop(self, reason: str) -> None:
        if self._given_up:
            return
        self._given_up = True
        self._waiting.clear()
        self._bytes = 0
        self._sent_enough.set()
        self._changed.set()
        self._give_up(reason)
