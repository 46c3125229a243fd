"""A line for callers with an event loop: its lifetime, events, sources and errors."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import socket
import threading
import wave
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import caesura
from caesura import Faults, Tuning
from caesura.client import finish_deadline
from caesura.client import line as line_module
from caesura.client.background_loop import shared_loop
from caesura.client.event_queue import EventQueue
from caesura.client.events import Accepted, Buffered, Closed, Dropped, Event, Final, Gap, Interim, Paused, Resumed
from caesura.client.line import Line, connect
from caesura.client.source_admission import PULL_S
from caesura.client.sources import SourceClock
from caesura.errors import BadCredentials, ConnectionClosedByServer, ReconnectFailed, Unreachable, UsageError
from caesura.testing import Close, FakeServer
from tests.client.fake_transports import FakeOpener
from tests.client.lines import BEAT_S, PATIENCE_S, VOICE, placed, spoken
from tests.waiting import until

# Real sockets and real clocks: together they take too long for `make check`.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("at_once")]

WORDS = ("good", "morning", "thank", "you")
PAUSE = VOICE.silence(0.5)


def chunks(audio: bytes, size: int = 3200) -> list[bytes]:
    """A tenth of a second each."""
    return [audio[at : at + size] for at in range(0, len(audio), size)]


def run(test: Callable[[FakeServer], Awaitable[None]], server: FakeServer | None = None) -> None:
    """Runs a test beside a fake server, and sees to it that no task is left when it is over."""

    async def go() -> None:
        await test(running)
        gc.collect()
        await until(lambda: len(asyncio.all_tasks()) == 1)

    with server or FakeServer(VOICE) as running:
        asyncio.run(go(), debug=False)


async def seen(server: FakeServer, condition: Callable[[], bool]) -> None:
    """Wait beside the loop until the server has seen that."""
    await asyncio.to_thread(lambda: server.wait(condition, within_s=PATIENCE_S))


async def gathered(collected: list[Event], events: AsyncIterable[Event]) -> None:
    """Adds all of them to `collected`, and raises what comes behind them."""
    async for event in events:
        collected.append(event)  # noqa: PERF401  # what came before an error is wanted too


async def events(line: Line) -> list[Event]:
    """All of them up to the end, without its error."""
    collected: list[Event] = []
    with contextlib.suppress(caesura.CaesuraError):
        await gathered(collected, line)
    return collected


# ---- beginning ----


def test_a_line_that_is_not_open_says_how_to_open_it() -> None:
    line = connect()
    uses: list[Callable[[], object]] = [
        lambda: line.send(b""),
        line.pause,
        line.resume,
        line.finalize,
        lambda: line.stats,
        lambda: line.is_paused,
        lambda: line.is_connected,
        lambda: line.waiting_s,
        lambda: line.timeline,
    ]
    for use in uses:
        with pytest.raises(UsageError, match="not open yet: enter it first"):
            use()


def test_awaiting_or_iterating_over_a_line_that_is_not_open_does_not_wait_for_ever() -> None:
    async def go() -> None:
        line = connect()
        with pytest.raises(UsageError, match="not open yet"):
            await line.finish()
        with pytest.raises(UsageError, match="not open yet"):
            async for _ in line:
                pass
        with pytest.raises(UsageError, match="not open yet"):
            async for _ in line.transcribe([b"\0\0"]):
                pass

    asyncio.run(go())


def test_connecting_starts_nothing() -> None:
    before = threading.enumerate()
    connect("ws://127.0.0.1:1")
    assert threading.enumerate() == before


def test_a_line_opens_once() -> None:
    async def test(server: FakeServer) -> None:
        line = connect(server.url)
        async with line:
            with pytest.raises(UsageError, match="opened once only; connect again"):
                async with line:
                    pass
        with pytest.raises(UsageError, match="opened once only"):
            await line

    run(test)


def test_a_line_can_be_awaited_and_finished_by_hand() -> None:
    async def test(server: FakeServer) -> None:
        line = await connect(server.url)
        line.send(VOICE.say("good"))
        assert (await line.finish()).text == "good"

    run(test)


def test_where_nothing_listens_the_error_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{taken.getsockname()[1]}"

        async def go() -> None:
            line = connect(url, tuning=Tuning(open_within_s=0))
            with pytest.raises(Unreachable) as caught:
                async with line:
                    pass
            text = str(caught.value)
            assert text.startswith(f"Nothing listens at {url} (ConnectionRefusedError: ")
            assert text.endswith("Start a server there with `caesura serve`, or name another address.")
            assert (await line.finish()).error is caught.value
            assert [type(event) for event in await events(line)] == [caesura.Stats, Closed]

        asyncio.run(go())


def test_a_server_that_is_not_ready_yet_is_tried_again() -> None:
    async def test(server: FakeServer) -> None:
        server.refuse(503)
        line = connect(server.url, tuning=Tuning(open_within_s=PATIENCE_S))
        opening = asyncio.ensure_future(line.__aenter__())
        async with asyncio.timeout(PATIENCE_S):
            async for event in _collected(line):
                assert isinstance(event, caesura.Reconnecting)
                break
        await opening
        assert line.is_connected
        await line.finish()

    run(test)


async def _collected(line: Line) -> AsyncIterator[Event]:
    """The events of a line that is being opened by another task."""
    await asyncio.sleep(0)
    async for event in line:
        yield event


def test_cancelling_the_opening_cuts_the_attempt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> bytes:
            with listener.accept()[0] as peer:
                peer.settimeout(PATIENCE_S)
                head = peer.recv(65536)
                accepted.set()
                with contextlib.suppress(ConnectionResetError):
                    assert peer.recv(65536) == b""
                return head

        accepted = threading.Event()

        async def go() -> None:
            answering = asyncio.create_task(asyncio.to_thread(accept))
            line = connect(f"ws://127.0.0.1:{listener.getsockname()[1]}", tuning=Tuning(open_within_s=600))
            opening = asyncio.ensure_future(line.__aenter__())
            await asyncio.to_thread(accepted.wait, PATIENCE_S)
            opening.cancel()
            with pytest.raises(asyncio.CancelledError):
                await opening
            assert (await answering).startswith(b"GET /v1/listen?")
            assert (await line.finish()).error is None
            assert isinstance(line.send(b"\0\0"), Dropped)

        asyncio.run(go())


# ---- ending ----


def test_leaving_the_context_drains() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            line.send(VOICE.say("good", "morning"))
        result = await line.finish()
        assert placed(result) == spoken("good", "morning")
        assert result.complete
        await seen(server, lambda: server.connections[0].closed == Close(1000, ""))

    run(test)


def test_leaving_by_an_exception_drains_and_raises_it() -> None:
    async def test(server: FakeServer) -> None:
        line = connect(server.url)

        async def fail() -> None:
            async with line:
                line.send(VOICE.say("good", "morning"))
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        assert (await line.finish()).text == "good morning"

    run(test)


def test_after_the_end_audio_is_dropped_and_not_taken() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            await line.finish()
            assert line.send(VOICE.silence(0.25)) == Dropped(250.0, "the line is closed")
            line.pause()
            line.resume()
            line.finalize()
            assert not line.is_connected

    run(test)


def test_cancelling_one_finish_does_not_cancel_others() -> None:
    async def test(server: FakeServer) -> None:
        server.mute()
        async with connect(server.url) as line:
            line.send(VOICE.say("good", "morning"))
            waiting = asyncio.create_task(line.finish(PATIENCE_S))
            await seen(server, lambda: "CloseStream" in server.connections[0].types)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            server.unmute()
            assert (await line.finish()).text == "good morning"

    run(test)


def test_a_server_that_is_not_done_in_time_is_left_and_the_rest_is_reported_lost() -> None:
    async def test(server: FakeServer) -> None:
        server.mute()
        async with connect(server.url) as line:
            line.send(VOICE.say("good", "morning"))
            result = await line.finish(0.01)
            assert "not done 0.01 s after the end of the audio" in str(result.error)
            assert not result.complete
            assert [(gap.start, gap.end) for gap in result.gaps] == [(0.0, 0.8)]
            assert result.stats.lost_s == 0.8

    run(test)


def test_waiting_without_end_for_the_end_is_possible() -> None:
    async def test(server: FakeServer) -> None:
        server.mute()
        async with connect(server.url) as line:
            line.send(VOICE.say("good"))
            waiting = asyncio.create_task(line.finish(float("inf")))
            await seen(server, lambda: "CloseStream" in server.connections[0].types)
            assert isinstance(line.send(VOICE.say("morning")), Dropped)
            server.unmute()
            assert (await waiting).text == "good"

    run(test)


# ---- events ----


def test_events_come_in_order_and_closed_is_the_last_one() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, interim_results=True, vad_events=True, utterance_end_ms=1000) as line:
            line.send(VOICE.say("good", "morning") + VOICE.silence(1.5))
            await line.finish()
            collected = [type(event).__name__ for event in await events(line) if not isinstance(event, Interim)]
        assert collected == ["SpeechStarted", "Final", "UtteranceEnd", "Final", "Stats", "Closed"]

    run(test)


def test_iteration_raises_the_error_behind_closed() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            server.close(1008, "DATA-0000")
            collected: list[Event] = []
            with pytest.raises(ConnectionClosedByServer, match="DATA-0000") as caught:
                await gathered(collected, line)
            assert isinstance(collected[-1], Closed)
            assert collected[-1].error is caught.value
            assert (await line.finish()).error is caught.value

    run(test)


def test_an_outage_that_lasts_too_long_ends_the_line() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, tuning=Tuning(retry_for_s=0.05)) as line:
            server.stop()
            with pytest.raises(ReconnectFailed) as caught:
                async for _ in line:
                    pass
            assert isinstance(caught.value.__cause__, caesura.CaesuraError)

    run(test)


def test_iterating_again_after_the_end_ends_again_and_does_not_hang() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            await line.finish()
            assert isinstance((await events(line))[-1], Closed)
            assert await events(line) == [Closed(1000, "")]
        async with connect(server.url) as line:
            server.close(1008)
            for _ in range(3):
                with pytest.raises(ConnectionClosedByServer):
                    async for _ in line:
                        pass

    run(test)


def test_each_event_goes_to_one_reader_and_closed_to_all() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            iterations = [asyncio.create_task(events(line)) for _ in range(3)]
            for word in WORDS:
                line.send(VOICE.say(word) + PAUSE)
            await line.finish()
            collected = [await each for each in iterations]
        assert [each[-1] for each in collected] == [Closed(1000, "")] * 3
        finals = [event.text for each in collected for event in each if isinstance(event, Final) and event.text]
        assert sorted(finals) == sorted(WORDS)

    run(test)


def test_an_iteration_that_is_cancelled_loses_no_event(monkeypatch: pytest.MonkeyPatch) -> None:
    class WatchedQueue(EventQueue):
        def take(self, wake: Callable[[], None]) -> Event | None:
            waiting_for.add(wake)
            return super().take(wake)

        def cancel_wake(self, wake: Callable[[], None]) -> None:
            waiting_for.discard(wake)
            super().cancel_wake(wake)

    waiting_for: set[Callable[[], None]] = set()
    monkeypatch.setattr(line_module, "EventQueue", WatchedQueue)

    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            for _ in range(3):
                waiting = asyncio.create_task(events(line))
                await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting
            assert not waiting_for
            line.send(VOICE.say("good") + PAUSE)
            async for event in line:
                assert isinstance(event, Final)
                break
            await line.finish()

    run(test)


def test_events_that_are_not_read_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_module, "EventQueue", lambda: EventQueue(limit=3))

    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            for word in WORDS * 5:
                line.send(VOICE.say(word) + PAUSE)
            result = await line.finish()
            assert len(result.words) == 20
            assert result.stats.events_dropped == line.stats.events_dropped > 0
            assert len(await events(line)) == 3

    run(test)


# ---- transcribing ----


async def asynchronous(audio: Iterable[bytes]) -> AsyncIterator[bytes]:
    for chunk in audio:
        yield chunk
        await asyncio.sleep(0)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("make", [list, tuple, iter, asynchronous])
def test_any_iterable_is_transcribed(make: Callable[[list[bytes]], Iterable[bytes]], live: bool) -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=live) as line:
            audio = make(chunks(VOICE.say(*WORDS)))
            collected = [event async for event in line.transcribe(audio)]
            assert isinstance(collected[-1], Closed)
            words = tuple(word for event in collected if isinstance(event, Final) for word in event.words)
            assert placed(words) == placed(await line.finish()) == spoken(*WORDS)

    run(test)


def test_a_plain_source_may_block_without_blocking_the_loop() -> None:
    async def test(server: FakeServer) -> None:
        heard = threading.Event()

        def audio() -> Iterator[bytes]:
            yield VOICE.say("good") + PAUSE
            assert heard.wait(PATIENCE_S)
            yield VOICE.say("morning")

        async with connect(server.url) as line:
            async for event in line.transcribe(audio()):
                if isinstance(event, Final):
                    heard.set()
            assert (await line.finish()).text == "good morning"

    run(test)


@pytest.mark.parametrize("make", [iter, asynchronous])
def test_what_a_source_raises_is_raised_behind_the_last_event(
    make: Callable[[Iterable[bytes]], Iterable[bytes]],
) -> None:
    def audio() -> Iterator[bytes]:
        yield VOICE.say("good")
        raise ZeroDivisionError

    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            collected: list[Event] = []
            with pytest.raises(ZeroDivisionError):
                await gathered(collected, line.transcribe(make(audio())))
            assert isinstance(collected[-1], Closed)
            assert (await line.finish()).text == "good"

    run(test)


def test_audio_that_is_a_file_is_refused_where_the_events_are_taken() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            with pytest.raises(UsageError, match="a WAV file, not raw linear16"):
                async for _ in line.transcribe([b"RIFF1234WAVEfmt "]):
                    pass

    run(test)


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("make", [iter, asynchronous])
def test_leaving_the_loop_early_ends_the_feeding_and_leaves_nothing_behind(
    make: Callable[[Iterable[bytes]], Iterable[bytes]], live: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def endless() -> Iterator[bytes]:
        breath = threading.Event()
        while not breath.wait(0.001):
            yield VOICE.say("good") + PAUSE

    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=live) as line:
            async for event in line.transcribe(make(endless())):
                if isinstance(event, Final):
                    break
            result = await line.finish(PATIENCE_S)
            assert result.words

    run(test)
    assert not caplog.records


@pytest.mark.parametrize("make", [iter, asynchronous])
def test_an_error_of_the_source_after_leaving_the_loop_is_ignored(
    make: Callable[[Iterable[bytes]], Iterable[bytes]], caplog: pytest.LogCaptureFixture
) -> None:
    def audio() -> Iterator[bytes]:
        yield VOICE.say("good") + PAUSE
        raise ZeroDivisionError

    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            async for event in line.transcribe(make(audio())):
                if isinstance(event, Final):
                    break

    run(test)
    assert not caplog.records


def test_a_source_that_blocks_for_ever_does_not_keep_the_program_from_ending() -> None:
    never = threading.Event()

    def audio() -> Iterator[bytes]:
        yield VOICE.say("good") + PAUSE
        never.wait()

    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            async for event in line.transcribe(audio()):
                if isinstance(event, Final):
                    break

    run(test)  # asyncio.run would wait for the threads of an executor
    never.set()


def test_cancelling_transcribe_ends_the_source_too() -> None:
    closed = []

    async def audio() -> AsyncIterator[bytes]:
        try:
            yield VOICE.say("good")
            await asyncio.Event().wait()
        finally:
            closed.append(True)

    async def test(server: FakeServer) -> None:
        async def transcribe() -> None:
            async with connect(server.url) as line:
                async for _ in line.transcribe(audio()):
                    pass

        working = asyncio.create_task(transcribe())
        await seen(server, lambda: bool(server.connections) and server.connections[0].seconds > 0)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert closed == [True]
        assert "CloseStream" in server.connections[0].types

    run(test)


def test_a_connection_that_ends_for_good_ends_the_transcribing() -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield VOICE.say("good")
            await asyncio.sleep(0.001)

    async def test(server: FakeServer) -> None:
        server.after(2.0, lambda: server.close(1008, "DATA-0000"))
        async with connect(server.url) as line:
            with pytest.raises(ConnectionClosedByServer, match="DATA-0000"):
                async for _ in line.transcribe(endless()):
                    pass

    run(test)


def test_a_recording_is_opened_declared_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(VOICE.say(*WORDS))

    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=False) as line:
            source = caesura.recording(path)
            async for _ in line.transcribe(source):
                pass
            assert placed(await line.finish()) == spoken(*WORDS)
        async with connect(server.url, live=False, sample_rate=8_000) as line:
            with pytest.raises(UsageError, match=r"connect\(encoding='linear16', sample_rate=16000, channels=1\)"):
                async for _ in line.transcribe(caesura.recording(path)):
                    pass

    run(test)


# ---- recordings wait ----


def test_a_recording_is_read_no_further_than_the_server_takes_it() -> None:
    read = []

    def audio() -> Iterator[bytes]:
        for second in range(60):
            read.append(second)
            yield VOICE.silence(1.0)

    async def go() -> None:
        opener = FakeOpener(takes=False)
        async with connect(live=False, tuning=Tuning(opener=opener)) as line:
            collected = asyncio.create_task(_all(line.transcribe(audio())))
            await until(lambda: line.waiting_s >= PULL_S - 0.6)
            for _ in range(100):
                await asyncio.sleep(0)
            assert len(read) <= 4  # a part is on its way into the socket, two seconds wait, one second is held
            opener.made[0].take()
            await asyncio.to_thread(opener.wait, lambda: '{"type":"CloseStream"}' in opener.made[0].texts)
            opener.made[0].say('{"type":"Metadata","duration":60.0}')
            await collected
            assert opener.made[0].audio == VOICE.silence(60.0)
            assert not (await line.finish()).gaps

    asyncio.run(go())


async def _all(collected: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in collected]


def test_a_recording_in_one_chunk_that_is_longer_than_what_is_kept_loses_nothing() -> None:
    audio = b"".join(VOICE.say(*WORDS) + PAUSE for _ in range(30))
    seconds = len(audio) / 32_000

    async def test(server: FakeServer) -> None:
        assert seconds > 60
        async with connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:
            async for event in line.transcribe([audio]):
                assert not isinstance(event, Gap)
            result = await line.finish()
            assert result.complete
            assert result.stats.captured_s == pytest.approx(seconds)
            assert len(result.words) == 30 * len(WORDS)

    run(test)


def test_a_pause_holds_the_reading_of_a_recording_and_drops_none_of_it() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=False) as line:

            async def audio() -> AsyncIterator[bytes]:
                for number, chunk in enumerate(chunks(VOICE.say(*WORDS))):
                    if number == 6:
                        line.pause()
                    yield chunk

            before = len(VOICE.silence(0.6))
            async for event in line.transcribe(audio()):
                if isinstance(event, Final) and line.is_paused:
                    assert event.from_finalize
                    assert len(server.connections[0].audio) == before
                    line.resume()
            result = await line.finish()
            assert server.connections[0].audio == VOICE.say(*WORDS)
            assert result.stats.skipped_s == 0
            assert result.complete

    run(test)


def test_a_pause_that_comes_between_waiting_for_room_and_sending_drops_nothing() -> None:
    """Room is there and the sender that waited for it is about to continue when the line is paused."""

    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=False) as line:
            line.pause()

            async def audio() -> AsyncIterator[bytes]:
                yield VOICE.say("good")

            events = asyncio.create_task(_all(line.transcribe(audio())))
            await asyncio.sleep(0)
            line.resume()
            notified = threading.Event()
            shared_loop().call_soon_threadsafe(notified.set)
            assert notified.wait(PATIENCE_S)  # the line's loop has seen the room; this one has run nothing since
            line.pause()
            await asyncio.sleep(0.01)
            line.resume()
            await events
            result = await line.finish()
            assert result.text == "good"
            assert result.stats.skipped_s == 0

    run(test)


def test_a_live_line_drops_what_does_not_fit_and_reports_it(all_is_live: None) -> None:
    async def go() -> None:
        opener = FakeOpener(takes=False)
        async with connect(tuning=Tuning(opener=opener, keep_s=2.0)) as line:
            line.send(VOICE.silence(0.5))
            await until(lambda: line.waiting_s == 0.25)  # the rest is on its way into the socket
            answers = [line.send(VOICE.silence(0.5)) for _ in range(9)]
            assert answers[1] == Buffered(1250.0)
            dropped = sum(answer.ms for answer in answers if isinstance(answer, Dropped))
            assert line.waiting_s <= 2.5
            result = await line.finish(0.0)
            (gap,) = (gap for gap in result.gaps if gap.why.startswith("no room"))
            assert (gap.start, gap.seconds * 1000) == (0.25, dropped)
            assert 2000 < dropped < 3000
            assert result.stats.lost_s == 5.0  # all of it: no final ever came
            assert not result.complete
            assert f"{gap.seconds:.3f} s of audio was lost: no room: 2 s of audio were waiting." in result.reason

    asyncio.run(go())


def test_a_long_outage_is_one_gap_and_not_one_for_each_frame(
    all_is_live: None, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, tuning=Tuning(keep_s=1.0, replay_speed=100.0)) as line:
            server.stop()
            async for event in line:
                if isinstance(event, caesura.Reconnecting):
                    break
            for _ in range(1000):
                line.send(VOICE.silence(0.02))
            server.start()
            result = await line.finish(PATIENCE_S)
            collected = [event for event in await events(line) if isinstance(event, Gap)]
        assert len(result.gaps) == 1
        assert sum(gap.seconds for gap in collected) == pytest.approx(result.stats.lost_s)
        assert 18.0 < result.stats.lost_s < 20.0

    run(test)
    assert [record.levelname for record in caplog.records if "audio is being lost" in record.message] == ["WARNING"]


def test_a_server_that_reads_slowly_holds_up_no_caller() -> None:
    audio = VOICE.say(*WORDS)

    async def go() -> None:
        opener = FakeOpener(takes=False)
        async with connect(tuning=Tuning(opener=opener)) as line:
            answers = [line.send(chunk) for chunk in chunks(audio)]
            assert all(isinstance(answer, Accepted | Buffered) for answer in answers)
            waiting = [answer.ms for answer in answers if isinstance(answer, Buffered)]
            assert waiting == sorted(waiting)
            opener.made[0].take()
            await asyncio.to_thread(opener.wait, lambda: opener.made[0].audio == audio)
            await line.finish(0.0)

    asyncio.run(go())


# ---- what is sent ----


def test_audio_may_be_any_bytes_in_chunks_of_any_size() -> None:
    async def test(server: FakeServer) -> None:
        audio = VOICE.say(*WORDS)
        async with connect(server.url) as line:
            for at in range(0, len(audio), 1001):
                piece = bytearray(audio[at : at + 1001])
                line.send((piece, memoryview(bytes(piece)), bytes(piece))[at % 3])
                piece[:] = bytes(len(piece))  # it was copied
            assert placed(await line.finish()) == spoken(*WORDS)
        assert server.connections[0].audio == audio

    run(test)


@pytest.mark.parametrize("audio", [5, "audio", [1, 2], None])
def test_what_is_no_bytes_is_refused(audio: bytes) -> None:
    async def go() -> None:
        async with connect(tuning=Tuning(opener=FakeOpener())) as line:
            with pytest.raises(TypeError):
                line.send(audio)
            await line.finish(0.0)

    asyncio.run(go())


def test_a_capture_clock_of_ones_own_places_audio_and_cannot_go_back() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            line.send(VOICE.say("good"), at=1.0)
            line.send(VOICE.say("morning"), at=7.0)
            with pytest.raises(UsageError, match="at=3 goes back"):
                line.send(VOICE.say("you"), at=3.0)
            result = await line.finish()
        assert placed(result) == [("good", 1.0, 1.3), ("morning", 7.0, 7.3)]

    run(test)


def test_audio_of_a_pause_is_skipped_and_the_words_behind_it_are_in_their_place() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            line.send(VOICE.say("good"))
            line.pause()
            line.pause()
            assert line.is_paused
            assert line.send(VOICE.say("thank", "you")) == Dropped(800.0, "paused")
            line.resume()
            line.resume()
            line.send(VOICE.say("morning"))
            result = await line.finish()
            collected = await events(line)
        assert result.text == "good morning"
        assert result.words[1].source_start is not None
        assert result.words[1].source_start >= 3 * BEAT_S - 0.001
        assert result.stats.skipped_s == 0.8
        assert result.complete
        assert [type(event) for event in collected if isinstance(event, Paused | Resumed)] == [Paused, Resumed]
        assert [word.text for word in VOICE.hear(server.connections[0].audio)] == ["good", "morning"]

    run(test)


def test_packets_are_messages_of_their_own_however_fast_they_come() -> None:
    packets = [bytes([0xFC, number]) * (number + 5) for number in range(20)]

    async def go() -> None:
        opener = FakeOpener(takes=False)
        async with connect(encoding="opus", sample_rate=48_000, tuning=Tuning(opener=opener)) as line:
            for packet in packets:
                line.send(packet)
            opener.made[0].take()
            await asyncio.to_thread(opener.wait, lambda: len(opener.made[0].sent) == len(packets))
            assert opener.made[0].sent == packets
            await line.finish(0.0)

    asyncio.run(go())


def test_the_parameters_of_the_wire_are_in_the_address_and_the_key_is_in_a_header() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, key="sesame", model="nova-3", interim_results=True, tag=["a", "b"]):
            pass
        async with connect(server.url, token="sesame", tuning=Tuning(headers={"X-Mine": "1"})):
            pass
        first, second = (connection.request for connection in server.connections)
        assert first.query == {
            "encoding": ("linear16",),
            "sample_rate": ("16000",),
            "channels": ("1",),
            "model": ("nova-3",),
            "interim_results": ("true",),
            "tag": ("a", "b"),
        }
        assert (first.path, first.authorization) == ("/v1/listen", "Token sesame")
        assert (second.authorization, second.headers["X-Mine"]) == ("Bearer sesame", "1")

    run(test)


def test_a_transport_of_ones_own_takes_the_place_of_the_address() -> None:
    async def go() -> None:
        opener = FakeOpener()
        async with connect("ws://nobody.invalid", tuning=Tuning(opener=opener)) as line:
            assert line.is_connected
            line.send(VOICE.say("good"))
            await asyncio.to_thread(opener.wait, lambda: opener.made[0].audio == VOICE.say("good"))
            assert line.stats.request_ids == ("made-by-hand",)
            await line.finish(0.0)

    asyncio.run(go())


# ---- what it knows ----


def test_a_line_has_its_state() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url) as line:
            assert line.is_connected
            assert not line.is_paused
            line.send(VOICE.say("good", "morning"))
            await seen(server, lambda: server.connections[0].seconds == 0.8)
            assert line.waiting_s == 0
            assert line.timeline is not None
            assert line.timeline.stream_samples == 0.8 * 16_000
            result = await line.finish()
            assert result.stats.audio_sent_s == result.stats.captured_s == result.stats.provider_s == 0.8
            assert result.stats.request_ids == (server.connections[0].request_id,)
            assert line.stats.connections == 1

    run(test)


def test_a_container_has_no_timeline() -> None:
    async def go() -> None:
        async with connect(encoding=None, tuning=Tuning(opener=FakeOpener())) as line:
            assert line.timeline is None
            await line.finish(0.0)

    asyncio.run(go())


# ---- secrets ----

SECRET = "a-key-that-nobody-may-see"


def test_a_key_is_in_no_representation() -> None:
    line = connect("ws://127.0.0.1:1", key=SECRET, tuning=Tuning(headers={"X-Key": SECRET}))
    assert SECRET not in repr(line) + str(line) + repr(Tuning(headers={"X-Key": SECRET}))


def test_a_key_is_in_no_log_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def test(server: FakeServer) -> None:
        tuning = Tuning(headers={"X-Key": SECRET}, open_within_s=0)
        async with connect(server.url, key=SECRET, tuning=tuning) as line:
            line.send(VOICE.say("good"))
        server.refuse(401)
        with pytest.raises(BadCredentials) as refused:
            async with connect(server.url, token=SECRET, tuning=tuning):
                pass
        server.stop()
        with pytest.raises(Unreachable) as unreachable:
            async with connect(server.url.replace("//", f"//user:{SECRET}@"), key=SECRET, tuning=tuning):
                pass
        for caught in (refused, unreachable):
            assert SECRET not in str(caught.value) + repr(caught.value)

    caplog.set_level(logging.DEBUG)
    logging.getLogger("websockets.server").setLevel(logging.INFO)  # the fake server's, which may
    try:
        run(test)
    finally:
        logging.getLogger("websockets.server").setLevel(logging.NOTSET)
    assert "Authorization: (hidden)" in caplog.text
    assert "X-Key: (hidden)" in caplog.text
    assert SECRET not in caplog.text


@pytest.mark.parametrize("secret", ["with a space", "with\nnewline", "naïve"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(secret: str) -> None:
    with pytest.raises(UsageError) as caught:
        connect(key=secret)
    assert secret not in str(caught.value)


def test_simulated_faults_need_no_server_that_fails() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, faults=Faults(refuse=(503,), drop_after_s=0.1)) as line:
            async for event in line:
                if isinstance(event, caesura.Reconnected):
                    break
            line.send(VOICE.say("good"))
            assert (await line.finish()).text == "good"
        assert len(server.connections) == 2

    run(test)


# ---- a recording on a line ----


def test_a_recording_that_can_wait_is_refused_by_a_live_line_and_says_what_to_do(tmp_path: Path) -> None:
    """The line would drop what finds no room, and an hour of a lecture does not find any."""
    file = tmp_path / "talk.raw"
    file.write_bytes(VOICE.say("good", "morning"))

    async def go(**how: Any) -> caesura.Transcript:
        talk = caesura.recording(file, encoding="linear16", sample_rate=16_000, realtime=how.pop("realtime", False))
        async with caesura.connect(server.url, **how) as line:
            async for _ in line.transcribe(talk):
                pass
            return await line.finish()

    with FakeServer(VOICE) as server:
        with pytest.raises(caesura.UsageError, match=r"connect\(live=False, \.\.\.\), or recording"):
            asyncio.run(go())
        assert asyncio.run(go(live=False)).text == "good morning"
        assert asyncio.run(go(realtime=True)).text == "good morning"


@pytest.mark.parametrize("live", [True, False])
def test_leaving_the_context_waits_as_long_as_the_audio_without_a_final_needs(
    live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may process no faster than real time. The grace period is such that the test takes half a second."""
    monkeypatch.setattr(finish_deadline, "RECORDING_FINISH_S", 0.5 - 25.0)

    async def go() -> caesura.Transcript:
        async with caesura.connect(live=live, tuning=Tuning(opener=FakeOpener())) as line:
            for _ in range(25):
                await line.send(VOICE.silence(1.0))
            assert line.unheard_s == 25.0
        return await line.finish()

    assert str(asyncio.run(go()).error) == "The server was not done 0.5 s after the end of the audio."


# ---- what can wait is awaited ----

SECOND = VOICE.silence(1.0)


def test_awaiting_send_waits_for_room_and_gives_the_same_answer() -> None:
    async def go() -> None:
        opener = FakeOpener(takes=False)
        async with connect(live=False, tuning=Tuning(opener=opener)) as line:
            for _ in range(2):
                assert isinstance(await line.send(SECOND), Accepted | Buffered)
            last = line.send(SECOND)
            waiting = asyncio.ensure_future(_awaited(last))
            for _ in range(100):
                await asyncio.sleep(0)
            assert not waiting.done()
            opener.made[0].take()
            assert await waiting == last
            assert isinstance(last, Buffered)
            await line.finish(0.0)

    asyncio.run(go())


async def _awaited(sent: caesura.Sent) -> caesura.Sent:
    return await sent


def test_sending_without_await_raises_when_there_is_no_room_and_nothing_is_dropped() -> None:
    async def test(server: FakeServer) -> None:
        server.mute()
        async with connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:
            taken = 75
            for _ in range(taken):
                line.send(VOICE.say("good"))
            with pytest.raises(UsageError, match=r"await line\.send\(\.\.\.\)"):
                line.send(VOICE.say("good"))
            server.unmute()
            result = await line.finish()
            assert result.complete
            assert len(result.words) == taken

    run(test)


@pytest.mark.parametrize("live", [True, False])
def test_a_file_in_one_send_arrives_whole(live: bool) -> None:
    audio = b"".join(VOICE.say(*WORDS) for _ in range(45))

    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=live, tuning=Tuning(keep_s=30.0)) as line:
            await line.send(audio)
            await line.send(VOICE.say("yes"))
            result = await line.finish()
            assert result.complete, result.reason
            assert [word.text for word in result.words] == [*WORDS * 45, "yes"]

    run(test)
    assert len(audio) > 60 * 32_000


def test_several_senders_wait_and_none_is_mixed_with_another() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:

            async def send(word: str) -> None:
                for _ in range(3):
                    await line.send(VOICE.say(*[word] * 40))

            await asyncio.gather(*map(send, WORDS))
            result = await line.finish()
            assert result.complete, result.reason
            words = [word.text for word in result.words]
            runs = [words[at : at + 40] for at in range(0, len(words), 40)]
            assert all(len(set(run)) == 1 for run in runs)
            assert sorted(run[0] for run in runs) == sorted(WORDS * 3)

    run(test)


def test_cancelling_a_send_that_waits_for_room_loses_nothing() -> None:
    async def test(server: FakeServer) -> None:
        server.mute()
        async with connect(server.url, live=False, tuning=Tuning(keep_s=30.0)) as line:
            sending = asyncio.ensure_future(_awaited(line.send(VOICE.say(*WORDS * 30))))
            await asyncio.sleep(0)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            server.unmute()
            assert len((await line.finish()).words) == 30 * len(WORDS)

    run(test)


def test_while_one_waits_for_room_others_run() -> None:
    async def test(server: FakeServer) -> None:
        async with connect(server.url, live=False) as line:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0)

            ticking = asyncio.create_task(tick())
            for _ in range(10):
                before = ticks
                await line.send(VOICE.say("good"))
                assert ticks > before
            ticking.cancel()
            await line.finish()

    run(test)


# ---- a recording at the speed of speech ----


class Played:
    """A clock for sources that only their own waiting moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


def test_a_pause_makes_a_recording_at_the_speed_of_speech_stand_still(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "talk.raw"
    file.write_bytes(VOICE.say(*WORDS))
    played = Played()
    clock = SourceClock(played.now, played.sleep, played.sleep_async)
    monkeypatch.setattr("caesura.client.sources.SourceClock", lambda: clock)

    async def test(server: FakeServer) -> None:
        talk = caesura.recording(file, encoding="linear16", sample_rate=16_000, realtime=True)
        async with connect(server.url) as line:
            collected = line.transcribe(talk)
            pausing = asyncio.create_task(_all(collected))
            while line.stats.captured_s < 0.79:  # between two words
                await asyncio.sleep(0)
            line.pause()
            await seen(server, lambda: "Finalize" in server.connections[0].types)
            for _ in range(100):
                await asyncio.sleep(0)
            at, captured = played.at, line.stats.captured_s
            played.at += 100.0  # the pause
            line.resume()
            await pausing
            result = await line.finish()
            assert result.complete, result.reason
            assert placed(result) == spoken(*WORDS)
            assert result.stats.skipped_s == 0
            assert server.connections[0].audio == VOICE.say(*WORDS)
            assert at <= captured + 0.1 + 1e-6  # one chunk was read when the pause began, and no more
            assert played.at == pytest.approx(1.6 + 100.0)  # what came behind it was not played any faster

    run(test)


def test_a_name_that_nearly_is_a_parameter_is_warned_about_where_it_was_written() -> None:
    with pytest.warns(UserWarning, match=r"is no parameter.*did you mean '(smart_format|interim_results)'") as caught:
        connect("ws://127.0.0.1:1?smart-format=true", interim_result=True, tier="base", foo=1)
    assert [warning.filename for warning in caught] == [__file__] * 2
    assert [str(warning.message).split()[0] for warning in caught] == ["'smart-format'", "'interim_result'"]
