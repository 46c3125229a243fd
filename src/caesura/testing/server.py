"""Fake server of the live wire on a thread of its own; tests trigger faults and inspect received messages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from http import HTTPStatus
from itertools import chain, repeat
from types import TracebackType
from typing import Self

from caesura.errors import UsageError
from caesura.testing.connection import Connection, UpgradeRequest
from caesura.testing.fake_session import SessionContext
from caesura.testing.faults import HttpAnswer, PlannedFault, ServerFaults
from caesura.testing.listener import HOST, Listener, SpeechSettings
from caesura.testing.voice import Voice

_NOT_RUNNING = "the fake server does not run: enter its context first (`with FakeServer(...) as server`)"


class FakeServer:
    """A live server on a free loopback port that recognizes the words of a Voice; runs while its context is entered.

    It follows the protocol of the hosted service: it sends nothing on open, does not answer KeepAlive, sends Metadata
    last, and closes with NET-0001 after `idle_s` without a message. It accepts linear16 and every credential, and sends
    finals that tile the stream.

    A fault is in effect when its method returns. It applies to all open connections; `stall` and `mute` also to new
    ones, until they are undone. All methods may be called from any thread.
    """

    def __init__(
        self,
        voice: Voice,
        *,
        idle_s: float = 12.0,
        interim_s: float = 1.0,
        endpoint_s: float = 0.3,
        longest_s: float = 5.0,
        answers_finalize: bool | Iterable[bool] = True,
        languages: Sequence[str] = ("en",),
    ) -> None:
        """Starts nothing; entering the context does.

        Args:
            voice: The vocabulary.
            idle_s: Seconds without a message after which a connection is closed.
            interim_s: Seconds of audio between interims, if the client requests them.
            endpoint_s: Seconds of silence that end an utterance, if `endpointing` requests fewer.
            longest_s: Seconds of audio after which a segment becomes final in any case.
            answers_finalize: Whether a Finalize is answered if no word is pending: one value for all, or one for each
                in order, after which all are answered.
            languages: Primary subtags that the parameter `language` may have.
        """
        self._changes = threading.Condition()
        self._faults = ServerFaults()
        answers = _finalize_answers(answers_finalize)
        context = SessionContext(self._faults, idle_s, answers.__next__, self._changed)
        self._listener = Listener(SpeechSettings(voice, interim_s, endpoint_s, longest_s, languages), context)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="caesura-fake-server", daemon=True)
        self._ready: Future[None] = Future()
        self._done = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        """Tasks started by faults that were triggered on the loop itself."""

    # ---- lifetime ----

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.result()
        with ExitStack() as undo:
            undo.callback(self._finish)
            self.start()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._finish()

    def start(self) -> None:
        """Listen, on the same port as before; entering the context does this too.

        Raises OSError if the port is in use.
        """
        self._call(lambda: None, then=self._listener.start)

    def stop(self, *, in_order: bool = False) -> None:
        """Stop listening, so that connecting is refused; `start` undoes it.

        The connections are cut; with `in_order` they are sent their finals and Metadata, and closed with 1012. That
        waits for the client: if it runs on your loop, call this by `asyncio.to_thread`.
        """
        self._call(partial(self._listener.stop, in_order=in_order), then=self._listener.wait_stopped)

    # ---- what arrived ----

    @property
    def url(self) -> str:
        """`ws://127.0.0.1:PORT`, without path. Raises UsageError before the context is entered."""
        if not self._listener.port:
            raise UsageError(_NOT_RUNNING)
        return f"ws://{HOST}:{self._listener.port}"

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every connection so far, in the order in which they were accepted."""
        return tuple(self._listener.connections)

    @property
    def refused(self) -> tuple[UpgradeRequest, ...]:
        """Every refused request, in order."""
        return tuple(self._listener.refused)

    def wait(self, condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
        """Block until `condition()` holds; it is evaluated whenever a connection or request changes.

        For a test on a loop: `await asyncio.to_thread(server.wait, lambda: ...)`. Raises TimeoutError.
        """
        with self._changes:
            if not self._changes.wait_for(condition, within_s):
                ends = [connection.closed or "open" for connection in self.connections]
                raise TimeoutError(f"not within {within_s:g} s; connections: {ends}, refused: {len(self.refused)}")

    # ---- faults ----

    def cut(self) -> None:
        """Reset the open connections without a close frame, as a failing network does.

        A client that is about to write may lose messages sent to it just before; with `hang_up` it does not.
        """
        self._call(self._listener.cut)

    def hang_up(self) -> None:
        """End the open connections without a close frame but with an orderly TCP close, as a stopping proxy does."""
        self._call(self._listener.hang_up)

    def close(self, code: int = 1011, reason: str = "") -> None:
        """Close the open connections with a close frame at once: no finals, no Metadata."""
        self._call(partial(self._listener.close, code, reason))

    def stall(self) -> None:
        """Read and send nothing, not even pongs; sockets stay open. New connections are not upgraded."""
        self._call(partial(self._listener.stall, True))

    def unstall(self) -> None:
        """Resume reading and sending, starting with what has arrived meanwhile."""
        self._call(partial(self._listener.stall, False))

    def mute(self) -> None:
        """Send no messages and no close frames, but keep reading, and answer pings."""
        self._call(partial(self._listener.mute, True))

    def unmute(self) -> None:
        """Resume sending, starting with the messages queued meanwhile."""
        self._call(partial(self._listener.mute, False))

    def corrupt(self, messages: int = 1) -> None:
        """Send the next messages, on any connection, as broken JSON: the first half of each."""
        self._call(partial(self._faults.break_next, messages))

    def refuse(
        self, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> None:
        """Answer the next `times` requests with an HTTP status instead of the upgrade.

        The default `body` is the JSON of this wire's refusals. `headers` are added, or replace those of the same name.
        Raises ValueError for a status that HTTP does not know.
        """
        answer = HttpAnswer(HTTPStatus(status), dict(headers or {}), body)
        self._call(partial(self._faults.answers.extend, [answer] * times))

    def after(self, seconds: float, fault: Callable[[], object]) -> None:
        """Call `fault` once, as soon as a connection has received `seconds` of audio, to the sample.

        Audio before that sample is processed first, audio after it is subject to the fault. `fault` is for example
        `server.cut`, or a function that calls such methods. Several faults may be planned; if a connection ends before
        its fault is due, the fault applies to the next connection.
        """
        self._call(partial(self._faults.planned.append, PlannedFault(seconds, fault)))

    # ---- the thread ----

    def _run(self) -> None:
        # Faults need asyncio's own transports, and their clock to be time.monotonic.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._serve_until_done())

    async def _serve_until_done(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set_result(None)
        await self._done.wait()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            self._listener.stop(in_order=False)
            await self._listener.wait_stopped()

    def _finish(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop = None

    def _call(self, act: Callable[[], None], *, then: Callable[[], Coroutine[None, None, None]] | None = None) -> None:
        """Call `act` on the loop and wait for `then`; do not wait if called on the loop itself, by a fault."""
        if self._loop is None:
            raise UsageError(_NOT_RUNNING)
        if threading.current_thread() is not self._thread:
            asyncio.run_coroutine_threadsafe(_then(act, then), self._loop).result()
            return
        act()
        if then is not None:
            self._tasks.append(self._loop.create_task(then()))

    def _changed(self) -> None:
        with self._changes:
            self._changes.notify_all()


async def _then(act: Callable[[], None], then: Callable[[], Coroutine[None, None, None]] | None) -> None:
    act()
    if then is not None:
        await then()


def _finalize_answers(answers: bool | Iterable[bool]) -> Iterator[bool]:
    """Infinite iterator: should the n-th Finalize be answered?"""
    if isinstance(answers, bool):
        yield from repeat(answers)
    else:
        yield from chain(answers, repeat(True))
