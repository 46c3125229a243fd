"""LiveKit's speech to text over our lines, without a room, against the fake server."""

from __future__ import annotations

import asyncio
import logging
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from math import inf
from typing import Any

import pytest

import caesura
from caesura.client import lead
from caesura.testing import FakeServer, Voice

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # some of its imports are deprecated
    pytest.importorskip("livekit.agents", reason="needs livekit-agents")
    pytest.importorskip("livekit.agents.voice")

from livekit import rtc
from livekit.agents import APIConnectionError, APIConnectOptions, APIError, APIStatusError, stt

from caesura.adapters.livekit import STT, RecognizeStream, _speaker, api_error

pytestmark = pytest.mark.slow

VOICE = Voice(["one", "two", "three", "four"])
GAP_S = 0.1
ONCE = APIConnectOptions(max_retry=0, timeout=1.0)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    log = logging.getLogger("livekit.agents")
    level, log.level = log.level, logging.CRITICAL
    yield
    log.level = level


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE, idle_s=0.5) as fake:
        yield fake


def service(server: FakeServer, **more: Any) -> STT:
    tuning = more.pop("tuning", caesura.Tuning(keepalive_s=0.1, open_within_s=0))
    return STT(url=server.url, key="k", tuning=tuning, pause_after_s=0.25, **more)


def frame(audio: bytes, channels: int = 1, rate: int = 16_000) -> rtc.AudioFrame:
    samples = len(audio) // 2 // channels
    return rtc.AudioFrame(data=audio, sample_rate=rate, num_channels=channels, samples_per_channel=samples)


def say(stream: RecognizeStream, *words: str) -> None:
    """Push a word of speech as a microphone would."""
    audio = VOICE.say(*words)
    for at in range(0, len(audio), 640):
        stream.push_frame(frame(audio[at : at + 640]))


async def told(server: FakeServer, kind: str, times: int = 1) -> None:
    """Wait until the server has received this many messages of that kind on the first connection."""

    def is_told() -> bool:
        return bool(server.connections) and server.connections[0].types.count(kind) >= times

    await asyncio.to_thread(server.wait, is_told)


async def rest(stream: RecognizeStream) -> list[stt.SpeechEvent]:
    """Every event to the end of the stream."""
    return [event async for event in stream]


def kinds(events: list[stt.SpeechEvent]) -> list[str]:
    return [event.type.name for event in events]


def finals(events: list[stt.SpeechEvent]) -> list[stt.SpeechData]:
    return [event.alternatives[0] for event in events if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT]


# ---- pauses and reconnects ----


async def three_phases(server: FakeServer) -> list[stt.SpeechEvent]:
    async with service(server).stream() as stream:
        say(stream, "one", "two")
        stream.flush()
        await told(server, "KeepAlive", 10)  # which takes longer than the server waits
        say(stream, "three")
        await asyncio.to_thread(server.wait, lambda: server.connections[0].seconds > 1.1)
        await asyncio.to_thread(server.cut)
        say(stream, "four")
        stream.end_input()
        return await rest(stream)


def test_a_pause_and_a_reset_cost_a_stream_no_word(server: FakeServer) -> None:
    began_at = time.time()
    events = asyncio.run(three_phases(server))
    words = [word for final in finals(events) for word in final.words]
    one, two, three, four = words
    assert [str(word) for word in words] == ["one", "two", "three", "four"]
    assert (one.start_time, two.start_time) == pytest.approx((0.0, 0.4), abs=0.001)
    assert three.start_time > 0.8 + 0.5
    assert four.start_time == pytest.approx(three.end_time + GAP_S, abs=0.002)
    walls = [times["wall_start"] for final in finals(events) for times in final.metadata["words"]]
    assert walls[3] - walls[0] == pytest.approx(four.start_time, abs=0.002)
    assert began_at - 1.0 < walls[0] <= time.time()
    assert len(server.connections) == 2
    assert kinds(events)[-1] == "END_OF_SPEECH"


# ---- events ----


async def one_turn(server: FakeServer) -> list[stt.SpeechEvent]:
    async with service(server, endpointing=False).stream(language="en-GB") as stream:
        stream.start_time_offset = 100.0
        say(stream, "one", "two", "three")
        stream.flush()
        await told(server, "Finalize")
        stream.end_input()
        return await rest(stream)


def test_a_flush_makes_a_final_and_ends_the_turn(server: FakeServer) -> None:
    events = asyncio.run(one_turn(server))
    assert kinds(events) == [
        "START_OF_SPEECH",
        "INTERIM_TRANSCRIPT",
        "FINAL_TRANSCRIPT",
        "RECOGNITION_USAGE",
        "END_OF_SPEECH",
    ]
    started, _, told, usage, ended = events
    (final,) = finals(events)
    assert (final.text, str(final.language)) == ("one two three", "en-GB")
    assert (final.start_time, final.end_time) == pytest.approx((100.0, 101.1), abs=0.002)
    assert final.words[1].start_time == pytest.approx(100.4, abs=0.002)
    assert started.speech_start_time == pytest.approx(final.metadata["words"][0]["wall_start"], abs=0.002)
    assert ended.speech_end_time == told.speech_end_time == final.metadata["words"][-1]["wall_end"]
    assert usage.recognition_usage.audio_duration == pytest.approx(1.2)
    assert told.request_id == server.connections[0].request_id
    assert server.connections[0].request.authorization == "Token k"
    assert server.connections[0].request.query["language"] == ("en-GB",)


async def gone_quiet(server: FakeServer) -> list[stt.SpeechEvent]:
    async with service(server, endpointing=False, utterance_end_ms=1000).stream() as stream:
        say(stream, "one")
        stream.push_frame(frame(VOICE.silence(1.5)))
        stream.end_input()
        return await rest(stream)


def test_the_end_of_an_utterance_ends_the_turn_once(server: FakeServer) -> None:
    assert kinds(asyncio.run(gone_quiet(server))).count("END_OF_SPEECH") == 1


async def lost(server: FakeServer) -> list[stt.SpeechEvent]:
    tuning = caesura.Tuning(keep_s=0.5)
    async with service(server, tuning=tuning).stream() as stream:
        await told(server, "KeepAlive", 0)
        await asyncio.to_thread(server.stop)
        for _ in range(10):
            stream.push_frame(frame(VOICE.silence(0.2)))
        await asyncio.to_thread(server.start)
        await asyncio.to_thread(server.wait, lambda: len(server.connections) == 2)
        say(stream, "one")
        stream.end_input()
        return await rest(stream)


def test_audio_that_is_lost_is_logged(
    server: FakeServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lead, "LEAD_S", inf)  # it is taken for live, however fast it comes
    logging.getLogger("livekit.agents").setLevel(logging.WARNING)
    events = asyncio.run(lost(server))
    assert "s of audio are lost" in caplog.text
    assert [final.text for final in finals(events)] == ["one"]


def test_a_speaker_id_names_its_connection() -> None:
    word = caesura.TimedWord("a", "a", 0.5, 0.0, 0.1, 0.0, 0.1, None, None)
    spoken = [replace(word, speaker=speaker, epoch=epoch) for speaker, epoch in ((0, 0), (1, 1), (1, 1))]
    assert _speaker(tuple(spoken)) == "E1S1"
    assert _speaker((spoken[0], word)) == "S0"
    assert _speaker((word,)) is None


async def resampled(server: FakeServer) -> None:
    async with service(server).stream() as stream:
        stream.push_frame(frame(VOICE.silence(1.0, sample_rate=48_000), rate=48_000))
        stream.end_input()
        await rest(stream)


def test_pushed_audio_is_resampled(server: FakeServer) -> None:
    asyncio.run(resampled(server))
    assert server.connections[0].seconds == pytest.approx(1.0, abs=0.05)


async def pushed_at_once(server: FakeServer) -> list[stt.SpeechEvent]:
    async with service(server).stream() as stream:
        for _ in range(100):
            stream.push_frame(frame(VOICE.say("one", "two") + VOICE.silence(0.4)))
        stream.end_input()
        return await rest(stream)


def test_a_recording_that_is_pushed_at_once_is_not_dropped(server: FakeServer) -> None:
    """Twice as much as is kept."""
    assert " ".join(final.text for final in finals(asyncio.run(pushed_at_once(server)))) == " ".join(["one two"] * 100)


# ---- the end ----


async def closed_early(server: FakeServer) -> None:
    async with service(server).stream() as stream:
        say(stream, "one")
        await asyncio.to_thread(server.wait, lambda: bool(server.connections))


def test_leaving_does_not_wait(server: FakeServer) -> None:
    asyncio.run(closed_early(server))
    server.wait(lambda: server.connections[0].closed is not None)


async def failing(source: STT, audio: rtc.AudioFrame, conn_options: APIConnectOptions = ONCE) -> APIError:
    async with source.stream(conn_options=conn_options) as stream:
        stream.push_frame(audio)
        with pytest.raises(APIError) as caught:
            await rest(stream)
    return caught.value


def test_a_refusal_is_for_good(server: FakeServer) -> None:
    server.refuse(401, times=10)
    again = APIConnectOptions(max_retry=3, retry_interval=0.01, timeout=1.0)
    error = asyncio.run(failing(service(server), frame(VOICE.say("one")), again))
    assert isinstance(error, APIStatusError)
    assert (error.status_code, error.retryable, len(server.refused)) == (401, False, 1)


def test_a_server_that_is_not_there_is_worth_another_try(server: FakeServer) -> None:
    source = service(server)
    server.stop()
    error = asyncio.run(failing(source, frame(VOICE.say("one"))))
    assert isinstance(error, APIConnectionError)
    assert error.retryable


def test_frames_of_several_channels_are_refused(server: FakeServer) -> None:
    error = asyncio.run(failing(service(server), frame(bytes(640), channels=2)))
    assert "mono" in str(error)
    assert not error.retryable


def test_nothing_is_tried_again_behind_the_end_of_the_input() -> None:
    assert not api_error(caesura.ReconnectFailed("no"), may_retry=False).retryable
    assert api_error(caesura.ReconnectFailed("no")).retryable
    assert not api_error(caesura.ConnectionClosedByServer(1008, "DATA-0000")).retryable


# ---- a recording ----


async def recognized(server: FakeServer) -> stt.SpeechEvent:
    return await service(server).recognize([frame(VOICE.say("one")), frame(VOICE.say("two"))], conn_options=ONCE)


def test_a_recording_is_recognized_over_a_short_line(server: FakeServer) -> None:
    event = asyncio.run(recognized(server))
    assert (event.type.name, event.alternatives[0].text) == ("FINAL_TRANSCRIPT", "one two")
    assert event.alternatives[0].words[1].start_time == 0.4
    assert event.request_id == server.connections[0].request_id


def test_a_recording_that_is_refused_is_an_error(server: FakeServer) -> None:
    server.refuse(402, times=10)
    with pytest.raises(APIStatusError):
        asyncio.run(recognized(server))


# ---- its description ----


def test_it_declares_its_name_and_capabilities(server: FakeServer) -> None:
    source = service(server, model="nova-2", interim_results=False)
    assert (source.model, source.provider) == ("nova-2", "Caesura")
    assert source.capabilities.aligned_transcript == "word"
    assert source.capabilities.manual_flush
    assert not source.capabilities.interim_results
