"""Bench of the tail latency: from CloseStream in the middle of speech to the last words and Metadata.

    python bench/tail.py --closings 40 --engine moonshine

Old SDKs disconnect half a second after CloseStream. Each stream plays in real time from a place in
the recordings, for two to nine seconds, and is closed wherever that happens to be. Tail latency: from CloseStream to
Metadata, which comes after the last final.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from live import Measurements, Stream, shuffled
from load import BUNDLED, FRAME_S, run, serving
from report import Figures, above_zero, common_arguments, progress_bar, publish, repeat, spread

SHORTEST_S, LONGEST_S = 2.0, 9.0


def excerpts(folder: Path, count: int) -> list[list[bytes]]:
    """Frames of `count` streams, each from a different position and of a different length, identical in each run."""
    rng = random.Random(7)
    [whole] = shuffled(folder, 1, 120.0, 0.7)
    found = []
    for _ in range(count):
        length = round(rng.uniform(SHORTEST_S, LONGEST_S) / FRAME_S)
        at = rng.randrange(len(whole) - length)
        found.append(whole[at : at + length])
    return found


async def measure(arguments: argparse.Namespace, streams: Sequence[Sequence[bytes]], number: int) -> Figures:
    """One run."""
    parameters = {"interim_results": "true", "punctuate": "true", "endpointing": "300", "model": "nova-3"}
    measured = Measurements()
    flags = ["--workers", str(arguments.workers)]
    loop = asyncio.get_running_loop()
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            for frames in progress.track(streams, description=f"run {number}"):
                stream = Stream(frames, measured)
                await stream.open(server.url, parameters)
                stream.start(loop.time())
                await stream.ended()
    return {
        "closings": len(streams),
        **spread("tail latency", "ms", [1000 * value for value in measured.tail]),
        "words in finals": measured.words,
        "streams that did not end with 1000 and all their audio": measured.broken,
    }


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--closings", type=above_zero(int), default=40, help="how many (default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    streams = excerpts(arguments.speech, arguments.closings)
    runs = repeat(arguments.runs, lambda number: run(measure(arguments, streams, number)))
    publish("tail", f"{arguments.closings} streams closed in mid-speech, {arguments.engine}", arguments, runs)


if __name__ == "__main__":
    main()
