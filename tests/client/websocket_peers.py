"""Bare WebSocket server on loopback that handles each connection as a test says, and records what it was sent."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.client.lines import PATIENCE_S


@dataclass
class Peers:
    """`connections`: for each one the messages that were read from it."""

    url: str = ""
    connections: list[list[bytes | str]] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)
    news: threading.Condition = field(default_factory=threading.Condition)

    def read(self, socket: ServerConnection, until: Callable[[list[bytes | str]], bool] = lambda _: False) -> None:
        """Take messages of the newest connection until that holds, or it is closed."""
        messages = self.connections[-1]
        with suppress(ConnectionClosed):
            while not until(messages):
                message = socket.recv()
                with self.news:
                    messages.append(message)
                    self.news.notify_all()

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, which is looked at behind each message."""
        with self.news:
            assert self.news.wait_for(condition, PATIENCE_S), f"came so far: {self.connections}"


@contextmanager
def peers(handle: Callable[[Peers, ServerConnection], None], **options: Any) -> Iterator[Peers]:
    """A server that does `handle` with each connection, one after the other, and then closes it."""
    seen = Peers()

    def handler(socket: ServerConnection) -> None:
        assert socket.request is not None
        with seen.news:
            seen.connections.append([])
            seen.headers.append(socket.request.headers)
            seen.news.notify_all()
        handle(seen, socket)

    with serve(handler, "127.0.0.1", 0, compression=None, ping_interval=None, close_timeout=0.2, **options) as server:
        seen.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown()
            thread.join()
