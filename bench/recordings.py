"""A long recording in; how much faster than real time it is transcribed, and what front and workers use for it, out.

    python bench/recordings.py --minutes 20 --codec mp3 --speech DIR

The recording is made of DIR's over and over, in an order of chance, with pauses between them. The ratio is audio
seconds by wall seconds, from the first byte sent to the whole answer. Where other programs share the cores it says
little; `2 cores by CPU` says what two cores to itself could do at most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
import urllib.request
import warnings
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from load import BUNDLED, RATE, Pcm, Server, recordings, room_tone, run, serving
from report import Figures, above_zero, common_arguments, console, publish, repeat

with warnings.catch_warnings():
    # Its sources have escapes that newer Pythons complain about.
    warnings.simplefilter("ignore")
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

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
LOOK_S = 0.1
TIMEOUT_S = 3600.0


def joined(folder: Path, minutes: float) -> tuple[Iterator[Pcm], list[str]]:
    """Speech of about that length, piece by piece, and the texts that are said in it."""
    chance = np.random.default_rng(7)
    found = recordings(folder)
    order: list[tuple[int, Pcm]] = []
    length = 0
    while length < minutes * 60 * RATE:
        for index in chance.permutation(len(found)):
            pause = room_tone(float(chance.uniform(SHORTEST_PAUSE_S, LONGEST_PAUSE_S)))
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
    """What the server answers to the file, sent as it is read from disk."""
    address = url.replace("ws://", "http://") + "/v1/listen?" + query
    with path.open("rb") as body:
        request = urllib.request.Request(address, body, {"content-length": str(path.stat().st_size)})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            return json.load(answer)


class Watch:
    """Looks at the server now and then, and remembers the most memory that its front had."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.most_mib = 0.0

    async def look(self) -> None:
        """Until cancelled."""
        while (front := self._server.front()) is not None:
            self.most_mib = max(self.most_mib, front.rss_mib)
            await asyncio.sleep(LOOK_S)


def cpu(server: Server) -> tuple[float, float]:
    """CPU seconds of the front and of all workers so far."""
    front = server.front()
    return (front.cpu_s if front else float("nan")), sum(worker.cpu_s for worker in server.workers())


def errors(told: Any, texts: Sequence[str]) -> float:
    """The word error rate of an answer, in percent."""
    normal = EnglishTextNormalizer()
    heard = " ".join(channel["alternatives"][0]["transcript"] for channel in told["results"]["channels"])
    return 100 * float(jiwer.wer(normal(" ".join(texts)), normal(heard)))


async def measure(arguments: argparse.Namespace, path: Path, seconds: float, texts: Sequence[str]) -> Figures:
    """One run."""
    flags = ["--workers", str(arguments.workers)]
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        watch = Watch(server)
        looking = asyncio.create_task(watch.look())
        idle = server.front()
        before, began = cpu(server), time.monotonic()
        told = await asyncio.to_thread(post, server.url, path, arguments.query)
        wall = time.monotonic() - began
        after = cpu(server)
        looking.cancel()
    front, workers = (later - earlier for earlier, later in zip(before, after, strict=True))
    return {
        "audio s": seconds,
        "wall s": wall,
        "times real time": seconds / wall,
        "front CPU ms per audio s": 1000 * front / seconds,
        "workers CPU ms per audio s": 1000 * workers / seconds,
        "2 cores by CPU, times real time": 2 * seconds / (front + workers),
        "front memory before MiB": idle.rss_mib if idle else float("nan"),
        "front memory at most MiB": watch.most_mib,
        "words": sum(len(channel["alternatives"][0]["words"]) for channel in told["results"]["channels"]),
        "word errors %": errors(told, texts),
    }


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--minutes", type=above_zero(float), default=20.0, help="of audio (default: %(default)s)")
    parser.add_argument("--codec", choices=CODECS, default="mp3", help="of the file (default: %(default)s)")
    parser.add_argument("--query", default="punctuate=true&utterances=true", help="(default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"recording.{arguments.codec}"
        pieces, texts = joined(arguments.speech, arguments.minutes)
        seconds = encode(path, arguments.codec, pieces)
        console.print(f"{seconds:.0f} s of speech in {path.stat().st_size} bytes of {arguments.codec}")
        runs = repeat(arguments.runs, lambda _: run(measure(arguments, path, seconds, texts)))
    publish("recordings", f"{seconds / 60:.0f} min of {arguments.codec}, {arguments.engine}", arguments, runs)


if __name__ == "__main__":
    main()
