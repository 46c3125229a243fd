"""A streaming engine behind the whole server: the wire is the same as with a segment engine, also when workers die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from typing import Any

import httpx2
import numpy as np
import pytest

from caesura.server.settings import Settings
from caesura.workers.base import NewWorker
from caesura.workers.process_worker import ProcessWorker
from caesura.workers.thread_worker import ThreadWorker
from tests.in_process_server import InProcessServer, in_process_server
from tests.live_client import FINALIZE, KEEPALIVE, live_client
from tests.recordings import path, recording

STREAMING, SEGMENT = "tests.streaming_engines:loud_streaming", "tests.streaming_engines:loud"
LINEAR: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16_000}
EVENTS: dict[str, Any] = {"interim_results": True, "utterance_end_ms": 1000, "vad_events": True}


def served(
    test: Callable[[InProcessServer], Coroutine[Any, Any, Any]],
    engine: str = STREAMING,
    *,
    new_worker: NewWorker = ThreadWorker,
    workers: int = 1,
) -> Any:
    """The result of `test` with a server of its own."""

    async def main() -> Any:
        async with in_process_server(Settings(engines=(engine,), workers=workers), new_worker=new_worker) as server:
            return await test(server)

    return asyncio.run(main())


def speech() -> bytes:
    """Two sentences with a second and a half of silence behind each."""
    samples = recording("jfk").samples[:64_000]
    pause = np.zeros(24_000, np.float32)
    found = np.concatenate([samples, pause, samples, pause])
    return (found * 32_767).astype("<i2").tobytes()


async def listened(server: InProcessServer, **query: Any) -> list[dict[str, Any]]:
    """The messages of a stream: half of the speech, Finalize, a KeepAlive, and the rest."""
    audio = speech()
    async with live_client(server.url, **LINEAR, **query) as line:
        for at in range(0, len(audio), 3_200):
            await line.socket.send(audio[at : at + 3_200])
            if at == 64_000:
                await line.socket.send(FINALIZE)
                await line.until("Results", from_finalize=True)
                await line.socket.send(KEEPALIVE)
        await line.finish()
        return line.messages


def told(messages: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What both kinds of engines must say alike, each in its order: finals with their places and flags, and events."""
    found: list[tuple[Any, ...]] = []
    for message in messages:
        match message["type"]:
            case "Results" if message["is_final"]:
                words = [word["word"] for word in message["channel"]["alternatives"][0]["words"]]
                flags = message["speech_final"], message["from_finalize"]
                found.append(("final", message["start"], message["duration"], flags, words))
            case "SpeechStarted":
                found.append(("began", message["timestamp"]))
            case "UtteranceEnd":
                found.append(("ended", message["last_word_end"]))
            case _:
                pass
    return sorted(found, key=lambda each: str(each[0]))


@pytest.mark.slow
@pytest.mark.parametrize("endpointing", [10, 500, "false"])
def test_it_says_on_the_wire_what_a_segment_engine_would(endpointing: int | str) -> None:
    async def listen(server: InProcessServer) -> list[dict[str, Any]]:
        return await listened(server, endpointing=endpointing, **EVENTS)

    streaming, segment = served(listen), served(listen, SEGMENT)
    assert told(streaming) == told(segment)
    assert any(message["type"] == "UtteranceEnd" for message in streaming)
    if endpointing != 10:
        # At full speed and with an endpoint after each word, finals may overtake every interim.
        interims = [message for message in streaming if message["type"] == "Results" and not message["is_final"]]
        assert any(message["channel"]["alternatives"][0]["words"] for message in interims)


@pytest.mark.slow
def test_a_recording_is_transcribed_by_it_too() -> None:
    async def post(server: InProcessServer) -> Any:
        async with httpx2.AsyncClient(timeout=60) as client:
            answer = await client.post(f"{server.http}/v1/listen?punctuate=true", content=path("jfk").read_bytes())
        assert answer.status_code == 200
        return answer.json()["results"]["channels"]

    assert served(post) == served(post, SEGMENT)


@pytest.mark.slow
def test_a_worker_process_that_is_killed_in_mid_sentence_costs_no_word() -> None:
    async def listen(server: InProcessServer, *, kill: bool) -> list[tuple[Any, ...]]:
        audio, (engine,) = speech(), server.service.engines
        async with live_client(server.url, **LINEAR, interim_results=True, endpointing=1000) as line:
            await line.socket.send(audio[:96_000])
            await line.until("Results", is_final=False)
            if kill:
                for name in engine.pool.ready_workers:
                    os.kill(int(name), signal.SIGKILL)
            await line.socket.send(audio[96_000:])
            await line.finish()
            assert engine.pool.restarts == (1 if kill else 0)
            return told(line.messages)

    undisturbed, disturbed = (
        served(lambda server, kill=kill: listen(server, kill=kill), new_worker=ProcessWorker)  # type: ignore[misc]
        for kill in (False, True)
    )
    assert disturbed == undisturbed
    assert sum(len(each[4]) for each in disturbed if each[0] == "final") > 10


def test_what_it_cannot_do_is_refused() -> None:
    """Terms to prefer, with an engine that has no use for them."""

    async def ask(server: InProcessServer) -> httpx2.Response:
        async with httpx2.AsyncClient(timeout=60) as client:
            return await client.post(f"{server.http}/v1/listen?keyterm=caesura&model=nova-3", content=b"")

    assert served(ask).status_code == 400
