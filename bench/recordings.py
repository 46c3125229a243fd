"""Bench of a long recording: real-time factor, and CPU and memory of front and workers.

    python bench/recordings.py --minutes 20 --codec mp3 --speech DIR

The recording is made of those in DIR, repeated in random order, with pauses between them. The ratio is audio
seconds by wall seconds, from the first byte sent to the whole answer. It depends on other programs on the same cores;
`2 cores by CPU` is the upper bound for two idle cores.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from load import BUNDLED, RATE, Pcm, Server, recordings, room_tone, run, serving
from report import Figures, above_zero, common_arguments, console, publish, repeat
from scoring import word_errors

CODECS = {
    "wav": ("wav", "pcm_s16le", RATE),
    "mp3": ("mp3", "mp3", RATE),
    "ogg": ("ogg", "libopus", 48_000),
    "webm": ("webm", "libopus", 48_000),
    "m4a": ("mp4", "aac", RATE),
    "flac": ("flac", "flac", RATE),
}
"""By name: container, codec, Hz. The m4a has its index at the end, as libav writes it."""
BIT_RATE = 48_000
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 1.2
SAMPLE_INTERVAL_S = 0.1
TIMEOUT_S = 3600.0


def synthesize(folder: Path, minutes: float) -> tuple[Iterator[Pcm], list[str]]:
    """Speech of about that length, piece by piece, and the texts that are spoken in it."""
    rng = np.random.default_rng(7)
    found = recordings(folder)
    order: list[tuple[int, Pcm]] = []
    length = 0
    while length < minutes * 60 * RATE:
        for index in rng.permutation(len(found)):
            pause = room_tone(float(rng.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)))
            order.append((int(index), pause))
            length += len(found[index].pcm) + len(pause)
    pieces = (piece for index, pause in order for piece in (found[index].pcm, pause))
    return pieces, [found[index].text for index, _ in order]


def encode(path: Path, codec: str, pieces: Iterator[Pcm]) -> float:
    """Write the pieces to a file; returns their length in seconds."""
    container, name, rate = CODECS[codec]
    at = 0
    with av.open(str(path), "w", format=container) as file:
        stream: Any = file.add_stream(name, rate=rate, layout="mono")
        if codec not in ("wav", "flac"):
            stream.bit_rate = BIT_RATE
        for piece in pieces:
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            file.mux(stream.encode(frame))
            at += len(piece)
        file.mux(stream.encode(None))
    return at / RATE


def post(url: str, path: Path, query: str) -> Any:
    """Post the file, sent as it is read from disk. Returns the response."""
    address = url.replace("ws://", "http://") + "/v1/listen?" + query
    with path.open("rb") as body:
        request = urllib.request.Request(address, body, {"content-length": str(path.stat().st_size)})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            return json.load(response)


class MemorySampler:
    """Samples the resident memory of the front and keeps the largest value."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.largest_mib = 0.0

    async def run(self) -> None:
        """Sample until cancelled."""
        while (front := self._server.front()) is not None:
            self.largest_mib = max(self.largest_mib, front.rss_mib)
            await asyncio.sleep(SAMPLE_INTERVAL_S)


def cpu(server: Server) -> tuple[float, float]:
    """CPU seconds of the front and of all workers so far."""
    front = server.front()
    return (front.cpu_s if front else float("nan")), sum(worker.cpu_s for worker in server.workers())


def errors(response: Any, texts: Sequence[str]) -> float:
    """The word error rate of a response, in percent."""
    transcript = " ".join(channel["alternatives"][0]["transcript"] for channel in response["results"]["channels"])
    return word_errors(" ".join(texts), transcript).percent


async def measure(arguments: argparse.Namespace, path: Path, seconds: float, texts: Sequence[str]) -> Figures:
    """One run."""
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        memory = MemorySampler(server)
        sampling = asyncio.create_task(memory.run())
        idle = server.front()
        before, began = cpu(server), time.monotonic()
        response = await asyncio.to_thread(post, server.url, path, arguments.query)
        wall = time.monotonic() - began
        after = cpu(server)
        sampling.cancel()
    front, workers = (later - earlier for earlier, later in zip(before, after, strict=True))
    return {
        "audio s": seconds,
        "wall s": wall,
        "times real time": seconds / wall,
        "front CPU ms per audio s": 1000 * front / seconds,
        "workers CPU ms per audio s": 1000 * workers / seconds,
        "2 cores by CPU, times real time": 2 * seconds / (front + workers),
        "front memory before MiB": idle.rss_mib if idle else float("nan"),
        "front memory at most MiB": memory.largest_mib,
        "words": sum(len(channel["alternatives"][0]["words"]) for channel in response["results"]["channels"]),
        "word errors %": errors(response, texts),
    }


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--minutes", type=above_zero(float), default=20.0, help="of audio (default: %(default)s)")
    parser.add_argument("--codec", choices=CODECS, default="mp3", help="of the file (default: %(default)s)")
    parser.add_argument("--query", default="punctuate=true&utterances=true", help="(default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording.{arguments.codec}"
        pieces, texts = synthesize(arguments.speech, arguments.minutes)
        seconds = encode(path, arguments.codec, pieces)
        console.print(f"{seconds:.0f} s of speech in {path.stat().st_size} bytes of {arguments.codec}")
        runs = repeat(arguments.runs, lambda _: run(measure(arguments, path, seconds, texts)))
    publish("recordings", f"{seconds / 60:.0f} min of {arguments.codec}, {arguments.engine}", arguments, runs)


if __name__ == "__main__":
    main()
