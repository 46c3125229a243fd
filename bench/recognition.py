"""The three transcription paths of the accuracy bench: a live stream, a whole recording, and the engine alone."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import numpy as np
from load import FRAME_SAMPLES, RATE, Pcm

from caesura.client.line import connect
from caesura.engines.base import Engine, Priority, Samples, SegmentJob

PIECE = 9 * RATE
"""Longest piece for the engine alone, in samples."""
EARLIEST = round(0.4 * PIECE)
QUIET = round(0.16 * RATE)
PUSH_SAMPLES = 10 * FRAME_SAMPLES
"""Samples of one message at full speed."""
TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Recognized:
    """The transcript of a recording, and its words with their start times in seconds."""

    text: str
    word_starts: tuple[tuple[str, float], ...]


async def live(url: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
    """Stream a recording at full speed, with interims. Exits if the stream is incomplete."""

    async def feed() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), PUSH_SAMPLES):
            yield pcm[at : at + PUSH_SAMPLES].astype("<i2").tobytes()

    options: dict[str, Any] = {"interim_results": "true", **parameters}
    async with connect(url, live=False, sample_rate=RATE, **options) as line:
        async for _ in line.transcribe(feed()):
            pass
        transcript = await line.finish()
    if not transcript.complete:
        raise SystemExit(f"the stream is incomplete: {transcript.reason}")
    return Recognized(transcript.text, tuple((word.text, word.stream_start) for word in transcript.words))


async def whole(url: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
    """Transcribe a recording with POST /v1/listen."""
    return await asyncio.to_thread(_post, url, pcm, parameters)


def _post(url: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
    query = urlencode({"encoding": "linear16", "sample_rate": RATE, **parameters})
    address = f"{url.replace('ws://', 'http://')}/v1/listen?{query}"
    request = urllib.request.Request(address, pcm.astype("<i2").tobytes(), {"content-type": "audio/raw"})
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
        [channel] = json.load(response)["results"]["channels"]
    best = channel["alternatives"][0]
    return Recognized(best["transcript"], tuple((word["word"], word["start"]) for word in best["words"]))


def alone(engine: Engine, pcm: Pcm, language: str | None) -> Recognized:
    """Transcribe a recording without voice activity detection, in pieces that are cut where it is quietest."""
    samples = pcm.astype(np.float32) * np.float32(1 / 32768)
    edges = [0]
    while len(samples) - edges[-1] > PIECE:
        edges.append(_quietest(samples, edges[-1] + EARLIEST, edges[-1] + PIECE))
    edges.append(len(samples))
    words: list[tuple[str, float]] = []
    for first, last in pairwise(edges):
        job = SegmentJob(samples[first:last], first / RATE, priority=Priority.FINAL, language=language)
        [hypothesis] = engine.transcribe([job])
        words += [(word.text, first / RATE + word.start) for word in hypothesis.words]
    return Recognized(" ".join(word for word, _ in words), tuple(words))


def _quietest(samples: Samples, first: int, last: int) -> int:
    """The middle of the quietest 160 ms between two samples."""
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[QUIET:] - energy[:-QUIET])) + QUIET // 2
