"""Line and `connect` for callers with an event loop, and what they share with their synchronous twins.

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
from caesura.client.background_loop import finish_at_exit, shared_loop
from caesura.client.config import Credentials, DeclaredAudio, LineConfig, Tuning, configure_line
from caesura.client.driver import Driver
from caesura.client.event_queue import EventQueue
from caesura.client.events import Closed, Event, Sent, Stats, Transcript
from caesura.client.faults import Faults
from caesura.client.line_actions import Phase
from caesura.client.recovery import Recovery
from caesura.client.replay_buffer import CHUNK_BYTES
from caesura.client.sources import AudioSource, run_in_thread
from caesura.errors import UsageError
from caesura.timeline import Timeline

T = TypeVar("T")


class LineBase:
    """Base of both kinds of line. Every method here may be called from any thread, and none of them waits."""

    def __init__(self, config: LineConfig) -> None:
        """Starts nothing; entering the context does."""
        self._config = config
        self._queue = EventQueue()
        self._driver: Driver | None = None
        self._pid = 0
        self._paused_by = 0
        """Identifier of the thread that paused the line last."""

    def pause(self) -> None:
        """Stop sending: the words so far are finalized, and KeepAlive holds the connection for any length of time.

        Live audio that is sent in a pause is dropped and not billed, so this is also how to mute; source times stay
        exact to the sample if you go on sending what is captured. A recording waits: nothing of it is read or dropped.
        Idempotent.
        """
        self._paused_by = threading.get_ident()
        self._open_driver.step(lambda machine, now: machine.pause(now=now))

    def resume(self) -> None:
        """Resume sending. Source time and wall clock have advanced meanwhile; stream time has not. Idempotent.

        The source time of a recording has not advanced either: it is the position in the file.
        """
        self._open_driver.step(lambda machine, now: machine.resume(now=now))

    def finalize(self, channel: int | None = None) -> None:
        """Finalize everything sent so far; `channel` None means all channels."""
        self._open_driver.step(lambda machine, now: machine.finalize(channel))

    def abandon(self) -> None:
        """Close at once, without the last words; audio without a final is lost and reported as Gap. Idempotent."""
        self._open_driver.step(lambda machine, now: machine.abandon(now=now))

    @property
    def stats(self) -> Stats:
        """Counters of the line so far."""
        stats = self._open_driver.query(lambda machine, now: machine.stats(now=now))
        return replace(stats, events_dropped=self._queue.dropped)

    @property
    def is_paused(self) -> bool:
        """Is the line paused?"""
        return self._open_driver.query(lambda machine, now: machine.paused)

    @property
    def is_connected(self) -> bool:
        """Is there a connection now? A line without one keeps audio and tries to reconnect."""
        return self._open_driver.query(lambda machine, now: machine.phase is Phase.OPEN)

    @property
    def waiting_s(self) -> float:
        """Seconds of audio that wait to be sent."""
        return self._open_driver.query(lambda machine, now: machine.waiting_s)

    @property
    def unheard_s(self) -> float:
        """Seconds of audio that no final covers yet."""
        return self._open_driver.query(lambda machine, now: machine.unheard_s)

    @property
    def timeline(self) -> Timeline | None:
        """Which audio was sent when, to be read only; None where samples cannot be counted."""
        return self._open_driver.query(lambda machine, now: machine.timeline)

    # ---- inside ----

    @property
    def _open_driver(self) -> Driver:
        if self._driver is None:
            raise UsageError("The line is not open yet: enter it first, `with` or `async with`.")
        if self._pid != os.getpid():
            raise UsageError("The line was opened by another process and works there only: connect here too.")
        return self._driver

    def _start(self) -> Driver:
        """Start the line on the background loop."""
        self._check_unopened()
        machine = Recovery(self._config.settings, random=random.random, wall_offset_s=time.time() - time.monotonic())
        driver = self._driver = Driver(machine, self._config.opener, self._queue.put, shared_loop())
        self._pid = os.getpid()
        unregister = finish_at_exit(self._begin_finish)
        driver.done.add_done_callback(lambda _: unregister())
        driver.start()
        return driver

    def _check_source(self, source: AudioSource) -> None:
        """Raises UsageError for a source of other audio than declared, or of a recording on a live line."""
        self._config.declared.check_source(source.parameters)
        if self._is_live and not source.is_live:
            raise UsageError(
                "The recording comes as fast as it can be read, but the line was made for live audio: "
                "connect(live=False, ...), or recording(..., realtime=True)."
            )
        if source.waits_in_pauses:
            self._open_driver.step(lambda machine, now: machine.declare_recording())

    def _check_unopened(self) -> None:
        if self._driver is not None:
            raise UsageError("A line can be opened once only; connect again for another one.")

    def _abandon(self) -> None:
        """The caller no longer waits for the line to open."""
        if self._driver is not None:
            self._driver.step(lambda machine, now: machine.abandon(now=now))

    @property
    def _is_live(self) -> bool:
        return self._config.settings.live

    def _finish_soon(self) -> None:
        """Start to finish without waiting for it."""
        self._begin_finish(None)

    def _begin_finish(self, timeout_s: float | None) -> concurrent.futures.Future[Transcript]:
        driver = self._open_driver
        driver.step(lambda machine, now: machine.finish(timeout_s, now=now))
        return driver.done

    def _with_drops(self, transcript: Transcript) -> Transcript:
        return replace(transcript, stats=replace(transcript.stats, events_dropped=self._queue.dropped))

    def _chunks(self, chunk: bytes) -> Iterator[bytes]:
        """A recording is sent in small parts, however large the chunks of its source are."""
        data = as_bytes(chunk)
        size = max(len(data), 1) if self._is_live else CHUNK_BYTES
        return (data[at : at + size] for at in range(0, len(data), size))

    def _try_send(self, audio: bytes, *, at: float | None = None) -> Sent | None:
        """Send it; None when it can wait and there is no room now, so that it has to be sent again."""

        def send(machine: Recovery, now: float) -> Sent | None:
            # Other senders may have used the room meanwhile: what does not fit waits behind theirs.
            return machine.send(audio, now=now, at=at, queue=True) if machine.accepts_more(now=now) else None

        return self._open_driver.step(send)

    def _when_room(self) -> concurrent.futures.Future[None]:
        """A future that is resolved when a source that can wait should continue."""
        self._open_driver.query(lambda machine, now: machine.hold_source())
        return self._open_driver.when(lambda machine, now: machine.accepts_more(now=now))


class Line(LineBase):
    """A line for callers with an event loop, made by `connect`."""

    def __init__(self, config: LineConfig) -> None:
        """Starts nothing; entering the context does."""
        super().__init__(config)
        self._senders = 0
        """Number of senders that wait for room."""

    def send(self, audio: bytes | bytearray | memoryview, *, at: float | None = None) -> Sent:
        """Send captured audio; never waits, and returns what became of it.

        Accepted: it is being sent. Buffered: kept, and sent behind audio that waits already. Dropped: lost, because the
        line is paused or closed, or because the buffer of live audio is full. Chunks of any size will do; an incomplete
        sample waits for the rest of it.

        Audio that can wait is not dropped when the buffer is full: that of a line with `live=False`, and audio that
        comes faster than it can have been captured. `await line.send(...)` returns the same result once there is room
        for more; without `await` a full buffer raises UsageError, and nothing of `audio` was accepted.

        `at`: source seconds at which `audio` was captured; by default it continues the audio before. Raises
        UsageError also when `at` goes back, when the audio is a file and not raw, and before the line was opened.
        """
        data = as_bytes(audio)
        queue = self._senders > 0

        def send(machine: Recovery, now: float) -> tuple[Sent, bool]:
            return machine.send(data, now=now, at=at, queue=queue), machine.can_wait(now=now)

        sent, waits = self._open_driver.step(send)
        return replace(sent, until_room=self._until_room) if waits else sent

    async def _until_room(self) -> None:
        """Let other tasks run, and wait until a source that can wait should continue."""
        self._senders += 1
        try:
            if self._open_driver.query(lambda machine, now: machine.accepts_more(now=now)):
                await asyncio.sleep(0)
            else:
                await asyncio.wrap_future(self._when_room())
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

        None: the length of the audio that no final covers and some seconds more; each final extends that.

        Returns the transcript with stats; `complete` says whether it is all, `reason` and `error` what is missing and
        why. Idempotent: later calls return the same.
        """
        return self._with_drops(await _resolved(self._begin_finish(timeout)))

    async def transcribe(self, audio: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncGenerator[Event, None]:
        """Send what `audio` yields, finish at its end, and iterate over the events meanwhile.

        A live line accepts audio as it comes; a recording (`live=False`) is read as fast as the server accepts it. An
        AudioSource is opened and closed here. Raises what `audio` raises, after the last event.
        """
        _ = self._open_driver
        feeder = asyncio.create_task(self._feed(audio))
        try:
            async for event in self:
                yield event
            if feeder.done():
                feeder.result()
        finally:
            feeder.cancel()  # a caller that leaves early does not want the source's errors either
            await asyncio.wait([feeder])

    # ---- inside ----

    async def _feed(self, audio: AsyncIterable[bytes] | Iterable[bytes]) -> None:
        try:
            async with contextlib.AsyncExitStack() as opened:
                if isinstance(audio, AudioSource):
                    await opened.enter_async_context(audio)
                    self._check_source(audio)
                async for chunk in _aiter(audio):
                    for piece in self._chunks(chunk):
                        while self._try_send(piece) is None:
                            with held(audio):
                                await asyncio.wrap_future(self._when_room())
        finally:
            self._finish_soon()

    async def _events(self) -> AsyncIterator[Event]:
        _ = self._open_driver
        ready = asyncio.Event()
        wake = _setter(ready)
        try:
            while True:
                event = self._queue.take(wake)
                if event is None:
                    await ready.wait()
                    ready.clear()
                    continue
                yield event
                if isinstance(event, Closed):
                    if event.error is not None:
                        raise event.error
                    return
        finally:
            self._queue.cancel_wake(wake)


def held(audio: object) -> contextlib.AbstractContextManager[None]:
    """Context in which the source is held by the line."""
    return audio.held() if isinstance(audio, AudioSource) else contextlib.nullcontext()


def as_bytes(audio: bytes | bytearray | memoryview) -> bytes:
    """A copy of mutable audio. Raises TypeError for a number, of which `bytes` would make zeros."""
    return audio if type(audio) is bytes else bytes(memoryview(audio))


async def _resolved(future: concurrent.futures.Future[T]) -> T:
    """Await `future`; unlike asyncio.wrap_future, cancelling the waiting task does not cancel it."""
    ready = asyncio.Event()
    wake = _setter(ready)
    future.add_done_callback(lambda _: wake())
    await ready.wait()
    return future.result()


def _setter(event: asyncio.Event) -> Callable[[], None]:
    """A function that sets `event`, which belongs to this loop, from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the user's loop is closed
            loop.call_soon_threadsafe(event.set)

    return wake


async def _aiter(audio: AsyncIterable[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    """Iterate over either kind; a synchronous iterator runs in a thread, since it may wait."""
    if isinstance(audio, AsyncIterable):
        async for chunk in audio:
            yield chunk
        return
    chunks = iter(audio)
    while (piece := await run_in_thread(lambda: next(chunks, None))) is not None:
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
        encoding: of the audio you send; None when it is a container (WebM, Ogg, ...), which is sent as it is: then
            nothing can be sent again by the sample after a reconnect, and words have no source times.
        sample_rate: in Hz.
        channels: number of interleaved channels.
        live: False for a recording, which can wait: it is sent as fast as the server accepts it, and none of it is
            dropped. Then `await line.send(...)`, or use `line.transcribe(...)`.
        tuning: buffer size and timeouts.
        faults: simulated faults, to test your own code with.
        **parameters: parameters of the wire: `model="nova-3"`, `interim_results=True`, `keyterm=["a", "b"]`, ...

    Entering raises Refused (BadCredentials, PaymentRequired, TooManyStreams) or Unreachable when there is no first
    connection, and UsageError for arguments that cannot be. Iteration ends after the Closed event, and raises its error
    if it has one: ConnectionClosedByServer, ReconnectFailed, LineError.
    """
    config = configure_line(
        url,
        Credentials(key, token),
        DeclaredAudio(encoding, sample_rate, channels),
        live=live,
        tuning=tuning or Tuning(),
        faults=faults,
        parameters=parameters,
    )
    for warning in config.warnings:
        warnings.warn(warning, UserWarning, stacklevel=2)
    return Line(config)
