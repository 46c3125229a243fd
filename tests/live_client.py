"""WebSocket client for tests of live streams: sends audio and control messages, collects the server's messages."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

KEEPALIVE = '{"type": "KeepAlive"}'
FINALIZE = '{"type": "Finalize"}'
CLOSE_STREAM = '{"type": "CloseStream"}'


@dataclass
class LiveClient:
    """One connection; `messages` has all messages received so far."""

    socket: ClientConnection
    messages: list[dict[str, Any]] = field(default_factory=list)

    async def listen(self) -> None:
        """Receive messages until the connection is closed."""
        try:
            async for text in self.socket:
                self.messages.append(json.loads(text))
        except ConnectionClosed:
            pass

    async def finish(self) -> None:
        """Send CloseStream and receive everything up to the close."""
        await self.socket.send(CLOSE_STREAM)
        await asyncio.wait_for(self.listen(), 60)

    async def until(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Receive messages up to the first of type `kind` with these fields. Returns that one."""
        while True:
            message: dict[str, Any] = json.loads(await asyncio.wait_for(self.socket.recv(), 30))
            self.messages.append(message)
            if message["type"] == kind and all(message[name] == value for name, value in fields.items()):
                return message

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The messages of one type."""
        return [message for message in self.messages if message["type"] == kind]

    @property
    def finals(self) -> list[dict[str, Any]]:
        """The final Results."""
        return [message for message in self.of("Results") if message["is_final"]]

    def words(self, channel: int = 0) -> list[dict[str, Any]]:
        """The words of all finals of a channel."""
        return [
            word
            for message in self.finals
            if message["channel_index"][0] == channel
            for word in message["channel"]["alternatives"][0]["words"]
        ]

    @property
    def closed_with(self) -> tuple[int | None, str | None]:
        """Close code and reason."""
        return self.socket.close_code, self.socket.close_reason


class live_client:  # noqa: N801  # used like a function
    """`async with live_client(url, model="nova-3", ...) as line`; `key` goes into a header, all else into the query."""

    def __init__(self, url: str, *, key: str | None = None, **query: str | int | bool) -> None:
        headers = {} if key is None else {"Authorization": f"Token {key}"}
        pairs = {name: str(value).lower() if isinstance(value, bool) else value for name, value in query.items()}
        self._connecting = connect(f"{url}?{urlencode(pairs)}", max_size=None, additional_headers=headers)

    async def __aenter__(self) -> LiveClient:
        return LiveClient(await self._connecting.__aenter__())

    async def __aexit__(self, *error: object) -> None:
        await self._connecting.__aexit__(*error)  # type: ignore[arg-type]
