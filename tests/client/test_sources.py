"""Sources of audio: chunks, pace, reading ahead and closing, over fake feeds."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.client.audio_spec import AudioSpec
from caesura.client.sources import AudioSource, Chunks, RealtimePacer, SourceClock, run_in_thread
from caesura.errors import UsageError
from tests.client.chunks import ReadChunks, both, sync_chunks
from tests.waiting import until

FORM = AudioSpec("linear16", 1_000, 2, 0.5, "A note.")
AS_IT_IS = AudioSpec(None)


class Blocks:
    """A feed of these blocks; an exception among them is raised, an event waited for."""

    def __init__(self, spec: AudioSpec | UsageError, *blocks: bytes | Exception | threading.Event) -> None:
        self._spec = spec
        self._blocks = list(blocks)
        self.log: list[str] = []
        self.over = threading.Event()

    def open(self) -> AudioSpec:
        self.log.append("open")
        if isinstance(self._spec, UsageError):
            raise self._spec
        return self._spec

    def block(self) -> bytes:
        self.log.append("block")
        block = self._blocks.pop(0) if self._blocks else b""
        match block:
            case bytes():
                return block
            case Exception():
                raise block
            case _:
                block.set()
                self.over.wait(10)
                return b""

    def interrupt(self) -> None:
        self.log.append("interrupt")
        self.over.set()

    def close(self) -> None:
        self.log.append("close")


@dataclass
class Time:
    """A clock that moves in each sleep, and a little whenever it is read."""

    now: float = 100.0
    reading_s: float = 0.0
    slept: list[float] = field(default_factory=list)

    def clock(self) -> SourceClock:
        return SourceClock(self.read, self.sleep, self.sleep_async)

    def read(self) -> float:
        self.now += self.reading_s
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)


def source(*blocks: bytes | Exception | threading.Event, spec: AudioSpec = FORM, frame_s: float = 0.1) -> AudioSource:
    return AudioSource(Blocks(spec, *blocks), frame_s=frame_s)


async def give_up(waiting: Awaitable[object]) -> None:
    """Wait for something that does not come, and be cancelled."""
    task = asyncio.ensure_future(waiting)
    for _ in range(3):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    """However a test ends, nothing reads on."""
    yield
    for thread in threading.enumerate():
        if thread.name == "caesura-source":
            thread.join(5)
            assert not thread.is_alive()


@both
@given(sizes=st.lists(st.integers(1, 1_500), max_size=9))
def test_any_blocks_become_chunks_of_whole_samples(chunks: ReadChunks, sizes: list[int]) -> None:
    data = bytes(range(256)) * 60
    blocks = [data[end - size : end] for size, end in zip(sizes, accumulate(sizes), strict=True)]
    made = chunks(source(*blocks))
    said = data[: sum(sizes) // 4 * 4]
    assert made == [said[at : at + 400] for at in range(0, len(said), 400)]


@both
def test_a_container_is_passed_on_as_it_comes(chunks: ReadChunks) -> None:
    made = chunks(source(b"a", bytes(10_000), b"bc", spec=AS_IT_IS))
    assert made == [b"a", bytes(8_192), bytes(1_808), b"bc"]


@both
def test_what_breaks_does_so_after_what_came_before(chunks: ReadChunks) -> None:
    had: list[bytes] = []

    class Counting(AudioSource):
        def __next__(self) -> bytes:
            had.append(super().__next__())
            return had[-1]

        async def __anext__(self) -> bytes:
            had.append(await super().__anext__())
            return had[-1]

    feed = Blocks(FORM, bytes(410), UsageError("It broke off."))
    with pytest.raises(UsageError, match=r"^It broke off\.$"):
        chunks(Counting(feed, frame_s=0.1))
    assert [len(chunk) for chunk in had] == [400, 8]
    assert feed.log == ["open", "block", "block", "interrupt", "close"]


@both
def test_an_error_of_an_unexpected_kind_is_not_swallowed(chunks: ReadChunks) -> None:
    with pytest.raises(ZeroDivisionError):
        chunks(source(ZeroDivisionError()))


@both
def test_what_cannot_be_opened_is_freed(chunks: ReadChunks) -> None:
    feed = Blocks(UsageError("There is no file."))
    with pytest.raises(UsageError, match="There is no file"):
        chunks(AudioSource(feed, frame_s=0.1))
    assert feed.log == ["open", "interrupt", "close"]


def test_its_form_is_known_once_it_is_open() -> None:
    made = source()
    for look in (lambda: made.parameters, lambda: made.seconds, lambda: made.note, lambda: next(made)):
        with pytest.raises(UsageError, match="not open yet; use it inside `with` or `async with`"):
            look()
    with made, made:
        assert made.parameters == {"encoding": "linear16", "sample_rate": 1_000, "channels": 2}
        assert (made.seconds, made.note) == (0.5, "A note.")
    assert made.seconds == 0.5


def test_a_loop_opens_and_closes_it() -> None:
    feed = Blocks(FORM, bytes(400), bytes(400))
    for chunk in AudioSource(feed, frame_s=0.1):
        assert chunk == bytes(400)
        break
    assert feed.log == ["open", "block", "interrupt", "close"]


def test_an_async_loop_opens_and_closes_it() -> None:
    async def run() -> list[str]:
        feed = Blocks(FORM, bytes(400), bytes(400))
        async for chunk in AudioSource(feed, frame_s=0.1):
            assert chunk == bytes(400)
            break
        await until(lambda: "close" in feed.log)
        return feed.log

    assert asyncio.run(run()) == ["open", "block", "block", "interrupt", "close"]


def test_what_is_open_may_be_entered_again() -> None:
    async def run() -> Blocks:
        feed = Blocks(FORM, bytes(400))
        with AudioSource(feed, frame_s=0.1) as made:
            async with made as same:
                assert same is made
                assert [chunk async for chunk in made] == [bytes(400)]
        return feed

    assert asyncio.run(run()).log.count("open") == 1


@both
def test_it_is_read_once(chunks: ReadChunks) -> None:
    made = source(bytes(400))
    assert len(chunks(made)) == 1
    with pytest.raises(UsageError, match="was closed; it can be read only once"):
        chunks(made)
    with pytest.raises(UsageError, match="was closed"):
        iter(made)


@pytest.mark.parametrize("frame_s", [0, -1, 10.1, float("nan")])
def test_a_length_that_no_chunk_can_have_is_refused(frame_s: float) -> None:
    with pytest.raises(UsageError, match=f"frame_s is {frame_s}; it must be more than 0 and at most 10 s"):
        source(frame_s=frame_s)


def test_a_chunk_is_one_sample_at_least() -> None:
    assert sync_chunks(source(bytes(8), frame_s=0.0001)) == [bytes(4), bytes(4)]


@both
def test_in_real_time_a_chunk_comes_when_its_last_sample_was_spoken(
    chunks: ReadChunks,
) -> None:
    """However long the rest takes: what was due at a time comes at that time, so nothing adds up."""
    time = Time(reading_s=0.03)
    made = AudioSource(Blocks(FORM, bytes(400 * 50 + 200)), frame_s=0.1, realtime=True, clock=time.clock())
    assert len(chunks(made)) == 51
    assert time.now == pytest.approx(100.03 + 5.05)


@both
def test_a_late_reader_gets_what_is_overdue_at_once(chunks: ReadChunks) -> None:
    time = Time()
    made = AudioSource(Blocks(FORM, bytes(2_000)), frame_s=0.1, realtime=True, clock=time.clock())
    with made:
        next(made)
        time.now += 0.25
        assert len([next(made) for _ in range(4)]) == 4
    assert time.slept == pytest.approx([0.1, 0.05, 0.1])


def test_a_source_that_was_held_continues_at_its_pace_as_if_no_time_had_passed() -> None:
    time = Time()
    made = AudioSource(Blocks(FORM, bytes(2_000)), frame_s=0.1, realtime=True, clock=time.clock())
    with made:
        next(made)
        time.now += 0.03
        with made.held():
            time.now += 20.0
        assert len([next(made) for _ in range(3)]) == 3
    assert time.slept == pytest.approx([0.1, 0.07, 0.1, 0.1])


def test_a_source_that_is_held_before_its_first_chunk_begins_when_it_is_read() -> None:
    time = Time()
    made = AudioSource(Blocks(FORM, bytes(2_000)), frame_s=0.1, realtime=True, clock=time.clock())
    with made:
        with made.held():
            time.now += 20.0
        next(made)
    assert made.waits_in_pauses
    assert time.slept == pytest.approx([0.1])


@given(sizes=st.lists(st.integers(1, 500), min_size=1, max_size=20), lags=st.lists(st.floats(0, 3), min_size=20))
def test_no_chunk_is_early_and_no_lag_adds_up(sizes: list[int], lags: list[float]) -> None:
    pace, now, total = RealtimePacer(1_000), 7.0, 0
    for size, lag in zip(sizes, lags, strict=False):
        now += max(0.0, pace.wait_s(size, now))
        total += size
        assert now >= 7.0 + total / 1_000 - 1e-9
        pace.passed(size)
        now += lag
    assert pace.wait_s(1, now) == pytest.approx(7.0 + (total + 1) / 1_000 - now)


def test_the_next_block_is_read_while_one_is_used() -> None:
    async def run() -> None:
        waiting = threading.Event()
        feed = Blocks(FORM, bytes(400), waiting)
        async with AudioSource(feed, frame_s=0.1) as made:
            assert await anext(made) == bytes(400)
            assert await asyncio.to_thread(waiting.wait, 5)
        assert feed.log == ["open", "block", "block", "interrupt", "close"]

    asyncio.run(run())


def test_a_reader_that_gives_up_waiting_loses_nothing() -> None:
    async def run() -> None:
        go_on = threading.Event()

        class Slow(Blocks):
            def block(self) -> bytes:
                go_on.wait(5)
                return super().block()

        async with AudioSource(Slow(FORM, bytes(400), b"abcd"), frame_s=0.1) as made:
            await give_up(anext(made))
            go_on.set()
            assert [chunk async for chunk in made] == [bytes(400), b"abcd"]

    asyncio.run(run())


def test_a_reader_that_is_cancelled_while_pacing_loses_nothing() -> None:
    async def run() -> None:
        for_ever = asyncio.Event()

        async def never(_: float) -> None:
            await for_ever.wait()

        clock = SourceClock(lambda: 0.0, lambda _: None, never)
        async with AudioSource(Blocks(FORM, bytes(800)), frame_s=0.1, realtime=True, clock=clock) as made:
            await give_up(anext(made))
            for_ever.set()
            assert len([chunk async for chunk in made]) == 2

    asyncio.run(run())


def test_leaving_ends_a_read_that_waits() -> None:
    async def run() -> Blocks:
        waiting = threading.Event()
        feed = Blocks(FORM, waiting)
        async with AudioSource(feed, frame_s=0.1) as made:
            await give_up(anext(made))
            assert await asyncio.to_thread(waiting.wait, 5)
        return feed

    assert asyncio.run(run()).log == ["open", "block", "interrupt", "close"]


def test_another_thread_may_close_it() -> None:
    """The caller that waits for the next chunk gets the end, and the reading thread frees what the other must not."""
    waiting = threading.Event()
    feed = Blocks(FORM, bytes(400), waiting)
    with AudioSource(feed, frame_s=0.1) as made:
        assert next(made) == bytes(400)

        def close() -> None:
            if waiting.wait(5):
                made.close()

        closer = threading.Thread(target=close)
        closer.start()
        assert list(made) == []
        closer.join()
    assert feed.log == ["open", "block", "block", "interrupt", "close"]


def test_opening_can_be_given_up() -> None:
    async def run() -> Blocks:
        class Slow(Blocks):
            def open(self) -> AudioSpec:
                self.over.wait(5)
                return super().open()

        feed = Slow(FORM)
        await give_up(AudioSource(feed, frame_s=0.1).__aenter__())
        await asyncio.to_thread(_join)
        return feed

    feed = asyncio.run(run())
    assert feed.log == ["interrupt", "open", "close"]


def test_a_program_may_end_while_something_still_reads() -> None:
    go_on = threading.Event()

    async def run() -> None:
        run_in_thread(lambda: go_on.wait(5))

    asyncio.run(run())
    go_on.set()


def _join() -> None:
    for thread in threading.enumerate():
        if thread.name == "caesura-source":
            thread.join(5)


def test_chunks_are_ready_when_they_are_whole() -> None:
    chunks = Chunks(6, 4)
    chunks.put(b"abcde")
    assert chunks.ready == 0
    chunks.put(b"fgh")
    assert (chunks.ready, chunks.take(), chunks.ready) == (6, b"abcdef", 0)
    chunks.put(b"ijk")
    chunks.put(b"")
    assert (chunks.ready, chunks.take(), chunks.ready) == (4, b"ghij", 0)
