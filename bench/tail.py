"""Streams that close in the middle of speech in, one after the other; how long their last words and Metadata take, out.

    python bench/tail.py --closings 40 --engine moonshine

Old SDKs give the tail half a second after CloseStream and are gone then. Each stream plays in real time from a place in
the recordings, for two to nine seconds, and is closed wherever that happens to be. Tail latency: from CloseStream to
Metadata, which is behind the last final.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

from live import Heard, Stream, shuffled
from load import BUNDLED, FRAME_S, run, serving
from report import Figures, above_zero, common_arguments, progress_bar, publish, repeat, spread

SHORTEST_S, LONGEST_S = 2.0, 9.0


def pieces(folder: Path, count: int) -> list[list[bytes]]:
    """Frames of so many streams, each from another place and of another length, the same ones in each run."""
    chance = random.Random(7)
    [whole] = shuffled(folder, 1, 120.0, 0.7)
    cut = []
    for _ in range(count):
        length = round(chance.uniform(SHORTEST_S, LONGEST_S) / FRAME_S)
        at = chance.randrange(len(whole) - length)
        cut.append(whole[at : at + length])
    return cut


async def measure(arguments: argparse.Namespace, streams: Sequence[Sequence[bytes]], turn: int) -> Figures:
    """One run."""
    asked = {"interim_results": "true", "punctuate": "true", "endpointing": "300", "model": "nova-3"}
    heard = Heard()
    flags = ["--workers", str(arguments.workers)]
    loop = asyncio.get_running_loop()
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        with progress_bar() as progress:
            for frames in progress.track(streams, description=f"run {turn}"):
                stream = Stream(frames, heard)
                await stream.open(server.url, asked)
                stream.start(loop.time())
                await stream.ended()
    return {
        "closings": len(streams),
        **spread("tail latency", "ms", [1000 * value for value in heard.tail]),
        "words in finals": heard.words,
        "streams that did not end with 1000 and all their audio": heard.broken,
    }


def main() -> None:
    """Read the arguments, measure, report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    parser.add_argument("--closings", type=above_zero(int), default=40, help="how many (default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    streams = pieces(arguments.speech, arguments.closings)
    runs = repeat(arguments.runs, lambda turn: run(measure(arguments, streams, turn)))
    publish("tail", f"{arguments.closings} streams closed in mid-speech, {arguments.engine}", arguments, runs)


if __name__ == "__main__":
    main()
