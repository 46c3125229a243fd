"""Messages of a WebSocket, delivered to a subscriber at once in place of being queued for another task.

Through the ASGI queue each message costs a future, a task switch, and two system calls that stop and start the reading
of the socket: more than everything that a live stream does with it. Until a subscriber comes it is that queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import Any, Final, Protocol

EXTENSION: Final = "caesura.message_source"
"""Key of the source among the extensions of the connection's ASGI scope."""
TURN_MESSAGES: Final = 16
"""So many messages of one client that waited are delivered before others have their turn."""

Message = MutableMapping[str, Any]
"""An ASGI event that an application receives."""
Deliver = Callable[[Message], None]


class Reading(Protocol):
    """A transport whose reading can be stopped."""

    def pause_reading(self) -> None:
        """Read nothing more."""

    def resume_reading(self) -> None:
        """Read again."""


class MessageSource(Protocol):
    """Where the messages of a WebSocket come from."""

    def subscribe(self, deliver: Deliver) -> None:
        """Pass all messages, and the disconnect, to `deliver`, from the next turn of the loop on."""

    def pause(self) -> None:
        """Deliver nothing and read nothing until `resume`."""

    def resume(self) -> None:
        """Deliver and read on."""


class MessageQueue:
    """ASGI receive events of one connection, in order: delivered as they come, or kept while paused.

    Until there is a subscriber one task may `get` them. An asyncio.Queue would do for that, and costs each of thousands
    of connections 2 KiB more.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._event_loop = loop
        self._events: deque[Message] = deque()
        self._getter: asyncio.Future[None] | None = None
        self._reading: Reading | None = None
        self._deliver: Deliver | None = None
        self._paused = False
        self._turn: asyncio.Handle | None = None

    async def get(self) -> Message:
        """Wait for the next event and take it; by one task at a time."""
        while not self._events:
            self._getter = self._event_loop.create_future()
            await self._getter
        return self._events.popleft()

    def empty(self) -> bool:
        """Whether no event waits; for uvicorn."""
        return not self._events

    def subscribe(self, deliver: Deliver, reading: Reading) -> None:
        """Have each event passed to `deliver`, those that wait first; never from inside this call."""
        self._deliver, self._reading = deliver, reading
        self._paused = True
        self.resume()

    def pause(self) -> None:
        """Deliver nothing until `resume`, and read nothing more."""
        self._paused = True
        if self._reading is not None:
            self._reading.pause_reading()

    def resume(self) -> None:
        """Deliver what waits, in turns, then read and deliver on."""
        self._paused = False
        if self._turn is None:
            self._turn = self._event_loop.call_soon(self._take_turn)

    @property
    def subscribed(self) -> bool:
        """Whether there is a subscriber."""
        return self._deliver is not None

    def put_nowait(self, item: Message) -> None:
        """Deliver an event, or keep it while paused, or while others wait."""
        if self._deliver is None or self._paused or self._turn is not None or self._events:
            self._events.append(item)
            if self._getter is not None and not self._getter.done():
                self._getter.set_result(None)
        else:
            self._deliver(item)

    def _take_turn(self) -> None:
        self._turn = None
        assert self._deliver is not None
        assert self._reading is not None
        for _ in range(TURN_MESSAGES):
            if self._paused or not self._events:
                break
            self._deliver(self._events.popleft())
        if self._paused:
            return
        if self._events:
            self._turn = self._event_loop.call_soon(self._take_turn)
        else:
            self._reading.resume_reading()
