"""Plain WebSocket client for tests of the fake server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from caesura.testing import FakeServer, Voice

VOICE = Voice(["one", "two", "three", "four"])
RATE = 16_000


class Peer:
    """One connection: sends messages and reads the answers."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, *words: str) -> None:
        self.connection.send(VOICE.say(*words))

    def send(self, type: str, **fields: Any) -> None:
        self.connection.send(json.dumps({"type": type, **fields}))

    def read(self) -> dict[str, Any]:
        """The next message."""
        message: dict[str, Any] = json.loads(self.connection.recv(timeout=5))
        return message

    def rest(self) -> list[dict[str, Any]]:
        """Every message up to the end of the connection."""
        messages = []
        try:
            while True:
                messages.append(self.read())
        except ConnectionClosed:
            return messages

    def end(self) -> tuple[int, str] | None:
        """The close frame of the server, None if there was none; messages before it are skipped."""
        self.rest()
        frame = self.connection.protocol.close_rcvd
        return None if frame is None else (frame.code, frame.reason)

    def answers_ping(self, within_s: float = 5.0) -> bool:
        return self.connection.ping().wait(within_s)


def url(server: FakeServer, **query: Any) -> str:
    return f"{server.url}/v1/listen?" + urlencode({"encoding": "linear16", "sample_rate": RATE, **query}, doseq=True)


@contextmanager
def connected(server: FakeServer, **query: Any) -> Iterator[Peer]:
    """A connection with these parameters."""
    with connect(url(server, **query), close_timeout=0.1) as connection:
        yield Peer(connection)


def finals(messages: list[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """Start, end and transcript of each final."""
    return [
        (m["start"], round(m["start"] + m["duration"], 3), m["channel"]["alternatives"][0]["transcript"])
        for m in messages
        if m["type"] == "Results" and m["is_final"]
    ]
