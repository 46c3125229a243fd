"""The three paths that the hearing bench compares: a live stream, a recording sent whole, and the engine alone."""

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
"""Longest piece that the engine alone is given."""
EARLIEST = round(0.4 * PIECE)
QUIET = round(0.16 * RATE)
PUSH_SAMPLES = 10 * FRAME_SAMPLES
"""Audio of one message at full speed."""
TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class Recognized:
    """What a path made of a recording: its text, and its words with the seconds at which they start."""

    text: str
    word_starts: tuple[tuple[str, float], ...]


async def live(url: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
    """Stream a recording at full speed, with interims; the text of all finals. Exits when the stream breaks."""

    async def feed() -> AsyncIterator[bytes]:
        for at in range(0, len(pcm), PUSH_SAMPLES):
            yield pcm[at : at + PUSH_SAMPLES].astype("<i2").tobytes()

    options: dict[str, Any] = {"interim_results": "true", **parameters}
    async with connect(url, live=False, sample_rate=RATE, **options) as line:
        async for _ in line.transcribe(feed()):
            pass
        transcript = await line.finish()
    if not transcript.complete:
        raise SystemExit(f"the stream did not end as it should: {transcript.reason}")
    return Recognized(transcript.text, tuple((word.text, word.stream_start) for word in transcript.words))


async def whole(url: str, pcm: Pcm, parameters: dict[str, str]) -> Recognized:
    """Send a recording as the body of POST /v1/listen."""
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
    """Give a recording to the engine without voice activity detection, in pieces cut where they are quietest."""
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
    """The middle of the quietest 160 ms between these two places."""
    energy = np.cumsum(np.square(samples[first:last], dtype=np.float64))
    return first + int(np.argmin(energy[QUIET:] - energy[:-QUIET])) + QUIET // 2
