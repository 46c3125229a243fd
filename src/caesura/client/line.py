"""Audio in, events out, for callers with an event loop: `connect` and the Line it returns.

async with caesura.connect("ws://127.0.0.1:8080", model="nova-3", interim_results=True) as line:
    async for event in line.transcribe(microphone()):
        ...
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import random
import threading
import time
import warnings
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, TypeVar

from caesura.client.address import Value
from caesura.client.driver import Driver
from caesura.client.events import Closed, Event, Sent, Stats, Transcript
from caesura.client.faults import Faults
from caesura.client.inbox import Inbox
from caesura.client.loop import before_exit, client_loop
from caesura.client.plan import Credentials, Declared, Plan, Tuning, plan_line
from caesura.client.recovery import Phase, Recovery
from caesura.client.sources import AudioSource, on_a_thread
from caesura.client.tape import PIECE_BYTES
from caesura.errors import UsageError
from caesura.timeline import Timeline

T = TypeVar("T")


class LineBase:
    """What both kinds of line share. Every method here may be called from any thread, and none of them waits."""

    def __init__(self, plan: Plan) -> None:
        """Starts nothing; entering the context does."""
        self._plan = plan
        self._inbox = Inbox()
        self._driver: Driver | None = None
        self._pid = 0
        self._paused_by = 0
        """Thread that paused the line last."""

    def pause(self) -> None:
        """Stop sending: the words so far are made final, and KeepAlive holds the line for as long as you like.

        Live audio that is sent in a pause is dropped and not billed, so this is also how to mute: whoever goes on
        sending what is captured has source times that are exact to the sample. A recording stands still: nothing of it
        is read or dropped. Idempotent.
        """
        self._paused_by = threading.get_ident()
        self._open_driver.tell(lambda machine, now: machine.pause(now=now))

    def resume(self) -> None:
        """Go on sending. Source time and wall clock have run on meanwhile; stream time has not. Idempotent.

        The source time of a recording has not either: it is the place in the file.
        """
        self._open_driver.tell(lambda machine, now: machine.resume(now=now))

    def finalize(self, channel: int | None = None) -> None:
        """Have everything sent so far made final; `channel` None means all of them."""
        self._open_driver.tell(lambda machine, now: machine.finalize(channel))

    def abandon(self) -> None:
        """End at once, without the last words; what was not heard is lost, and said to be. Idempotent."""
        self._open_driver.tell(lambda machine, now: machine.abandon(now=now))

    @property
    def stats(self) -> Stats:
        """What the line has done so far."""
        stats = self._open_driver.ask(lambda machine, now: machine.stats(now=now))
        return replace(stats, events_dropped=self._inbox.dropped)

    @property
    def is_paused(self) -> bool:
        """Is the line in a pause?"""
        return self._open_driver.ask(lambda machine, now: machine.paused)

    @property
    def is_connected(self) -> bool:
        """Is there a connection now? A line without one keeps audio and tries to get one."""
        return self._open_driver.ask(lambda machine, now: machine.phase is Phase.OPEN)

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._open_driver.ask(lambda machine, now: machine.waiting_s)

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that no final covers yet."""
        return self._open_driver.ask(lambda machine, now: machine.unheard_s)

    @property
    def timeline(self) -> Timeline | None:
        """The ledger of what was sent when, to be read only; None where samples cannot be counted."""
        return self._open_driver.ask(lambda machine, now: machine.timeline)

    # ---- inside ----

    @property
    def _open_driver(self) -> Driver:
        if self._driver is None:
            raise UsageError("The line is not open yet: enter it first, `with` or `async with`.")
        if self._pid != os.getpid():
            raise UsageError("The line was opened by another process, which has it still: connect in this one too.")
        return self._driver

    def _start(self) -> Driver:
        """Begin in the client's loop."""
        self._check_unopened()
        machine = Recovery(self._plan.settings, random=random.random, wall_offset_s=time.time() - time.monotonic())
        driver = self._driver = Driver(machine, self._plan.opener, self._inbox.put, client_loop())
        self._pid = os.getpid()
        forget = before_exit(self._begin_to_finish)
        driver.done.add_done_callback(lambda _: forget())
        driver.begin()
        return driver

    def _check_source(self, source: AudioSource) -> None:
        """Raises UsageError for one that yields something else, or is not played at the speed of a live line."""
        self._plan.declared.check_source(source.parameters)
        if self._is_live and not source.is_live:
            raise UsageError(
                "The recording comes as fast as it can be read, but the line was made for live audio: "
                "connect(live=False, ...), or recording(..., realtime=True)."
            )
        if source.stands_still:
            self._open_driver.tell(lambda machine, now: machine.stand_still())

    def _check_unopened(self) -> None:
        if self._driver is not None:
            raise UsageError("A line can be opened once only; connect again for another one.")

    def _abandon(self) -> None:
        """Nobody waits for the opening any more."""
        if self._driver is not None:
            self._driver.tell(lambda machine, now: machine.abandon(now=now))

    @property
    def _is_live(self) -> bool:
        return self._plan.settings.live

    def _end(self) -> None:
        """Begin to finish, without waiting for it."""
        self._begin_to_finish(None)

    def _begin_to_finish(self, timeout_s: float | None) -> concurrent.futures.Future[Transcript]:
        driver = self._open_driver
        driver.tell(lambda machine, now: machine.finish(timeout_s, now=now))
        return driver.done

    def _result(self, transcript: Transcript) -> Transcript:
        return replace(transcript, stats=replace(transcript.stats, events_dropped=self._inbox.dropped))

    def _pieces(self, chunk: bytes) -> Iterator[bytes]:
        """A recording is sent bit by bit, however large the chunks of its source are."""
        data = as_bytes(chunk)
        size = max(len(data), 1) if self._is_live else PIECE_BYTES
        return (data[at : at + size] for at in range(0, len(data), size))

    def _offer(self, audio: bytes, *, at: float | None = None) -> Sent | None:
        """Send it; None: it can wait, and there is no room for it now, so it has to be offered again."""

        def send(machine: Recovery, now: float) -> Sent | None:
            # Others who wait may have left less room than there was: what does not fit waits behind theirs.
            return machine.send(audio, now=now, at=at, queue=True) if machine.takes_more(now=now) else None

        return self._open_driver.tell(send)

    def _room(self) -> concurrent.futures.Future[None]:
        """Resolved when a source that can wait should go on."""
        self._open_driver.ask(lambda machine, now: machine.hold())
        return self._open_driver.until(lambda machine, now: machine.takes_more(now=now))


class Line(LineBase):
    """A line for callers with an event loop. Made by `connect`."""

    def __init__(self, plan: Plan) -> None:
        """Starts nothing; entering the context does."""
        super().__init__(plan)
        self._senders = 0
        """How many wait for room."""

    def send(self, audio: bytes | bytearray | memoryview, *, at: float | None = None) -> Sent:
        """Send captured audio; never waits, and says what became of it.

        Accepted: on its way. Buffered: kept, and sent behind what waits already. Dropped: lost, because the line is
        paused or closed, or, of live audio, for want of room. Pieces of any size will do, and odd bytes wait for their
        sample's rest.

        Audio that can wait is not dropped for want of room: that of a line with `live=False`, and whatever comes faster
        than it can have been captured. `await line.send(...)` gives the same answer once there is room for more; who
        does not await it gets UsageError when there is none, and nothing was taken then.

        `at`: source seconds at which `audio` was captured; by default it follows on what came before. Raises
        UsageError also when `at` goes back, when the audio is a file and not raw, and before the line was opened.
        """
        data = as_bytes(audio)
        queue = self._senders > 0

        def send(machine: Recovery, now: float) -> tuple[Sent, bool]:
            return machine.send(data, now=now, at=at, queue=queue), machine.can_wait(now=now)

        sent, waits = self._open_driver.tell(send)
        return replace(sent, until_room=self._until_room) if waits else sent

    async def _until_room(self) -> None:
        """Let others run, and wait until a source that can wait should go on."""
        self._senders += 1
        try:
            if self._open_driver.ask(lambda machine, now: machine.takes_more(now=now)):
                await asyncio.sleep(0)
            else:
                await asyncio.wrap_future(self._room())
        finally:
            self._senders -= 1

    async def __aenter__(self) -> Self:
        self._check_unopened()
        try:
            await _resolved(self._start().opened)
        except BaseException:
            self._abandon()
            raise
        return self

    def __await__(self) -> Generator[Any, None, Self]:
        return self.__aenter__().__await__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.finish()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def finish(self, timeout: float | None = None) -> Transcript:  # noqa: ASYNC109  # it drains
        """Drain and close: Finalize, CloseStream, then wait for the server's Metadata, at most `timeout` seconds.

        None: as long as what is on its way needs, which is its own length and some seconds more at most, anew with
        each final that comes.

        Returns everything that was heard, with stats; `complete` says whether it is all, `reason` and `error` what was
        in the way. Idempotent: later calls return the same.
        """
        return self._result(await _resolved(self._begin_to_finish(timeout)))

    async def transcribe(self, audio: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncGenerator[Event, None]:
        """Send what `audio` yields, finish at its end, and iterate over the events meanwhile.

        A live line takes audio as it comes; a recording (`live=False`) is read as fast as the server takes it. An
        AudioSource is opened and closed here. Raises what `audio` raises, behind the last event.
        """
        _ = self._open_driver
        feeding = asyncio.create_task(self._feed(audio))
        try:
            async for event in self:
                yield event
            if feeding.done():
                feeding.result()
        finally:
            feeding.cancel()  # who leaves early does not want to know what is wrong with the source, either
            await asyncio.wait([feeding])

    # ---- inside ----

    async def _feed(self, audio: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        try:
            async with contextlib.AsyncExitStack() as opened:
                if isinstance(audio, AudioSource):
                    await opened.enter_async_context(audio)
                    self._check_source(audio)
                async for chunk in _aiter(audio):
                    for piece in self._pieces(chunk):
                        while self._offer(piece) is None:
                            with held(audio):
                                await asyncio.wrap_future(self._room())
        finally:
            self._end()

    async def _events(self) -> AsyncIterator[Event]:
        _ = self._open_driver
        there = asyncio.Event()
        wake = _setter(there)
        try:
            while True:
                event = self._inbox.take(wake)
                if event is None:
                    await there.wait()
                    there.clear()
                    continue
                yield event
                if isinstance(event, Closed):
                    if event.error is not None:
                        raise event.error
                    return
        finally:
            self._inbox.forget(wake)


def held(audio: object) -> contextlib.AbstractContextManager[None]:
    """The source waits for the line meanwhile."""
    return audio.held() if isinstance(audio, AudioSource) else contextlib.nullcontext()


def as_bytes(audio: bytes | bytearray | memoryview) -> bytes:
    """A copy of what may change; a number, of which `bytes` would make silence, is none."""
    return audio if type(audio) is bytes else bytes(memoryview(audio))


async def _resolved(future: concurrent.futures.Future[T]) -> T:
    """What `future` comes to; unlike with asyncio.wrap_future it goes on when who waits here is cancelled."""
    there = asyncio.Event()
    wake = _setter(there)
    future.add_done_callback(lambda _: wake())
    await there.wait()
    return future.result()


def _setter(there: asyncio.Event) -> Callable[[], None]:
    """Sets an event of this loop from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the user's loop is closed
            loop.call_soon_threadsafe(there.set)

    return wake


async def _aiter(audio: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    """Either kind; a plain iterator is asked in a thread, since it may wait."""
    if isinstance(audio, AsyncIterable):
        async for chunk in audio:
            yield chunk
        return
    chunks = iter(audio)
    while (piece := await on_a_thread(lambda: next(chunks, None))) is not None:
        yield piece


def connect(
    url: str = "ws://127.0.0.1:8080",
    *,
    key: str | None = None,
    token: str | None = None,
    encoding: str | None = "linear16",
    sample_rate: int = 16_000,
    channels: int = 1,
    live: bool = True,
    tuning: Tuning | None = None,
    faults: Faults | None = None,
    **parameters: Value | Iterable[Value],
) -> Line:
    """A line to a server of this wire; enter it (`async with`) or await it, once.

    Args:
        url: `ws://host:port`, a full listen address, or `deepgram`.
        key: API key.
        token: temporary token, instead of a key.
        encoding: of the bytes you send; None when they are a container (WebM, Ogg, ...), which is sent as it is:
            then nothing can be sent again by the sample after a reconnect, and words have no source times.
        sample_rate: in Hz.
        channels: interleaved.
        live: False for a recording, which can wait: it goes out as fast as the server takes it, and none of it is
            dropped. Then `await line.send(...)`, or use `line.transcribe(...)`.
        tuning: bounds and patience.
        faults: simulated faults, to try your own code with.
        **parameters: of the wire: `model="nova-3"`, `interim_results=True`, `keyterm=["a", "b"]`, ...

    Entering raises Refused (BadCredentials, PaymentRequired, TooManyStreams) or Unreachable when there is no first
    connection, and UsageError for what cannot be. Iteration ends behind the Closed event, and raises its error if
    it has one: HungUp, GaveUp, LineError.
    """
    plan = plan_line(
        url,
        Credentials(key, token),
        Declared(encoding, sample_rate, channels),
        live=live,
        tuning=tuning or Tuning(),
        faults=faults,
        parameters=parameters,
    )
    for doubt in plan.doubts:
        warnings.warn(doubt, UserWarning, stacklevel=2)
    return Line(plan)
