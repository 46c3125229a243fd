"""Sources of audio in chunks, read as fast as they come or paced to real time, with `for` or `async for`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from caesura.client.audio_spec import AudioSpec
from caesura.errors import CaesuraError, UsageError

T = TypeVar("T")

MAX_FRAME_S = 10.0
"""Longest chunk."""
PASSED_ON_BYTES = 8 * 1024
"""Largest chunk of a container that is passed on as it is."""
END_S = 1.0
"""How long leaving `async with` waits for an interrupted read."""

_CLOSED = "This source of audio was closed; it can be read only once."


class Feed(Protocol):
    """What an AudioSource draws on. Only `interrupt` is called while another thread is in_use."""

    def open(self) -> AudioSpec:
        """Open it; returns what its audio is. May block. Raises UsageError."""
        ...

    def block(self) -> bytes:
        """Some bytes, as soon as there are any; b"" at the end. Raises UsageError."""
        ...

    def interrupt(self) -> None:
        """End `open` or `block` on another thread, now and from now on."""
        ...

    def close(self) -> None:
        """Free everything; also when `open` was not called or failed."""
        ...


@dataclass(frozen=True, slots=True)
class SourceClock:
    """Clock and sleep functions, replaced in tests."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep


class AudioSource:
    """Audio that is opened by `with` or `async with`, and then read once, by `for` or `async for`.

    Iterating over a source that is not open opens it, and closes it at its end. Entering an open one changes nothing;
    leaving the first `with` closes it.

    Chunks are whole samples, `frame_s` long except the last; those of a container that is passed on as it is have up
    to 8 KiB. `realtime`: each chunk is yielded when its last sample would have been spoken, counted from the first
    chunk, never earlier. One block is read ahead on another thread, so the event loop never waits.

    `parameters`, `seconds` and `note` are known once it is open; before that they raise UsageError. UsageError is also
    raised when it cannot be opened, or when reading fails, after the chunks before that were yielded.
    """

    def __init__(self, feed: Feed, *, frame_s: float, realtime: bool = False, clock: SourceClock | None = None) -> None:
        if not 0 < frame_s <= MAX_FRAME_S:
            raise UsageError(f"frame_s is {frame_s}; it must be more than 0 and at most {MAX_FRAME_S:g} s.")
        self._feed = feed
        self._frame_s = frame_s
        self._realtime = realtime
        self._clock = clock or SourceClock()
        self._spec: AudioSpec | None = None
        self._chunks = Chunks(0, 1)
        self._pacer = RealtimePacer(0)
        self._error: CaesuraError | None = None
        self._ended = False
        self._ahead: asyncio.Future[bytes] | None = None
        self._lock = threading.Lock()
        self._in_use = False
        self._closed = False

    @property
    def parameters(self) -> dict[str, str | int]:
        """Query parameters for the connection: encoding, sample_rate, channels. Empty for a container."""
        return self._opened().parameters

    @property
    def is_live(self) -> bool:
        """Do its chunks come in real time, so that they cannot wait?"""
        return self._realtime

    @property
    def waits_in_pauses(self) -> bool:
        """Does it continue where it was after it was not read for a while? A microphone does not."""
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """The reader is held up meanwhile: in real time, all following chunks are due so much later."""
        began = self._clock.now()
        try:
            yield
        finally:
            self._pacer.shift(self._clock.now() - began)

    @property
    def seconds(self) -> float | None:
        """Length, where that is known; of MP3 and AAC an estimate."""
        return self._opened().seconds

    @property
    def note(self) -> str:
        """Empty, or one sentence for the user, about a truncated recording or one that is sent undecoded."""
        return self._opened().note

    def __enter__(self) -> Self:
        if self._spec is None or self._closed:
            try:
                self._begin(self._exclusively(self._feed.open))
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        if self._spec is None or self._closed:
            try:
                self._begin(await run_in_thread(lambda: self._exclusively(self._feed.open)))
            except BaseException:
                self.close()
                raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if self._ahead is not None:
            await asyncio.wait([self._ahead], timeout=END_S)

    def close(self) -> None:
        """End the reading, on whichever thread it runs, and free what was opened. Idempotent."""
        with self._lock:
            again, self._closed = self._closed, True
            in_use = self._in_use
        if not again:
            self._feed.interrupt()
            if not in_use:
                self._feed.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._opening() if self._spec is None else self._readable()

    def __next__(self) -> bytes:
        while not self._chunks.ready and not self._ended:
            self._put(self._read())
        if not self._chunks.ready:
            raise self._error or StopIteration
        if (wait := self._wait_s()) > 0:
            self._clock.sleep(wait)
        return self._take()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._opening_async() if self._spec is None else self._readable()

    async def __anext__(self) -> bytes:
        while not self._chunks.ready and not self._ended:
            await self._put_ahead()
        if not self._chunks.ready:
            raise self._error or StopAsyncIteration
        if (wait := self._wait_s()) > 0:
            await self._clock.sleep_async(wait)
        return self._take()

    def _opening(self) -> Iterator[bytes]:
        with self:
            yield from self

    async def _opening_async(self) -> AsyncIterator[bytes]:
        async with self:
            async for chunk in self:
                yield chunk

    def _opened(self) -> AudioSpec:
        if self._spec is None:
            raise UsageError("This source of audio is not open yet; use it inside `with` or `async with`.")
        return self._spec

    def _readable(self) -> Self:
        self._opened()
        if self._closed:
            raise UsageError(_CLOSED)
        return self

    def _begin(self, spec: AudioSpec) -> None:
        size = round(spec.sample_rate * self._frame_s) * spec.frame_bytes
        self._chunks = Chunks(max(size, spec.frame_bytes), spec.frame_bytes) if spec.encoding else Chunks(0, 1)
        self._pacer = RealtimePacer(spec.bytes_per_s if self._realtime else 0)
        self._spec = spec

    async def _put_ahead(self) -> None:
        # asyncio.wait does not cancel the read, so a cancelled reader loses nothing: the next one gets the block.
        block = self._ahead = self._ahead or run_in_thread(self._read)
        await asyncio.wait([block])
        data = block.result()
        self._ahead = run_in_thread(self._read) if data else None
        self._put(data)

    def _read(self) -> bytes:
        """The next block; an error is kept until the chunks before it were yielded."""
        self._opened()
        try:
            return self._exclusively(self._feed.block)
        except CaesuraError as error:
            self._error = None if self._closed else error
            return b""

    def _exclusively(self, work: Callable[[], T]) -> T:
        """Run `work`; if the source is closed meanwhile, free everything afterwards."""
        self._enter_feed()
        try:
            return work()
        finally:
            self._leave_feed()

    def _enter_feed(self) -> None:
        with self._lock:
            if self._closed:
                raise UsageError(_CLOSED)
            self._in_use = True

    def _leave_feed(self) -> None:
        with self._lock:
            self._in_use = False
            closed = self._closed
        if closed:
            self._feed.close()

    def _put(self, data: bytes) -> None:
        self._ended = not data
        self._chunks.put(data)

    def _wait_s(self) -> float:
        return self._pacer.wait_s(self._chunks.ready, self._clock.now()) if self._realtime else 0.0

    def _take(self) -> bytes:
        chunk = self._chunks.take()
        self._pacer.passed(len(chunk))
        return chunk


class Chunks:
    """Cuts blocks of any size to chunks of `size` bytes; the last has what is left in whole `unit`s.

    With a `size` of 0 a block is passed on at once, in chunks of up to 8 KiB.
    """

    def __init__(self, size: int, unit: int) -> None:
        self._size = size
        self._unit = unit
        self._data = b""
        self._at = 0
        self._ended = False

    @property
    def ready(self) -> int:
        """Bytes of the next chunk; 0 when there is none yet."""
        left = len(self._data) - self._at
        if not self._size:
            return min(left, PASSED_ON_BYTES)
        if left >= self._size:
            return self._size
        return left - left % self._unit if self._ended else 0

    def put(self, data: bytes) -> None:
        """Append the next block; an empty one is the end."""
        self._data, self._at = self._data[self._at :] + data, 0
        self._ended = not data

    def take(self) -> bytes:
        """The next chunk."""
        begin, self._at = self._at, self._at + self.ready
        return self._data[begin : self._at]


class RealtimePacer:
    """Delays that pace audio of `bytes_per_s` to real time. Pure."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._bytes = 0
        self._began: float | None = None

    def wait_s(self, size: int, now: float) -> float:
        """Seconds from `now` until the end of the next chunk, `size` bytes; not positive when it is due."""
        self._began = now if self._began is None else self._began
        return self._began + (self._bytes + size) / self._bytes_per_s - now

    def shift(self, seconds: float) -> None:
        """Delay all following chunks."""
        if self._began is not None:
            self._began += seconds

    def passed(self, size: int) -> None:
        """A chunk was yielded; if it was late, the next ones are due at the same times nevertheless."""
        self._bytes += size


def run_in_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Run `work` on a daemon thread: unlike an executor's, it does not keep the interpreter from exiting."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # Retrieve the exception, because the awaiting task may be gone.
    future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)  # type: ignore[arg-type]
        else:
            future.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as caught:  # noqa: BLE001 - it is raised where the future is awaited
            error = caught
        with contextlib.suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="caesura-source", daemon=True).start()
    return future
