"""Bench of live streams: latency of interims and finals, and CPU and memory of front and workers.

    python bench/live.py --streams 16 --engine moonshine --workers 2 --runs 3

Cursor latency: seconds of audio sent, less where the newest interim ends, each time an interim comes. `cursor before
a result` is the same just before one comes, when what the client shows is at its oldest. Final latency: from the
sending of the audio that completes a speech_final's range to its arrival. Tail latency: from CloseStream to Metadata.

    python bench/live.py --streams 80 --engine moonshine --at-once --seconds 40

With `--at-once` all clients connect at the same moment, send audio as soon as they are admitted, and retry after a 429
as Retry-After requires; those not admitted before the first stream ends give up. The words of each are compared with
those that the same server recognizes in the same audio without load.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path

from load import (
    BUNDLED,
    CLOSE_STREAM,
    FRAME_S,
    Connection,
    Server,
    UpgradeRejected,
    Usage,
    audio_frames,
    open_connection,
    recordings,
    room_tone,
    run,
    serving,
)
from report import Figures, above_zero, common_arguments, progress_bar, publish, repeat, spread

TAIL_S = 60.0
"""How long a stream may take to end."""


@dataclass(slots=True)
class Measurements:
    """The measurements of all streams of one run; times are in seconds."""

    cursor: list[float] = field(default_factory=list)
    cursor_before: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    tail: list[float] = field(default_factory=list)
    late_frames: list[float] = field(default_factory=list)
    words: int = 0
    broken: int = 0
    refused: int = 0
    never_admitted: int = 0
    codes: Counter[int] = field(default_factory=Counter)


class Stream:
    """One live client: `start` sends its frames in real time, `ended` waits for the close of the server."""

    def __init__(self, frames: Sequence[bytes], measured: Measurements) -> None:
        self._frames = frames
        self._measured = measured
        self._loop = asyncio.get_running_loop()
        self._sent_at = array("d")
        self._covered_until_s = 0.0
        self._began_at = 0.0
        self._closing_at: float | None = None
        self._metadata_at: float | None = None
        self._connection: Connection | None = None
        self.transcript: list[str] = []
        """The words of all finals."""

    async def open(self, url: str, parameters: dict[str, str]) -> None:
        """Connect, without sending anything yet."""
        self._connection = await open_connection(url, self._receive, **parameters)

    def start(self, at: float) -> None:
        """Send the first frame at `at` (monotonic seconds), one each 50 ms, CloseStream after the last."""
        self._began_at = at
        self._loop.call_at(at, self._tick)

    def send_all(self) -> None:
        """Send all frames and CloseStream at once."""
        assert self._connection is not None
        self._closing_at = time.monotonic()
        self._connection.send(b"".join(self._frames) + CLOSE_STREAM)

    async def closed(self) -> None:
        """Wait for the close, whatever its code."""
        assert self._connection is not None
        await self._connection.closed

    async def ended(self) -> None:
        """Wait for the close; a stream that does not end normally is counted as broken."""
        assert self._connection is not None
        length = len(self._frames) * FRAME_S
        try:
            async with asyncio.timeout(length + self._began_at - self._loop.time() + TAIL_S):
                closed = await self._connection.closed
        except TimeoutError:
            self._connection.close()
            self._measured.broken += 1
            return
        self._measured.codes[closed.code] += 1
        if closed.code != 1000 or self._metadata_at is None or self._closing_at is None:
            self._measured.broken += 1
            return
        self._measured.tail.append(self._metadata_at - self._closing_at)

    def _tick(self) -> None:
        assert self._connection is not None
        now = time.monotonic()
        count = len(self._sent_at)
        if count == len(self._frames):
            self._closing_at = now
            self._connection.send(CLOSE_STREAM)
            return
        self._measured.late_frames.append(now - (self._began_at + count * FRAME_S))
        self._connection.send(self._frames[count])
        self._sent_at.append(now)
        self._loop.call_at(self._began_at + (count + 1) * FRAME_S, self._tick)

    def _receive(self, payload: bytes, now: float) -> None:
        message = json.loads(payload)
        if message["type"] == "Metadata":
            self._metadata_at = now
            if abs(message["duration"] - len(self._frames) * FRAME_S) > 0.01:
                self._measured.broken += 1
        if message["type"] != "Results":
            return
        sent = len(self._sent_at) * FRAME_S
        end = message["start"] + message["duration"]
        if self._closing_at is None:
            self._measured.cursor_before.append(sent - self._covered_until_s)
        self._covered_until_s = max(self._covered_until_s, end)
        words = message["channel"]["alternatives"][0]["words"]
        if not message["is_final"]:
            self._measured.cursor.append(sent - end)
            return
        self._measured.words += len(words)
        self.transcript += [word["word"] for word in words]
        if message["speech_final"] and words and self._closing_at is None:
            completing = min(int(end / FRAME_S - 1e-6), len(self._sent_at) - 1)
            self._measured.final.append(now - self._sent_at[completing])


def shuffled(folder: Path, streams: int, seconds: float, pause_s: float) -> list[list[bytes]]:
    """Frames for each stream: all recordings with pauses between, in a different order for each, repeated as needed."""
    spoken = [audio_frames(recording.pcm) for recording in recordings(folder)]
    pause = audio_frames(room_tone(pause_s))
    count = round(seconds / FRAME_S)
    frames = []
    for index in range(streams):
        order = random.Random(index).sample(spoken, len(spoken))
        parts = itertools.chain.from_iterable(itertools.chain(part, pause) for part in itertools.cycle(order))
        frames.append(list(itertools.islice(parts, count)))
    return frames


async def measure(arguments: argparse.Namespace, frames: Sequence[Sequence[bytes]], number: int) -> Figures:
    """One run."""
    flags = ["--workers", str(arguments.workers), "--interim-interval", str(arguments.interim_interval)]
    parameters = {
        "interim_results": "true",
        "punctuate": "true",
        "endpointing": str(arguments.endpointing),
        "model": "nova-3",
    }
    measured = Measurements()
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags) as server:
        streams = [Stream(part, measured) for part in frames]
        for stream in streams:
            await stream.open(server.url, parameters)
        used = await play(server, streams, arguments.seconds, f"run {number}")
    return _figures(measured, used, len(streams))


async def measure_crowd(arguments: argparse.Namespace, frames: Sequence[Sequence[bytes]], number: int) -> Figures:
    """One run in which all clients connect at once."""
    flags = ["--workers", str(arguments.workers), "--interim-interval", str(arguments.interim_interval)]
    parameters = {"interim_results": "true", "punctuate": "true", "endpointing": str(arguments.endpointing)}
    measured, unloaded = Measurements(), Measurements()
    async with serving(arguments.url, arguments.pid, engine=arguments.engine, flags=flags, refuses=True) as server:
        until = asyncio.get_running_loop().time() + arguments.seconds
        with progress_bar() as progress:
            progress.add_task(f"run {number}: {len(frames)} clients at once", total=None)
            attempts = [
                _retry_until_admitted(Stream(part, measured), server, parameters, measured, until) for part in frames
            ]
            streams = await asyncio.gather(*attempts)
            admitted = [(part, stream) for part, stream in zip(frames, streams, strict=True) if stream is not None]
            progress.add_task(f"run {number}: their words without load", total=None)
            wrong = missing = 0
            for part, stream in admitted:
                reference = await _without_load(part, server, parameters, unloaded)
                blocks = SequenceMatcher(None, reference, stream.transcript, autojunk=False).get_matching_blocks()
                missing += len(reference) - sum(block.size for block in blocks)
                wrong += reference != stream.transcript
    return {
        "clients": len(frames),
        "admitted": len(admitted),
        "never admitted": measured.never_admitted,
        "refusals with 429": measured.refused,
        "closed with 1011": measured.codes[1011],
        "streams that did not end with 1000 and all their audio": measured.broken,
        "words in finals": measured.words,
        "words of the unloaded run that are missing": missing,
        "streams whose words differ from the unloaded run": wrong,
        "interims": len(measured.cursor),
        "speech_finals with words": len(measured.final),
        **spread("cursor latency", "s", measured.cursor or [float("nan")]),
        **spread("final latency", "ms", [1000 * value for value in measured.final] or [float("nan")]),
        **spread("tail latency", "ms", [1000 * value for value in measured.tail] or [float("nan")]),
        "load generator lateness p99 ms": 1000 * sorted(measured.late_frames)[int(0.99 * len(measured.late_frames))],
    }


async def _retry_until_admitted(
    stream: Stream, server: Server, parameters: dict[str, str], measured: Measurements, until: float
) -> Stream | None:
    """A client that retries until it is admitted, then sends; returns None if it never is."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await stream.open(server.url, parameters)
            break
        except UpgradeRejected as rejected:
            if rejected.status != 429 or rejected.retry_after_s is None:
                raise
            measured.refused += 1
            if loop.time() + rejected.retry_after_s > until:
                measured.never_admitted += 1
                return None
            await asyncio.sleep(rejected.retry_after_s)
    stream.start(loop.time())
    await stream.ended()
    return stream


async def _without_load(
    frames: Sequence[bytes], server: Server, parameters: dict[str, str], measured: Measurements
) -> list[str]:
    stream = Stream(frames, measured)
    await stream.open(server.url, parameters)
    stream.send_all()
    await stream.closed()
    return stream.transcript


@dataclass(frozen=True, slots=True)
class ResourceUsage:
    """Resource usage while audio was sent: CPU seconds over `wall_s`, memory at the end."""

    wall_s: float
    load_s: float
    front: tuple[Usage, Usage] | None
    workers: tuple[list[Usage], list[Usage]]


async def play(server: Server, streams: Sequence[Stream], seconds: float, title: str) -> ResourceUsage:
    """Start the streams spread over a second, and measure the processes while all of them send."""
    loop = asyncio.get_running_loop()
    begin = loop.time() + 0.2
    for index, stream in enumerate(streams):
        stream.start(begin + index / len(streams))
    ending = [asyncio.create_task(stream.ended()) for stream in streams]
    before_at, before_load = time.monotonic(), time.process_time()
    before_front, before_workers = server.front(), server.workers()
    with progress_bar() as progress:
        task = progress.add_task(f"{title}: {len(streams)} streams", total=seconds)
        while (left := begin + seconds - loop.time()) > 0:
            await asyncio.sleep(min(1.0, left))
            progress.update(task, completed=seconds - left)
        after_front, after_workers = server.front(), server.workers()
        wall, load = time.monotonic() - before_at, time.process_time() - before_load
        await asyncio.gather(*ending)
        progress.update(task, completed=seconds)
    front = None if before_front is None or after_front is None else (before_front, after_front)
    return ResourceUsage(wall, load, front, (before_workers, after_workers))


def _figures(measured: Measurements, used: ResourceUsage, streams: int) -> Figures:
    figures: dict[str, float] = {}
    figures |= spread("cursor latency", "s", measured.cursor)
    figures |= spread("cursor before a result", "s", measured.cursor_before)
    figures |= spread("final latency", "ms", [1000 * value for value in measured.final])
    figures |= spread("tail latency", "ms", [1000 * value for value in measured.tail])
    if used.front is not None:
        front = 100 * (used.front[1].cpu_s - used.front[0].cpu_s) / used.wall_s
        before, after = used.workers
        workers = 100 * sum(late.cpu_s - early.cpu_s for early, late in zip(before, after, strict=False)) / used.wall_s
        figures |= {
            "front CPU, % of a core": front,
            "front CPU per stream, % of a core": front / streams,
            "workers CPU, % of a core": workers,
            "workers CPU per stream, % of a core": workers / streams,
            "front memory, MiB": used.front[1].rss_mib,
            "largest worker's memory, MiB": max((worker.rss_mib for worker in after), default=float("nan")),
        }
    figures |= {
        "load generator CPU, % of a core": 100 * used.load_s / used.wall_s,
        "load generator lateness p99 ms": 1000 * sorted(measured.late_frames)[int(0.99 * len(measured.late_frames))],
        "interims": len(measured.cursor),
        "speech_finals with words": len(measured.final),
        "words in finals": measured.words,
        "streams that did not end with 1000 and all their audio": measured.broken,
    }
    return figures


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="scripted")
    parser.add_argument("--streams", type=above_zero(int), default=16, help="how many at once (default: %(default)s)")
    parser.add_argument(
        "--seconds", type=above_zero(float), default=60.0, help="of audio in each (default: %(default)s)"
    )
    parser.add_argument(
        "--interim-interval", type=above_zero(float), default=1.0, help="of the server that is started, seconds"
    )
    parser.add_argument(
        "--at-once", action="store_true", help="connect all at the same moment and try again on 429, beyond capacity"
    )
    parser.add_argument("--endpointing", type=int, default=300, help="milliseconds (default: %(default)s)")
    parser.add_argument("--pause", type=float, default=0.7, help="seconds between recordings (default: %(default)s)")
    parser.add_argument("--speech", type=Path, default=BUNDLED, help="folder with manifest.jsonl and its recordings")
    arguments = parser.parse_args()
    frames = shuffled(arguments.speech, arguments.streams, arguments.seconds, arguments.pause)
    measure_run = measure_crowd if arguments.at_once else measure
    runs = repeat(arguments.runs, lambda number: run(measure_run(arguments, frames, number)))
    title = f"{arguments.streams} live streams, {arguments.engine if arguments.url is None else arguments.url}"
    publish("live", title, arguments, runs)


if __name__ == "__main__":
    main()
