"""An ASGI peer that plays one HTTP request from a list of events and keeps what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

GONE = {"type": "http.disconnect"}
Message = dict[str, Any]


def piece(body: bytes, *, more: bool = True) -> Message:
    """The event for one piece of a body."""
    return {"type": "http.request", "body": body, "more_body": more}


class Peer:
    """Delivers the events that it was given, then none for ever."""

    def __init__(self, *messages: Message, **headers: str) -> None:
        self.messages = list(messages)
        self.sent: list[Message] = []
        raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": raw}

    async def receive(self) -> Message:
        """The next event."""
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)

    async def send(self, message: Any) -> None:
        """Keep an event that was sent."""
        self.sent.append(dict(message))


def run(story: Coroutine[Any, Any, Any]) -> Any:
    """The result of `story`, within ten seconds."""
    return asyncio.run(asyncio.wait_for(story, 10))
