"""One connection's audio: real bytes and the real audio thread, with a pool and a voice detector simulated here.

Audio is 16 kHz linear16; a loud sample is voice to the detector, and words are written for places on the stream.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Iterator, Sequence
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from caesura.audio.format import AudioFormat, Encoding
from caesura.audio.stream import AudioStream
from caesura.engines.base import Samples, SegmentJob
from caesura.engines.scripted import ScriptedEngine
from caesura.engines.streaming import FeedJob
from caesura.errors import BadAudio
from caesura.events import AudioFound, AudioRefused, Drained, EngineFailed, SpeechBegan, StreamEvent, TranscriptSegment
from caesura.formatting.style import Style
from caesura.pipeline import stream_decoder
from caesura.pipeline.recognizer import RecognitionConfig
from caesura.pipeline.segmented import SegmentedRecognizer
from caesura.pipeline.stream import MAX_SILENCE_S, ROOM_S, Stream
from caesura.pipeline.stream_decoder import TURN_AUDIO_S
from caesura.pipeline.stream_input import ROOM_BYTES
from caesura.speech.diarizer import Diarizer
from caesura.speech.vad import SileroModel, load_silero
from caesura.words import Word
from caesura.workers.base import Deliver, JobLost
from tests.encodings import encode
from tests.flac import silence as dense_silence
from tests.recordings import path
from tests.watched_audio_thread import WatchedAudioThread

MONO = AudioFormat(Encoding.LINEAR16, 16_000, 1)
CONTAINER = AudioFormat(None, None)
STEREO = AudioFormat(Encoding.LINEAR16, 16_000, 2)
SCRIPT = tuple(Word(f"w{n}", n * 0.5 + 0.1, n * 0.5 + 0.4, 0.9) for n in range(200))
BROKEN = b"NO"
FAULTY = b"!!"


def sound(seconds: float, *loud: bool) -> bytes:
    """So many seconds of one or more channels, each loud or not."""
    frame = np.array([8_000 if each else 0 for each in loud], "<i2")
    return np.tile(frame, round(seconds * 16_000)).tobytes()


def voice(seconds: float) -> bytes:
    return sound(seconds, True)


def silence(seconds: float) -> bytes:
    return sound(seconds, False)


@contextlib.contextmanager
def kept_bytes_below(limit: int) -> Iterator[None]:
    """What is done here keeps so little memory."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[0] < limit
    finally:
        tracemalloc.stop()


def full(stream: Stream) -> bool:
    return stream.full


class LoudIsVoice:
    """In the place of the network: a frame is voice when it is loud."""

    def __init__(self) -> None:
        self.broken = False

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        if self.broken:
            raise MemoryError("no room for the network")
        return [(np.abs(each[:, 64:]).mean(axis=1) > 0.1).astype(np.float32) for each in rows], h, c


class Touchy(AudioStream):
    """A decoder that refuses some bytes and has a fault at others, behind audio or alone."""

    def blocks(self, message: bytes) -> Iterator[Samples]:
        before, broken, _ = message.partition(BROKEN)
        before, faulty, _ = before.partition(FAULTY)
        yield from super().blocks(before)
        if faulty:
            raise ZeroDivisionError
        if broken:
            raise BadAudio("this is no audio")


class ControlledPool:
    """A pool that answers at once with what the script has there, or when the test says so."""

    def __init__(self, *, prompt: bool) -> None:
        self.prompt = prompt
        self.interim_stretch = 1.0
        self.waiting: dict[Hashable, tuple[SegmentJob, Deliver]] = {}
        self.jobs = 0
        self.engine = ScriptedEngine(SCRIPT, 100.0)

    workers = 1

    def submit(self, owner: Hashable, job: SegmentJob, answer: Deliver) -> None:
        assert owner not in self.waiting
        self.jobs += 1
        self.waiting[owner] = (job, answer)
        if self.prompt:
            asyncio.get_running_loop().call_soon(self._answer, owner, job)

    def feed(self, owner: Hashable, job: FeedJob, answer: Deliver) -> None:
        raise AssertionError("the recognizers of these tests feed no states")

    def cancel(self, owner: Hashable) -> None:
        self.waiting.pop(owner, None)

    def answer_first(self) -> None:
        owner, (job, _) = next(iter(self.waiting.items()))
        self._answer(owner, job)

    def answer_all(self) -> None:
        for owner, (job, _) in list(self.waiting.items()):
            self._answer(owner, job)

    def lose(self, reason: str) -> None:
        _, answer = self.waiting.pop(next(iter(self.waiting)))
        answer(JobLost(reason))

    def _answer(self, owner: Hashable, job: SegmentJob) -> None:
        if owner in self.waiting and self.waiting[owner][0] is job:
            answer = self.waiting.pop(owner)[1]
            answer(self.engine.transcribe([job])[0])


class Bench:
    """Streams on one audio thread, and their events."""

    def __init__(self, thread: WatchedAudioThread, *, prompt: bool) -> None:
        self.thread = thread
        self.recognizers: list[SegmentedRecognizer] = []
        """Of all channels, in the order in which they began."""
        self.pool = ControlledPool(prompt=prompt)
        self.vad = LoudIsVoice()
        self._events: list[StreamEvent] = []
        self._drains: list[Callable[[], None]] = []

    @property
    def events(self) -> list[StreamEvent]:
        """The events of all streams so far."""
        for drain in self._drains:
            drain()
        return self._events

    def stream(
        self,
        audio: AudioFormat = MONO,
        *,
        split: bool = False,
        endpointing_s: float | None = 0.3,
        interim_s: float | None = None,
        longest_s: float = 10.0,
        on_event: Callable[[StreamEvent], None] | None = None,
        vad: SileroModel | None = None,
    ) -> Stream:
        on_event_or_keep = on_event or self._events.append

        def drain() -> None:
            for event in made.events():
                on_event_or_keep(event)

        made = Stream(
            audio,
            split=split,
            config=RecognitionConfig(endpointing_s, interim_s, None, longest_s),
            style=Style(),
            new_recognizer=self._new_recognizer,
            vad=vad or cast(SileroModel, self.vad),
            audio_thread=self.thread,
            pool=self.pool,
            wake=drain,
        )
        self._drains.append(drain)
        return made

    def _new_recognizer(self, index: int, config: RecognitionConfig, diarizer: Diarizer | None) -> SegmentedRecognizer:
        recognizer = SegmentedRecognizer(index, config, diarizer)
        self.recognizers.append(recognizer)
        return recognizer

    async def until(self, reached: Callable[[], bool]) -> None:
        while not reached():
            await asyncio.sleep(0.001)

    async def settled(self) -> None:
        """Wait until everything is decoded but what waits for the engine."""
        await self.thread.until_idle()
        await asyncio.sleep(0)

    async def transcribe(
        self, data: bytes, size: int, audio: AudioFormat = MONO, vad: SileroModel | None = None
    ) -> list[TranscriptSegment]:
        """Transcribe `data` when it comes in messages of `size` bytes."""
        self.events.clear()
        stream = self.stream(audio, vad=vad)
        for at in range(0, len(data), size):
            stream.feed(data[at : at + size])
        stream.end()
        assert isinstance(await self.last_event(), Drained)
        return self.segments

    async def last_event(self) -> StreamEvent:
        """The event that ends the stream."""
        await self.until(
            lambda: bool(self.events) and isinstance(self.events[-1], Drained | AudioRefused | EngineFailed)
        )
        await asyncio.sleep(0.005)
        return self.events[-1]

    @property
    def segments(self) -> list[TranscriptSegment]:
        return [event for event in self.events if isinstance(event, TranscriptSegment)]

    def words(self, channel: int = 0) -> list[str]:
        return [
            word.text for event in self.segments if event.channel == channel and event.final for word in event.words
        ]


@contextlib.asynccontextmanager
async def bench(
    *, prompt: bool, gather_s: float = 0.0, clock: Callable[[], float] = lambda: 0.0
) -> AsyncIterator[Bench]:
    thread = WatchedAudioThread(gather_s, clock=clock)
    thread.start()
    try:
        async with asyncio.timeout(20):
            yield Bench(thread, prompt=prompt)
    finally:
        thread.stop()


def play(
    scenario: Callable[[Bench], Awaitable[None]],
    *,
    prompt: bool = True,
    gather_s: float = 0.0,
    clock: Callable[[], float] = lambda: 0.0,
) -> None:
    async def main() -> None:
        async with bench(prompt=prompt, gather_s=gather_s, clock=clock) as there:
            await scenario(there)

    asyncio.run(main())


# ---- order ----


def test_bytes_and_marks_are_handled_in_the_order_they_came() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(1.0))
        stream.flush(None)
        stream.feed(silence(0.5))
        stream.feed(voice(0.7))
        stream.flush(0)
        stream.flush(0)
        stream.feed(voice(0.3))
        stream.end()
        assert await bench.last_event() == Drained(2.5)
        assert bench.events[0] == AudioFound(1)
        assert isinstance(bench.events[1], SpeechBegan)
        finals = [(event.start, event.end, event.flushed) for event in bench.segments]
        assert finals == [(0.0, 1.0, True), (1.0, 2.2, True), (2.2, 2.2, True), (2.2, 2.5, False)]
        assert bench.words() == ["w0", "w1", "w3"]

    play(scenario)


def test_messages_of_one_byte_emit_what_one_message_emits() -> None:
    async def scenario(bench: Bench) -> None:
        data = silence(0.2) + voice(0.7) + silence(0.6) + voice(0.5) + b"\x01"
        whole, bytewise = await bench.transcribe(data, len(data)), await bench.transcribe(data, 1)
        assert bytewise == whole
        assert [[word.text for word in each.words] for each in whole] == [["w0", "w1"], ["w3"]]

    play(scenario)


def test_a_batch_is_bounded_and_a_larger_message_goes_alone() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(b"")
        for _ in range(40):
            stream.feed(silence(1.0))
        stream.feed(silence(60.0))
        assert full(stream)
        stream.end()
        assert await bench.last_event() == Drained(100.0)
        assert not full(stream)
        assert [event.start for event in bench.segments[1:]] == [event.end for event in bench.segments[:-1]]

    play(scenario)


def test_small_messages_wait_for_each_other_and_are_transcribed_together() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        for _ in range(5):
            stream.feed(voice(0.02))
        assert bench.thread.submitted == 0
        await bench.until(lambda: bool(bench.events))
        assert stream.seconds == 0.1
        assert bench.thread.submitted == 1

    play(scenario, gather_s=0.02)


@pytest.mark.parametrize("last", ["a flush", "the end", "a large message", "many messages"])
def test_nothing_waits_longer_for_others_than_it_must(last: str) -> None:
    """An hour of gathering: audio is transcribed only because of what comes behind it."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.02))
        match last:
            case "a flush":
                stream.flush(None)
            case "the end":
                stream.end()
            case "a large message":
                stream.feed(voice(0.5))
            case _:
                for _ in range(64):
                    stream.feed(voice(0.001))
        await bench.until(lambda: bool(bench.events))
        assert bench.events[0] == AudioFound(1)

    play(scenario, gather_s=3_600.0)


def test_a_stream_closed_while_its_messages_wait_is_silent() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.5)[:100])
        stream.close()
        await asyncio.sleep(0.03)
        assert bench.events == []
        assert bench.thread.submitted == 0

    play(scenario, gather_s=0.01)


# ---- the end ----


def test_the_end_of_nothing_is_drained_at_once() -> None:
    async def scenario(bench: Bench) -> None:
        bench.stream().end()
        assert await bench.last_event() == Drained(0.0)
        assert bench.events == [Drained(0.0)]

    play(scenario)


def test_a_stop_in_speech_drains_what_lies_before_a_gap_between_two_words() -> None:
    """Bytes that came before it are decoded; what its finals do not cover is not counted."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(2.0))
        stream.stop()
        stream.feed(voice(1.0))
        assert await bench.last_event() == Drained(1.5)
        assert bench.words() == ["w0", "w1", "w2"]
        assert [(event.end, event.final) for event in bench.segments] == [(1.5, True)]
        assert (stream.seconds, stream.covered_s) == (2.0, 1.5)

    play(scenario)


def test_a_stop_in_a_pause_drains_everything() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(endpointing_s=1.0)
        assert stream.at_pause
        stream.feed(voice(1.0))
        await bench.settled()
        assert not stream.at_pause
        stream.feed(silence(0.5))
        await bench.settled()
        assert stream.at_pause
        stream.stop()
        assert await bench.last_event() == Drained(pytest.approx(1.3))
        assert bench.words() == ["w0", "w1"]

    play(scenario)


def test_a_stream_is_at_a_pause_when_all_its_channels_are_and_each_is_stopped_where_it_is() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(2.0, False, True))
        await bench.settled()
        assert not stream.at_pause
        stream.stop()
        assert await bench.last_event() == Drained(1.5)
        assert {event.channel: event.end for event in bench.segments} == {0: 1.8, 1: 1.5}

    play(scenario)


def test_drained_waits_for_every_answer() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(1.0, True, True))
        stream.end()
        await bench.until(lambda: len(bench.pool.waiting) == 2)
        bench.pool.answer_first()
        await asyncio.sleep(0.005)
        assert len(bench.segments) == 1
        assert not isinstance(bench.events[-1], Drained)
        bench.pool.answer_all()
        assert await bench.last_event() == Drained(1.0)
        assert bench.words(0) == bench.words(1) == ["w0", "w1"]

    play(scenario, prompt=False)


def test_what_comes_after_the_end_is_dropped() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.5))
        stream.end()
        stream.feed(voice(0.5))
        stream.flush(None)
        stream.end()
        assert await bench.last_event() == Drained(0.5)
        stream.feed(voice(100.0))
        stream.flush(None)
        stream.end()
        await asyncio.sleep(0.01)
        assert isinstance(bench.events[-1], Drained)
        with kept_bytes_below(100_000):
            stream.feed(voice(100.0))
        assert len(bench.segments) == 1

    play(scenario)


# ---- faults ----


def test_broken_audio_emits_the_transcript_before_it_and_then_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_decoder, "AudioStream", Touchy)

    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.5))
        stream.feed(voice(0.5))
        stream.feed(BROKEN)
        stream.feed(voice(5.0))
        stream.flush(None)
        stream.end()
        assert await bench.last_event() == AudioRefused("this is no audio", 1.0)
        assert [(event.start, event.end, event.flushed) for event in bench.segments] == [(0.0, 1.0, False)]
        assert bench.words() == ["w0", "w1"]

    play(scenario)


def test_a_refusal_waits_for_the_words_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_decoder, "AudioStream", Touchy)

    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.5))
        stream.feed(BROKEN)
        await bench.until(lambda: bool(bench.pool.waiting))
        assert not full(stream)
        with kept_bytes_below(100_000):
            stream.feed(voice(100.0))
        assert bench.segments == []
        bench.pool.answer_all()
        assert await bench.last_event() == AudioRefused("this is no audio", 0.5)
        assert bench.words() == ["w0"]

    play(scenario, prompt=False)


def test_text_sent_as_a_container_is_refused() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(CONTAINER)
        stream.feed(b'{"type": "KeepAlive"}' * 4_000)
        stream.end()
        refused = await bench.last_event()
        assert isinstance(refused, AudioRefused)
        assert refused.reason
        assert bench.events == [refused]

    play(scenario)


@pytest.mark.parametrize("where", ["decoder", "voice activity detection"])
def test_a_fault_on_the_listening_thread_ends_one_stream_and_no_other(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_decoder, "AudioStream", Touchy)

    async def scenario(bench: Bench) -> None:
        events: list[StreamEvent] = []
        healthy, faulty = bench.stream(on_event=events.append), bench.stream()
        healthy.feed(voice(0.5))
        await bench.settled()
        bench.vad.broken = where != "decoder"
        faulty.feed(FAULTY if where == "decoder" else voice(0.1))
        refused = await bench.last_event()
        fault = "ZeroDivisionError" if where == "decoder" else "MemoryError"
        assert isinstance(refused, AudioRefused)
        assert refused.reason == f"{fault} in {'the ' if where == 'decoder' else ''}{where}"
        bench.vad.broken = False
        healthy.end()
        await bench.until(lambda: bool(events) and events[-1] == Drained(0.5))

    play(scenario)


def test_a_lost_job_fails_the_stream_and_nothing_more_is_emitted() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(1.0, True, True))
        stream.flush(None)
        await bench.until(lambda: len(bench.pool.waiting) == 2)
        bench.pool.lose("three workers died of it")
        assert bench.events[-1] == EngineFailed("three workers died of it", 1.0)
        events = len(bench.events)
        stream.feed(voice(1.0))
        stream.flush(None)
        stream.end()
        await asyncio.sleep(0.02)
        assert len(bench.events) == events
        assert bench.pool.waiting == {}
        assert not full(stream)

    play(scenario, prompt=False)


# ---- close ----


def test_close_before_any_audio_is_silent_and_idempotent() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.close()
        stream.close()
        stream.feed(voice(1.0))
        stream.flush(None)
        stream.end()
        await asyncio.sleep(0.02)
        assert bench.events == []
        assert stream.seconds == 0.0

    play(scenario)


def test_close_while_the_audio_thread_is_busy_emits_nothing_more() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(30.0))
        stream.feed(voice(1.0))
        stream.close()
        await asyncio.sleep(0.05)
        assert bench.events == []
        assert bench.pool.jobs == 0

    play(scenario)


def test_close_gives_up_the_jobs_that_are_out() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(1.0, True, True))
        stream.end()
        await bench.until(lambda: len(bench.pool.waiting) == 2)
        late = [answer for _, answer in bench.pool.waiting.values()]
        events = len(bench.events)
        stream.close()
        assert bench.pool.waiting == {}
        for answer in late:
            answer(JobLost("too late to matter"))
        await asyncio.sleep(0.01)
        assert len(bench.events) == events

    play(scenario, prompt=False)


def test_close_after_the_last_event_changes_nothing() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        stream.feed(voice(0.5))
        stream.end()
        last = await bench.last_event()
        stream.close()
        assert bench.events[-1] == last
        assert stream.seconds == 0.5

    play(scenario)


@pytest.mark.parametrize("count", range(1, 12))
def test_a_stream_that_its_owner_closes_in_mid_drain_has_no_more_events_and_no_more_jobs(count: int) -> None:
    """At whatever event it is closed."""

    async def scenario(bench: Bench) -> None:
        events: list[StreamEvent] = []

        def on_event(event: StreamEvent) -> None:
            if len(events) == count:
                return
            events.append(event)
            if len(events) == count:
                stream.close()
                jobs.append(bench.pool.jobs)
                assert stream.events() == []

        jobs: list[int] = []
        stream = bench.stream(STEREO, split=True, on_event=on_event)
        stream.feed(sound(0.5, False, False) + sound(1.0, True, True) + sound(12.0, False, True))
        stream.flush(None)
        stream.feed(sound(1.0, True, True))
        stream.end()
        await bench.until(lambda: len(events) >= count)
        await asyncio.sleep(0.02)
        assert len(events) == count
        assert [bench.pool.jobs] == jobs
        assert bench.pool.waiting == {}

    play(scenario)


# ---- bounds ----


def test_a_stream_is_full_while_too_many_bytes_wait_and_has_room_when_they_are_transcribed() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream()
        assert not full(stream)
        await stream.room()
        stream.feed(silence(0.1))
        for _ in range(ROOM_BYTES // 32_000 + 1):
            assert not full(stream)
            stream.feed(silence(1.0))
        assert full(stream)
        await asyncio.gather(stream.room(), stream.room())
        assert not full(stream)
        stream.end()
        await bench.last_event()

    play(scenario)


def test_a_stream_is_full_while_the_engine_is_behind_and_has_room_when_it_has_caught_up() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(longest_s=2.0)
        stream.feed(voice(31.0))
        await bench.settled()
        assert not full(stream)
        stream.feed(voice(2.0))
        await bench.settled()
        assert full(stream)
        waiting = asyncio.create_task(stream.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        bench.pool.answer_all()
        await waiting
        bench.pool.prompt = True
        bench.pool.answer_all()
        stream.end()
        assert await bench.last_event() == Drained(33.0)
        assert bench.words() == [f"w{n}" for n in range(66)]

    play(scenario, prompt=False)


@pytest.mark.parametrize("give_up", ["close", "lose"])
def test_no_sender_waits_for_room_in_a_stream_that_is_over(give_up: str) -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(longest_s=2.0)
        stream.feed(voice(40.0))
        await bench.settled()
        waiting = [asyncio.create_task(stream.room()) for _ in range(2)]
        await asyncio.sleep(0.01)
        assert not any(task.done() for task in waiting)
        if give_up == "close":
            stream.close()
        else:
            bench.pool.lose("gone")
        await asyncio.gather(*waiting)
        assert not full(stream)

    play(scenario, prompt=False)


def test_a_large_message_is_transcribed_in_pieces_and_no_faster_than_the_engine_follows() -> None:
    """However much audio a few bytes decode to: what is kept of it stays bounded."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(longest_s=2.0)
        stream.feed(voice(80.0))
        await bench.settled()
        assert full(stream)
        kept = max(recognizer.pending_s for recognizer in bench.recognizers)
        assert 32.0 < kept < 36.0
        assert stream.seconds < 36.0
        bench.pool.prompt = True
        bench.pool.answer_all()
        stream.end()
        assert await bench.last_event() == Drained(80.0)
        assert bench.words() == [f"w{n}" for n in range(160)]

    play(scenario, prompt=False)


def flac_silence(seconds: float) -> bytes:
    """Some 230 bytes a second of digital silence."""
    silent, _ = encode(np.zeros((1, round(seconds * 16_000)), np.float32), 16_000, "flac")
    assert isinstance(silent, bytes)
    return silent


class Working(LoudIsVoice):
    """A voice detector of one stream, on a clock that stands still but while it works: 4 ms for a second of audio."""

    def __init__(self, name: str, seen: list[tuple[str, float]], clock: list[float]) -> None:
        super().__init__()
        self.name, self.seen, self.clock = name, seen, clock

    def run(
        self, rows: Sequence[NDArray[np.float32]], h: NDArray[np.float32], c: NDArray[np.float32]
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
        audio_s = sum(map(len, rows)) * 0.032
        self.seen.append((self.name, audio_s))
        self.clock[0] += 0.004 * audio_s
        return super().run(rows, h, c)


def judged_before(flood: Callable[[Bench, SileroModel], Stream], *, others: int = 3) -> list[tuple[str, float]]:
    """The voice activity that is computed while one stream floods the thread and three send a little."""
    seen: list[tuple[str, float]] = []
    clock = [0.0]

    async def scenario(bench: Bench) -> None:
        held = threading.Event()
        bench.thread.submit(lambda: (held.wait(10), lambda: None)[1])
        flooding = flood(bench, cast(SileroModel, Working("flood", seen, clock)))
        honest = [
            bench.stream(vad=cast(SileroModel, Working(f"honest {n}", seen, clock)), on_event=lambda _: None)
            for n in range(others)
        ]
        for stream in honest:
            stream.feed(voice(0.1))
        held.set()
        await bench.until(lambda: len({name for name, _ in seen}) == 1 + others)
        flooding.close()
        clock[0] += 60.0  # its last turn may still wait for the time of others
        await bench.settled()

    play(scenario, clock=lambda: clock[0])
    return seen


def flood_of_flac(bench: Bench, vad: SileroModel) -> Stream:
    stream = bench.stream(AudioFormat(Encoding.FLAC, None), vad=vad, on_event=lambda _: None)
    stream.feed(dense_silence(400, 16_000))
    return stream


def flood_of_channels_in_flac(bench: Bench, vad: SileroModel) -> Stream:
    stream = bench.stream(AudioFormat(Encoding.FLAC, None), split=True, vad=vad, on_event=lambda _: None)
    stream.feed(dense_silence(50, 4_000, 8))
    return stream


def flood_of_channels(bench: Bench, vad: SileroModel) -> Stream:
    stream = bench.stream(
        AudioFormat(Encoding.MULAW, 8_000, 20), split=True, vad=vad, on_event=lambda _: None, endpointing_s=None
    )
    stream.feed(b"\xff" * (20 * 8_000 * 3))
    return stream


@pytest.mark.parametrize("flood", [flood_of_flac, flood_of_channels_in_flac, flood_of_channels])
def test_a_stream_that_floods_the_thread_has_one_short_turn_before_the_others(
    flood: Callable[[Bench, SileroModel], Stream],
) -> None:
    """68 KB of silence took the thread from every other stream for 23 s, 20 channels for 11 s."""
    seen = judged_before(flood)
    names = [name for name, _ in seen]
    last = max(names.index(f"honest {n}") for n in range(3))
    # A first turn, one when it comes back as a stream that is ahead, and one that was due to such a stream.
    assert sum(audio_s for name, audio_s in seen[:last] if name == "flood") <= 3 * (TURN_AUDIO_S + 1.1)


def test_a_stream_is_ahead_when_its_audio_comes_faster_than_real_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    requested: list[bool] = []

    async def scenario(bench: Bench) -> None:
        submit = bench.thread.submit

        def noted(work: Any, *, ahead: bool = False) -> None:
            requested.append(ahead)
            submit(work, ahead=ahead)

        monkeypatch.setattr(bench.thread, "submit", noted)
        stream = bench.stream()
        for _ in range(4):
            stream.feed(silence(1.0))
            await bench.settled()
            now[0] += 1.0
        assert requested == [False] * 4
        stream.feed(silence(2.0))
        stream.feed(silence(2.0))
        await bench.settled()
        stream.feed(silence(1.0))
        await bench.settled()
        assert requested[4:] == [False, False, True]
        now[0] += 4.0
        stream.feed(silence(1.0))
        await bench.settled()
        assert requested[7:] == [False]

    play(scenario, clock=lambda: now[0])


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Samples that each turn gave to the recognizer of a single channel."""
    found: list[int] = []
    feed = SegmentedRecognizer.feed

    def counted(self: SegmentedRecognizer, samples: Samples, voice: Iterable[float]) -> None:
        found.append(len(samples))
        feed(self, samples, voice)

    monkeypatch.setattr(SegmentedRecognizer, "feed", counted)
    return found


def test_a_turn_ends_by_time_and_what_is_left_is_decoded_in_the_next(turns: list[int]) -> None:
    """Each step takes 20 ms here: after the second one a turn is over, in the middle of a message."""
    clock = itertools.count(0.0, 0.01)

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(AudioFormat(Encoding.FLAC, None))
        stream.feed(flac_silence(20.0))
        stream.end()
        assert await bench.last_event() == Drained(20.0)

    play(scenario, clock=clock.__next__)
    assert len(turns) > 10
    assert max(turns) <= 16_000
    assert sum(turns) == 20 * 16_000


def test_a_few_bytes_that_decode_to_minutes_are_transcribed_turn_by_turn(turns: list[int]) -> None:
    """Digital silence as FLAC on a fast machine: what one turn leaves in memory is bounded too."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(AudioFormat(Encoding.FLAC, None))
        stream.feed(flac_silence(120.0))
        stream.end()
        assert await bench.last_event() == Drained(120.0)

    play(scenario)
    # A block of audio is a second at most.
    assert max(turns) <= (TURN_AUDIO_S + 1.0) * 16_000


def test_the_audio_of_all_channels_waits_for_the_engine_together() -> None:
    """Four channels kept four times as much audio as one."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(AudioFormat(Encoding.LINEAR16, 16_000, 4), split=True, longest_s=2.0)
        stream.feed(sound(40.0, *[True] * 4))
        await bench.settled()
        assert full(stream)
        kept = sum(recognizer.pending_s for recognizer in bench.recognizers)
        assert kept <= ROOM_S + 4 * 2.0 + 3 * MAX_SILENCE_S + TURN_AUDIO_S + 2.0
        bench.pool.prompt = True
        bench.pool.answer_all()
        stream.end()
        assert await bench.last_event() == Drained(40.0)

    play(scenario, prompt=False)


def test_channels_that_all_hold_the_most_they_can_do_not_wait_for_ever() -> None:
    """Silence, the longest segment and silence again, on all channels at once: no job is out that would make room."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(
            AudioFormat(Encoding.LINEAR16, 16_000, 10), split=True, endpointing_s=600.0, longest_s=10.0
        )
        for _ in range(3):
            stream.feed(sound(5.3, *[False] * 10) + sound(9.8, *[True] * 10) + sound(4.8, *[False] * 10))
        stream.end()
        assert await bench.last_event() == Drained(59.7)

    play(scenario)


@pytest.mark.parametrize("step", ["feed", "receive"])
def test_our_own_mistake_ends_one_stream_aloud(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not silently, with audio that goes nowhere; the others go on."""

    async def scenario(bench: Bench) -> None:
        events: list[StreamEvent] = []
        victim = bench.stream(on_event=events.append)
        victim.feed(voice(0.2))
        await bench.settled()

        def broken(*_: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(bench.recognizers[0], step, broken)
        victim.feed(voice(1.0) + silence(1.0))
        await bench.until(lambda: isinstance(events[-1], EngineFailed))
        monkeypatch.undo()
        assert await bench.transcribe(voice(1.0), 3200)
        assert isinstance(events[-1], EngineFailed)

    play(scenario)


@pytest.mark.parametrize("endpointing_s", [0.3, 600.0, None])
def test_a_stream_with_nothing_to_wait_for_is_never_full(endpointing_s: float | None) -> None:
    """However long the pause of an utterance: nothing would ever make room."""

    async def scenario(bench: Bench) -> None:
        stream = bench.stream(endpointing_s=endpointing_s)
        stream.feed(voice(1.0))
        for _ in range(12):
            stream.feed(silence(10.0))
            await bench.settled()
            assert not full(stream)
        assert bench.words() == ["w0", "w1"]

    play(scenario)


# ---- channels and flushes ----


def test_a_flush_before_any_audio_is_answered_for_every_declared_channel() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.flush(None)
        empty = [TranscriptSegment(n, 0.0, 0.0, (), final=True, endpoint=True, flushed=True) for n in range(2)]
        assert bench.events == [AudioFound(2), *empty]
        stream.flush(1)
        assert bench.events[3:] == empty[1:]
        stream.feed(sound(0.5, True, False))
        stream.end()
        await bench.last_event()
        assert bench.events.count(AudioFound(2)) == 1

    play(scenario)


def test_a_flush_of_one_channel_leaves_the_other_open() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(1.0, True, True))
        stream.flush(1)
        stream.feed(sound(0.5, True, True))
        stream.end()
        await bench.last_event()
        spans = {
            n: [(each.start, each.end, each.flushed) for each in bench.segments if each.channel == n] for n in (0, 1)
        }
        assert spans[0] == [(0.0, 1.5, False)]
        assert spans[1] == [(0.0, 1.0, True), (1.0, 1.5, False)]

    play(scenario)


def test_each_channel_is_transcribed_separately() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO, split=True)
        stream.feed(sound(0.5, False, False) + sound(1.0, False, True) + sound(0.5, False, False))
        stream.end()
        assert await bench.last_event() == Drained(2.0)
        assert bench.events[0] == AudioFound(2)
        assert [event.channel for event in bench.events if isinstance(event, SpeechBegan)] == [1]
        assert bench.words(0) == []
        assert bench.words(1) == ["w1", "w2"]
        assert {event.end for event in bench.segments} >= {2.0}

    play(scenario)


def test_channels_that_are_not_kept_apart_are_one() -> None:
    async def scenario(bench: Bench) -> None:
        stream = bench.stream(STEREO)
        stream.flush(None)
        stream.feed(sound(1.0, False, True))
        stream.end()
        assert await bench.last_event() == Drained(1.0)
        assert bench.events[0] == AudioFound(1)
        assert bench.words() == ["w0", "w1"]

    play(scenario)


# ---- the real voice detector ----


def test_noise_and_tones_that_are_no_speech_never_reach_the_engine() -> None:
    async def scenario(bench: Bench) -> None:
        random = np.random.default_rng(7)
        time = np.arange(16_000 * 6) / 16_000
        noises: list[NDArray[Any]] = [
            random.normal(0, 0.02, len(time)),
            0.3 * np.sin(2 * np.pi * 50 * time),
            0.3 * np.sin(2 * np.pi * 1_000 * time),
            np.zeros(len(time)),
        ]
        stream = bench.stream(vad=load_silero())
        for noise in noises:
            stream.feed((noise * 32_000).astype("<i2").tobytes())
        stream.end()
        assert await bench.last_event() == Drained(24.0)
        assert bench.pool.jobs == 0
        assert bench.words() == []

    play(scenario)


def test_a_recording_is_cut_at_its_pauses_whatever_the_pieces() -> None:
    async def scenario(bench: Bench) -> None:
        vad, data = load_silero(), path("jfk").read_bytes()
        whole = await bench.transcribe(data, len(data), CONTAINER, vad)
        assert await bench.transcribe(data, 3_000, CONTAINER, vad) == whole
        assert [each.start for each in whole[1:]] == [each.end for each in whole[:-1]]
        # It has four pauses of more than 0.3 s, and a little silence at its end.
        assert [each.endpoint for each in whole] == [True] * 5
        assert [bool(each.words) for each in whole] == [True] * 4 + [False]

    play(scenario)


def test_a_stream_requests_interims_as_seldom_as_its_pool_says_and_knows_whether_a_job_is_out() -> None:
    async def scenario(there: Bench) -> None:
        loud = (np.full(3 * 16_000, 12_000, np.int16)).tobytes()
        there.pool.interim_stretch = math.inf
        stream = there.stream(interim_s=0.5)
        stream.feed(loud)
        await there.settled()
        assert there.pool.jobs == 0
        assert not stream.job_out
        there.pool.interim_stretch = 1.0
        stream.feed(loud)
        await there.settled()
        assert there.pool.jobs == 1
        assert stream.job_out

    play(scenario, prompt=False)
