"""A pipecat pipeline with our service in it, against the fake server."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from math import inf
from typing import Any

import pytest

import caesura
from caesura.client import lead
from caesura.testing import FakeServer, Voice

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports what Python is about to drop
    pytest.importorskip("pipecat.pipeline.worker", reason="needs pipecat-ai")
    pytest.importorskip("pipecat.services.stt_service")

from loguru import logger
from pipecat.frames.frames import (
    CancelFrame,
    EndFrame,
    ErrorFrame,
    Frame,
    InputAudioRawFrame,
    InterimTranscriptionFrame,
    MetricsFrame,
    STTMuteFrame,
    STTUpdateSettingsFrame,
    TranscriptionFrame,
    VADUserStartedSpeakingFrame,
    VADUserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.transcriptions.language import Language
from pipecat.utils.errors import ErrorCategory
from pipecat.workers.runner import WorkerRunner

from caesura.adapters.pipecat import CaesuraSTTService, CaesuraSTTSettings, _language

pytestmark = pytest.mark.slow

VOICE = Voice(["one", "two", "three", "four"])
GAP_S = 0.1
PARAMETERS = PipelineParams(audio_in_sample_rate=16_000, enable_metrics=True, enable_usage_metrics=True)
TUNING = caesura.Tuning(keepalive_s=0.1, open_within_s=0)


@pytest.fixture(autouse=True)
def quiet() -> None:
    logger.remove()


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE, idle_s=0.5) as fake:
        yield fake


def service(server: FakeServer, *, tuning: caesura.Tuning = TUNING, **settings: Any) -> CaesuraSTTService:
    return CaesuraSTTService(
        url=server.url,
        key="k",
        tuning=tuning,
        pause_after_s=0.25,
        settings=CaesuraSTTSettings(**settings),
        audio_passthrough=False,
    )


class Probe(FrameProcessor):
    """Keeps what passes."""

    def __init__(self) -> None:
        super().__init__()
        self.frames: list[Frame] = []
        self._changed = asyncio.Condition()

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        async with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()
        await self.push_frame(frame, direction)

    def of(self, kind: type[Frame]) -> list[Any]:
        return [frame for frame in self.frames if isinstance(frame, kind)]

    async def until(self, kind: type[Frame], count: int = 1) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self.of(kind)) >= count)


@dataclass
class Running:
    """A running pipeline, and the frames that the service pushed in both directions."""

    worker: PipelineWorker
    up: Probe
    down: Probe

    async def say(self, *words: str) -> None:
        await self.worker.queue_frame(InputAudioRawFrame(VOICE.say(*words), 16_000, 1))

    async def send(self, frame: Frame) -> None:
        await self.worker.queue_frame(frame)

    @property
    def errors(self) -> list[Any]:
        return self.up.of(ErrorFrame)

    @property
    def texts(self) -> list[str]:
        return [frame.text for frame in self.down.of(TranscriptionFrame)]

    @property
    def words(self) -> list[Any]:
        return [word for frame in self.down.of(TranscriptionFrame) for word in frame.result.words]


@asynccontextmanager
async def running(stt: CaesuraSTTService, last: Frame | None = None) -> AsyncIterator[Running]:
    """A pipeline with `stt` in it, from its start to its end."""
    up, down = Probe(), Probe()
    worker = PipelineWorker(
        Pipeline([up, stt, down]), params=PARAMETERS, cancel_on_idle_timeout=False, enable_rtvi=False
    )
    started = asyncio.Event()

    async def begun(_: Any, __: Any) -> None:
        started.set()

    worker.add_event_handler("on_pipeline_started", begun)

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    run = asyncio.create_task(runner.run())
    try:
        async with asyncio.timeout(10):
            await started.wait()
            yield Running(worker, up, down)
            await worker.queue_frame(last or EndFrame())
            await run
    finally:
        # When something has failed it does not end by itself, and cannot be cancelled as a task.
        await runner.cancel()
        await asyncio.wait({run}, timeout=5)


def held(server: FakeServer) -> bool:
    """Was the first connection held by KeepAlive for longer than the server waits?"""
    return server.connections[0].types.count("KeepAlive") >= 10


async def told(server: FakeServer, kind: str) -> None:
    """Wait until the server has received a message of that kind on the newest connection."""
    await asyncio.to_thread(server.wait, lambda: kind in server.connections[-1].types)


# ---- pauses and reconnects ----


async def three_phases(server: FakeServer) -> Running:
    async with running(service(server)) as pipeline:
        await pipeline.say("one", "two")
        await pipeline.send(VADUserStoppedSpeakingFrame())
        await asyncio.to_thread(server.wait, lambda: held(server))
        await pipeline.say("three")
        await asyncio.to_thread(server.wait, lambda: server.connections[0].seconds > 1.1)
        await asyncio.to_thread(server.cut)
        await pipeline.say("four")
    return pipeline


def test_a_pause_and_a_reset_cost_a_pipeline_no_word(server: FakeServer) -> None:
    """The last words, which nothing requests, also come before the end of the pipeline."""
    pipeline = asyncio.run(three_phases(server))
    one, two, three, four = pipeline.words
    assert [word.text for word in pipeline.words] == ["one", "two", "three", "four"]
    assert (one.source_start, two.source_start) == (0.0, 0.4)
    assert three.source_start > 0.8 + 0.5
    assert four.source_start == pytest.approx(three.source_end + GAP_S, abs=0.002)
    assert (four.wall_start - one.wall_start).total_seconds() == pytest.approx(four.source_start, abs=0.002)
    assert len(server.connections) == 2
    assert isinstance(pipeline.down.frames[-1], EndFrame)
    assert not pipeline.errors


async def lost(server: FakeServer) -> Running:
    stt = service(server, tuning=replace(TUNING, keep_s=0.5))
    async with running(stt) as pipeline:
        await asyncio.to_thread(server.stop)
        for _ in range(20):
            await pipeline.worker.queue_frame(InputAudioRawFrame(VOICE.silence(0.25), 16_000, 1))
        await pipeline.up.until(ErrorFrame)
        await asyncio.to_thread(server.start)
        await pipeline.say("three")
        await pipeline.send(VADUserStoppedSpeakingFrame())
        await pipeline.down.until(TranscriptionFrame)
    assert stt.is_usable
    return pipeline


def test_audio_that_is_lost_is_an_error_that_is_survived(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lead, "LEAD_S", inf)  # it is taken for live, however fast it comes
    pipeline = asyncio.run(lost(server))
    assert "s of audio is lost" in pipeline.errors[0].error
    assert pipeline.texts == ["three"]


# ---- frames ----


async def one_turn(server: FakeServer) -> Running:
    async with running(service(server, extra={"endpointing": False})) as pipeline:
        await pipeline.send(VADUserStartedSpeakingFrame())
        await pipeline.say("one", "two", "three")
        await pipeline.down.until(InterimTranscriptionFrame)
        await pipeline.send(VADUserStoppedSpeakingFrame(stop_secs=0.1))
        await pipeline.down.until(TranscriptionFrame)
        await pipeline.send(VADUserStoppedSpeakingFrame(stop_secs=0.1))
    return pipeline


def test_the_user_s_stop_makes_a_final(server: FakeServer) -> None:
    """It has the time at which it was spoken, usage and latency; a second stop adds nothing."""
    pipeline = asyncio.run(one_turn(server))
    (interim,) = pipeline.down.of(InterimTranscriptionFrame)
    (final,) = pipeline.down.of(TranscriptionFrame)
    assert (interim.text, final.text, final.finalized) == ("one two three", "one two three", True)
    assert final.language == "en"
    assert final.timestamp == final.result.words[0].wall_start.isoformat(timespec="milliseconds")
    told = [type(data).__name__ for frame in pipeline.down.of(MetricsFrame) for data in frame.data]
    assert {"STTUsageMetricsData", "TTFBMetricsData"} <= set(told)
    assert server.connections[0].options.endpointing_ms is None
    assert server.connections[0].request.authorization == "Token k"


async def muted(server: FakeServer) -> Running:
    async with running(service(server)) as pipeline:
        await pipeline.say("one")
        await pipeline.send(STTMuteFrame(mute=True))
        await told(server, "Finalize")
        await pipeline.say("two")
        await pipeline.send(STTMuteFrame(mute=False))
        await pipeline.say("three")
    return pipeline


def test_muting_makes_a_final_and_what_is_spoken_then_is_not_transcribed(server: FakeServer) -> None:
    assert asyncio.run(muted(server)).texts == ["one", "three"]


async def changed(server: FakeServer) -> Running:
    async with running(service(server)) as pipeline:
        await pipeline.say("one")
        await pipeline.send(STTUpdateSettingsFrame(delta=CaesuraSTTSettings(model="nova-2")))
        await asyncio.to_thread(server.wait, lambda: len(server.connections) == 2)
        await pipeline.say("two")
        await pipeline.down.until(TranscriptionFrame)
    return pipeline


def test_a_change_of_settings_costs_no_word(server: FakeServer) -> None:
    pipeline = asyncio.run(changed(server))
    assert pipeline.texts == ["one", "two"]
    assert [connection.request.query["model"] for connection in server.connections] == [("nova-3",), ("nova-2",)]


# ---- the end ----


async def cancelled(server: FakeServer) -> Running:
    async with running(service(server), CancelFrame()) as pipeline:
        await pipeline.say("one")
        await asyncio.to_thread(server.wait, lambda: server.connections[0].seconds > 0)
    return pipeline


def test_a_cancelled_pipeline_closes_its_line(server: FakeServer) -> None:
    asyncio.run(cancelled(server))
    server.wait(lambda: server.connections[0].closed is not None)


async def failing(stt: CaesuraSTTService) -> Running:
    async with running(stt) as pipeline:
        await pipeline.up.until(ErrorFrame)
        await pipeline.say("one")
    assert not stt.is_usable
    return pipeline


def test_a_refusal_is_for_good(server: FakeServer) -> None:
    server.refuse(401, times=10)
    pipeline = asyncio.run(failing(service(server)))
    (error,) = pipeline.errors
    assert error.category is ErrorCategory.AUTHENTICATION
    assert "Check the API key" in error.error
    assert len(server.refused) == 1


def test_a_server_that_is_not_there_is_for_good_when_it_was_tried_long_enough(server: FakeServer) -> None:
    stt = service(server)
    server.stop()
    (error,) = asyncio.run(failing(stt)).errors
    assert error.category is ErrorCategory.CONNECTIVITY


def test_a_server_that_hangs_up_for_good_is_an_error(server: FakeServer) -> None:
    server.after(0.2, lambda: server.close(1008, "DATA-0000"))

    async def run() -> Running:
        async with running(service(server)) as pipeline:
            await pipeline.say("one")
            await pipeline.up.until(ErrorFrame)
        return pipeline

    assert "1008: DATA-0000" in asyncio.run(run()).errors[-1].error


def test_a_language_unknown_to_pipecat_becomes_none() -> None:
    assert [_language(each) for each in ("en", "xx-unheard", None)] == [Language.EN, None, None]
