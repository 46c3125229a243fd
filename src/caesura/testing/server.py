"""A fake server of the live wire, in a thread of its own; a test tells it what goes wrong, and looks at what came."""

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
from caesura.testing.connection import Connection, Request
from caesura.testing.faults import Answer, Faults, Plan
from caesura.testing.house import HOST, House, Speech
from caesura.testing.line import Setting
from caesura.testing.voice import Voice

_NOT_RUNNING = "the fake server does not run: enter its context first (`with FakeServer(...) as server`)"


class FakeServer:
    """A live server on a free loopback port whose speech is that of a Voice; a context manager that runs it.

    It speaks the wire as the hosted service does: it says nothing on open, KeepAlive is not answered, Metadata comes
    last, and who is silent for `idle_s` is closed with NET-0001. It hears linear16, tells finals that tile the stream,
    and takes every credential.

    A fault is in force when its method returns. It is for all open connections; `stall` and `mute` are for new ones
    too, until they are undone. All methods are for any thread.
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
        """Nothing runs yet.

        Args:
            voice: Which words there are.
            idle_s: Seconds without a message after which a connection is closed.
            interim_s: Seconds of audio between interims, where the client asks for them.
            endpoint_s: Seconds of silence that end an utterance when `endpointing` asks for fewer.
            longest_s: Seconds of audio after which a segment is final in any case.
            answers_finalize: Whether a Finalize is answered when no word is pending; for each Finalize in its order,
                or for all of them. After the last one given all are answered.
            languages: Primary subtags that `language` may ask for.
        """
        self._happened = threading.Condition()
        self._faults = Faults()
        answers = _answers(answers_finalize)
        setting = Setting(self._faults, idle_s, answers.__next__, self._changed)
        self._house = House(Speech(voice, interim_s, endpoint_s, longest_s, languages), setting)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="caesura-fake-server", daemon=True)
        self._ready: Future[None] = Future()
        self._done = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        """What faults had on the loop did not wait for."""

    # ---- life ----

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
        """Listen, on the same port as before. Its context begins with that. Raises OSError when the port is taken."""
        self._do(lambda: None, then=self._house.start)

    def stop(self, *, in_order: bool = False) -> None:
        """Stop listening, so that connecting is refused; `start` undoes it.

        The connections are cut; with `in_order` they are told what was heard, then Metadata, and closed with 1012,
        for which a client is waited: on its own loop call it by `asyncio.to_thread`.
        """
        self._do(partial(self._house.stop, in_order=in_order), then=self._house.gone)

    # ---- what came ----

    @property
    def url(self) -> str:
        """`ws://127.0.0.1:PORT`, without path. Raises UsageError before the context is entered."""
        if not self._house.port:
            raise UsageError(_NOT_RUNNING)
        return f"ws://{HOST}:{self._house.port}"

    @property
    def connections(self) -> tuple[Connection, ...]:
        """Every connection there has been, in the order of their granting."""
        return tuple(self._house.connections)

    @property
    def refused(self) -> tuple[Request, ...]:
        """Every request that was refused, in its order."""
        return tuple(self._house.refused)

    def wait(self, condition: Callable[[], bool], *, within_s: float = 5.0) -> None:
        """Block until `condition()` holds, which is looked at whenever something is seen here.

        For a test on a loop: `await asyncio.to_thread(server.wait, lambda: ...)`. Raises TimeoutError.
        """
        with self._happened:
            if not self._happened.wait_for(condition, within_s):
                ends = [connection.closed or "open" for connection in self.connections]
                raise TimeoutError(f"not within {within_s:g} s; connections: {ends}, refused: {len(self.refused)}")

    # ---- what goes wrong ----

    def cut(self) -> None:
        """Reset the open connections, as a network does that breaks: no close frame.

        A client that is about to write may lose what was sent to it just before; `hang_up` is without that doubt.
        """
        self._do(self._house.cut)

    def hang_up(self) -> None:
        """End the open connections without a close frame, as a proxy does that goes away: TCP ends in order."""
        self._do(self._house.hang_up)

    def close(self, code: int = 1011, reason: str = "") -> None:
        """Close the open connections with a close frame, in the middle of everything: no finals, no Metadata."""
        self._do(partial(self._house.close, code, reason))

    def stall(self) -> None:
        """Read nothing more and send nothing, not even pongs; the sockets stay open. New ones are not even upgraded."""
        self._do(partial(self._house.stall, True))

    def unstall(self) -> None:
        """Read on, beginning with what was sent meanwhile."""
        self._do(partial(self._house.stall, False))

    def mute(self) -> None:
        """Send no messages and no close frames, but hear, and answer pings."""
        self._do(partial(self._house.mute, True))

    def unmute(self) -> None:
        """Send, beginning with what was to be sent meanwhile."""
        self._do(partial(self._house.mute, False))

    def corrupt(self, messages: int = 1) -> None:
        """Send the next messages, on whichever connection, as broken JSON: the first half of each."""
        self._do(partial(self._faults.break_next, messages))

    def refuse(
        self, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> None:
        """Answer the next `times` requests with an HTTP status instead of the upgrade.

        `body` is the JSON of this wire's refusals unless given; `headers` come on top, or instead. Raises ValueError
        for a status that HTTP does not know.
        """
        answer = Answer(HTTPStatus(status), dict(headers or {}), body)
        self._do(partial(self._faults.answers.extend, [answer] * times))

    def after(self, seconds: float, fault: Callable[[], object]) -> None:
        """Have `fault` once, as soon as a connection has received `seconds` of audio, to the sample.

        What came before that sample is answered first, what comes after it meets the fault; `fault` is for example
        `server.cut`, or a function that calls such methods. Several may be planned; those of a connection that is
        over by then go to the next one.
        """
        self._do(partial(self._faults.plans.append, Plan(seconds, fault)))

    # ---- the thread ----

    def _run(self) -> None:
        # The transports are to be asyncio's own, and their clock time.monotonic.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._stay())

    async def _stay(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ready.set_result(None)
        await self._done.wait()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            self._house.stop(in_order=False)
            await self._house.gone()

    def _finish(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join()
        self._loop = None

    def _do(self, act: Callable[[], None], *, then: Callable[[], Coroutine[None, None, None]] | None = None) -> None:
        """Call `act` on the loop and wait for what comes `then`, but not in a fault that is had on the loop itself."""
        if self._loop is None:
            raise UsageError(_NOT_RUNNING)
        if threading.current_thread() is not self._thread:
            asyncio.run_coroutine_threadsafe(_both(act, then), self._loop).result()
            return
        act()
        if then is not None:
            self._tasks.append(self._loop.create_task(then()))

    def _changed(self) -> None:
        with self._happened:
            self._happened.notify_all()


async def _both(act: Callable[[], None], then: Callable[[], Coroutine[None, None, None]] | None) -> None:
    act()
    if then is not None:
        await then()


def _answers(answers: bool | Iterable[bool]) -> Iterator[bool]:
    """Whether each Finalize is answered, without end."""
    if isinstance(answers, bool):
        yield from repeat(answers)
    else:
        yield from chain(answers, repeat(True))
