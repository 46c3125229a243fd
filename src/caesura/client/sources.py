"""Something that has audio in; its chunks, as they are wanted or at the speed of speech, out: `for` or `async for`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar

from caesura.client.form import Form
from caesura.errors import CaesuraError, UsageError

T = TypeVar("T")

MAX_FRAME_S = 10.0
"""The longest chunk."""
PASSED_ON_BYTES = 8 * 1024
"""The largest chunk of a container that is passed on as it is."""
END_S = 1.0
"""How long leaving `async with` waits for a read that was told to end."""

_CLOSED = "This source of audio was closed; it can be read only once."


class Feed(Protocol):
    """What an AudioSource draws on. Only `interrupt` is called while another thread is inside."""

    def open(self) -> Form:
        """Open it; returns what it yields. May wait. Raises UsageError."""
        ...

    def block(self) -> bytes:
        """Bytes, any number, as soon as there are some; none at the end. Raises UsageError."""
        ...

    def interrupt(self) -> None:
        """Have `open` or `block` on another thread end, now and from now on."""
        ...

    def close(self) -> None:
        """Free everything; `open` may not have been called, or may have failed."""
        ...


@dataclass(frozen=True, slots=True)
class Clock:
    """Time, and two ways to let it pass."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    sleep_async: Callable[[float], Awaitable[None]] = asyncio.sleep


class AudioSource:
    """Audio that is opened by `with` or `async with`, and then read once, by `for` or `async for`.

    A loop over what is not open yet opens it, and closes it at its end. Entering what is open already changes nothing;
    the first `with` that is left closes it.

    Chunks are whole samples, `frame_s` long but for the last; those of a container that is passed on as it is are up
    to 8 KiB. `realtime`: a chunk comes when its last sample would have been spoken, counted from the first chunk on,
    never earlier. Reading ahead goes one block far, on a thread of its own; it never keeps the event loop waiting.

    `parameters`, `seconds` and `note` are known once it is open. Raises UsageError when it cannot be opened, when it
    breaks (then all chunks before that have been yielded), or is asked for them before it is open.
    """

    def __init__(self, feed: Feed, *, frame_s: float, realtime: bool = False, clock: Clock | None = None) -> None:
        if not 0 < frame_s <= MAX_FRAME_S:
            raise UsageError(f"frame_s is {frame_s}; it must be more than 0 and at most {MAX_FRAME_S:g} s.")
        self._feed = feed
        self._frame_s = frame_s
        self._realtime = realtime
        self._clock = clock or Clock()
        self._form: Form | None = None
        self._chunks = Chunks(0, 1)
        self._pace = Pace(0)
        self._error: CaesuraError | None = None
        self._ended = False
        self._ahead: asyncio.Future[bytes] | None = None
        self._gate = threading.Lock()
        self._inside = False
        self._closed = False

    @property
    def parameters(self) -> dict[str, str | int]:
        """What must be in the query of the connection: encoding, sample_rate, channels. Empty for a container."""
        return self._opened().parameters

    @property
    def is_live(self) -> bool:
        """Do its chunks come as they are spoken, and cannot wait?"""
        return self._realtime

    @property
    def stands_still(self) -> bool:
        """Does it go on where it was when nobody has read it for a while? A microphone does not."""
        return True

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Meanwhile nobody can take a chunk: in real time, all that follow are due so much later."""
        began = self._clock.now()
        try:
            yield
        finally:
            self._pace.shift(self._clock.now() - began)

    @property
    def seconds(self) -> float | None:
        """How long it is, where that is known; of MP3 and AAC an estimate."""
        return self._opened().seconds

    @property
    def note(self) -> str:
        """Empty, or one sentence for the user: what it costs that it is sent as it is, or what is missing from it."""
        return self._opened().note

    def __enter__(self) -> Self:
        if self._form is None or self._closed:
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
        if self._form is None or self._closed:
            try:
                self._begin(await on_a_thread(lambda: self._exclusively(self._feed.open)))
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
        """Ends the reading, on whatever thread it is, and frees what was opened. May be called again."""
        with self._gate:
            again, self._closed = self._closed, True
            inside = self._inside
        if not again:
            self._feed.interrupt()
            if not inside:
                self._feed.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._opening() if self._form is None else self._readable()

    def __next__(self) -> bytes:
        while not self._chunks.ready and not self._ended:
            self._put(self._read())
        if not self._chunks.ready:
            raise self._error or StopIteration
        if (wait := self._wait_s()) > 0:
            self._clock.sleep(wait)
        return self._take()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._opening_async() if self._form is None else self._readable()

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

    def _opened(self) -> Form:
        if self._form is None:
            raise UsageError("This source of audio is not open yet; use it inside `with` or `async with`.")
        return self._form

    def _readable(self) -> Self:
        self._opened()
        if self._closed:
            raise UsageError(_CLOSED)
        return self

    def _begin(self, form: Form) -> None:
        size = round(form.sample_rate * self._frame_s) * form.frame_bytes
        self._chunks = Chunks(max(size, form.frame_bytes), form.frame_bytes) if form.encoding else Chunks(0, 1)
        self._pace = Pace(form.bytes_per_s if self._realtime else 0)
        self._form = form

    async def _put_ahead(self) -> None:
        # Waited for like this, a reader that is cancelled loses nothing: the block is there for the next one.
        block = self._ahead = self._ahead or on_a_thread(self._read)
        await asyncio.wait([block])
        data = block.result()
        self._ahead = on_a_thread(self._read) if data else None
        self._put(data)

    def _read(self) -> bytes:
        """The next block; what breaks is kept for when the chunks before it are used up."""
        self._opened()
        try:
            return self._exclusively(self._feed.block)
        except CaesuraError as error:
            self._error = None if self._closed else error
            return b""

    def _exclusively(self, work: Callable[[], T]) -> T:
        """Runs `work`; when the source is closed meanwhile, frees everything afterwards."""
        self._go_in()
        try:
            return work()
        finally:
            self._come_out()

    def _go_in(self) -> None:
        with self._gate:
            if self._closed:
                raise UsageError(_CLOSED)
            self._inside = True

    def _come_out(self) -> None:
        with self._gate:
            self._inside = False
            closed = self._closed
        if closed:
            self._feed.close()

    def _put(self, data: bytes) -> None:
        self._ended = not data
        self._chunks.put(data)

    def _wait_s(self) -> float:
        return self._pace.wait_s(self._chunks.ready, self._clock.now()) if self._realtime else 0.0

    def _take(self) -> bytes:
        chunk = self._chunks.take()
        self._pace.passed(len(chunk))
        return chunk


class Chunks:
    """Blocks of any sizes in; chunks of `size` bytes, at the end one of what is left in whole `unit`s, out.

    Without a `size` a block is handed on at once, in chunks of up to 8 KiB.
    """

    def __init__(self, size: int, unit: int) -> None:
        self._size = size
        self._unit = unit
        self._data = b""
        self._at = 0
        self._ended = False

    @property
    def ready(self) -> int:
        """Bytes of the next chunk, 0 when there is none yet."""
        left = len(self._data) - self._at
        if not self._size:
            return min(left, PASSED_ON_BYTES)
        if left >= self._size:
            return self._size
        return left - left % self._unit if self._ended else 0

    def put(self, data: bytes) -> None:
        """The next block; an empty one is the end."""
        self._data, self._at = self._data[self._at :] + data, 0
        self._ended = not data

    def take(self) -> bytes:
        """The next chunk."""
        begin, self._at = self._at, self._at + self.ready
        return self._data[begin : self._at]


class Pace:
    """How long to wait with a chunk so that audio of `bytes_per_s` goes out no faster than it was spoken. Pure."""

    def __init__(self, bytes_per_s: int) -> None:
        self._bytes_per_s = bytes_per_s
        self._bytes = 0
        self._began: float | None = None

    def wait_s(self, size: int, now: float) -> float:
        """Seconds from `now` until the end of the next chunk, `size` bytes; not positive when that is over."""
        self._began = now if self._began is None else self._began
        return self._began + (self._bytes + size) / self._bytes_per_s - now

    def shift(self, seconds: float) -> None:
        """All chunks that follow are due so much later."""
        if self._began is not None:
            self._began += seconds

    def passed(self, size: int) -> None:
        """A chunk went out; that it was late does not change when the next ones are due."""
        self._bytes += size


def on_a_thread(work: Callable[[], T]) -> asyncio.Future[T]:
    """Runs `work` on a daemon thread: unlike those of an executor, nobody waits for it when the program ends."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()
    # Nobody may be there any more to see what went wrong.
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
