"""Fake transports without a network: a test reads what a line sent, and feeds it messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from caesura.client.transport import Transport, TransportClosed
from caesura.errors import CaesuraError
from tests.client.lines import PATIENCE_S


class FakeTransport:
    """A connection, made on the loop of the line; all but a transport's own methods are for any thread."""

    def __init__(self, changed: Callable[[], None], *, takes: bool = True, answers_pings: bool = True) -> None:
        self.request_id = "made-by-hand"
        self.sent: list[bytes | str] = []
        self.pings = 0
        self.closed = False
        self.aborted = False
        self._changed = changed
        self._answers_pings = answers_pings
        self._loop = asyncio.get_running_loop()
        self._incoming: asyncio.Queue[str | Exception] = asyncio.Queue()
        self._takes = asyncio.Event()
        if takes:
            self._takes.set()

    async def send(self, frame: bytes | str) -> None:
        await self._takes.wait()
        self.sent.append(frame)
        self._changed()

    async def receive(self) -> str:
        news = await self._incoming.get()
        if isinstance(news, str):
            return news
        raise news

    async def ping(self) -> None:
        self.pings += 1
        self._changed()
        if not self._answers_pings:
            await asyncio.Event().wait()

    async def close(self) -> None:
        self.closed = True
        self._changed()

    def abort(self) -> None:
        self.aborted = True
        self._changed()

    # ---- what a test does ----

    def say(self, *texts: str) -> None:
        """The server says that."""
        for text in texts:
            self._loop.call_soon_threadsafe(self._incoming.put_nowait, text)

    def end(self, code: int = 1006, reason: str = "") -> None:
        """The server ends it."""
        self.fail(TransportClosed(code, reason))

    def fail(self, error: Exception) -> None:
        """Receiving ends with that."""
        self._loop.call_soon_threadsafe(self._incoming.put_nowait, error)

    def take(self) -> None:
        """Take frames from now on."""
        self._loop.call_soon_threadsafe(self._takes.set)

    @property
    def audio(self) -> bytes:
        """All audio that was handed over."""
        return b"".join(frame for frame in self.sent if isinstance(frame, bytes))

    @property
    def texts(self) -> list[str]:
        """All text messages that were handed over."""
        return [frame for frame in self.sent if isinstance(frame, str)]


class FakeOpener:
    """An opener: each attempt fails with the next of `failures`, or is a new FakeTransport."""

    def __init__(self, *failures: CaesuraError, takes: bool = True, answers_pings: bool = True) -> None:
        self.made: list[FakeTransport] = []
        self.attempts = 0
        self._failures = list(failures)
        self._takes = takes
        self._answers_pings = answers_pings
        self._news = threading.Condition()

    async def __call__(self) -> Transport:
        self.attempts += 1
        if self._failures:
            raise self._failures.pop(0)
        self.made.append(FakeTransport(self._changed, takes=self._takes, answers_pings=self._answers_pings))
        self._changed()
        return self.made[-1]

    def wait(self, condition: Callable[[], bool]) -> None:
        """Until it holds, which is looked at whenever something happens on a wire. Blocks its thread."""
        with self._news:
            assert self._news.wait_for(condition, PATIENCE_S), [wire.sent for wire in self.made]

    def _changed(self) -> None:
        with self._news:
            self._news.notify_all()
