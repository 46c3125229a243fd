"""Measures the CPU and memory of live lines against a fake server, with a bare WebSocket client as the floor.

    python bench/client.py --streams 20 --seconds 60 --hours 2

The server is the package's own fake, in a process of its own, so that nothing but the client is measured. The floor is
`websockets` alone, which sends the same frames and reads the same messages, in the same run. For memory, audio is sent
many times faster than it was spoken, pauses and finals included.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import time
from collections.abc import Callable, Coroutine
from multiprocessing.connection import Connection
from pathlib import Path

from report import above_zero, common_arguments, console, percentile, progress_bar, repeat, write
from rich.table import Table
from websockets.asyncio.client import connect as bare_connect

from caesura.client.config import Tuning
from caesura.client.line import connect
from caesura.testing import FakeServer, Voice

RATE = 16_000
FRAME_S = 0.05
FRAME = round(FRAME_S * RATE) * 2
SENTENCE_S = 10.0
STEP_S = 600.0
"""Interval of audio between two readings of memory."""
AHEAD_S = 5.0


def sentence(voice: Voice) -> bytes:
    """Ten seconds of audio: words, and a silence that ends the utterance."""
    said = voice.say(*voice.words)
    return said + voice.silence(SENTENCE_S - len(said) / 2 / RATE)


VOICE = Voice([f"word{number}" for number in range(20)])
AUDIO = sentence(VOICE)


def frames() -> list[bytes]:
    """The sentence as live clients send it."""
    return [AUDIO[at : at + FRAME] for at in range(0, len(AUDIO), FRAME)]


def serve(pipe: Connection) -> None:
    """Run the fake server until the pipe is closed."""
    with FakeServer(VOICE) as server:
        pipe.send(server.url)
        pipe.poll(None)


async def line_once(url: str, seconds: float) -> None:
    """One live line."""
    async with connect(url, model="nova-3", interim_results=True) as line:
        reading = asyncio.create_task(_consume(line.__aiter__()))
        await _paced(seconds, line.send)
        await line.finish()
        await reading


async def bare_once(url: str, seconds: float) -> None:
    """One stream over a bare WebSocket."""
    query = "model=nova-3&interim_results=true&encoding=linear16&sample_rate=16000&channels=1"
    async with bare_connect(f"{url}/v1/listen?{query}", compression=None, ping_interval=None) as socket:
        reading = asyncio.create_task(_consume(socket.__aiter__()))
        loop, pieces, begun = asyncio.get_running_loop(), frames(), time.monotonic()
        for index in range(round(seconds / FRAME_S)):
            await asyncio.sleep(max(begun + index * FRAME_S - loop.time(), 0))
            await socket.send(pieces[index % len(pieces)])
        await socket.send('{"type":"CloseStream"}')
        await reading


async def _paced(seconds: float, send: Callable[[bytes], object]) -> None:
    pieces, begun = frames(), time.monotonic()
    for index in range(round(seconds / FRAME_S)):
        await asyncio.sleep(max(begun + index * FRAME_S - time.monotonic(), 0))
        send(pieces[index % len(pieces)])


async def _consume(items: object) -> None:
    async for _ in items:  # type: ignore[attr-defined]
        pass


async def many(
    one: Callable[[str, float], Coroutine[None, None, None]], url: str, streams: int, seconds: float
) -> None:
    """Run `streams` streams at once, started within one frame, so that they do not all send at the same time."""

    async def later(number: int) -> None:
        await asyncio.sleep(number * FRAME_S / streams)
        await one(url, seconds)

    await asyncio.gather(*(later(number) for number in range(streams)))


def cpu_percent(
    one: Callable[[str, float], Coroutine[None, None, None]], url: str, streams: int, seconds: float
) -> float:
    """CPU of this process for each stream, in percent of a core."""
    before, begun = time.process_time(), time.monotonic()
    asyncio.run(many(one, url, streams, seconds))
    return 100 * (time.process_time() - before) / (time.monotonic() - begun) / streams


async def memory(url: str, hours: float, keep: bool, progress: Callable[[float], None]) -> list[tuple[float, float]]:
    """Resident MiB after hours of audio on one line, which is paused once a minute."""
    figures = []
    tuning = Tuning(keep_transcript=keep)
    async with connect(url, live=True, tuning=tuning, model="nova-3", interim_results=True) as line:
        reading = asyncio.create_task(_consume(line.__aiter__()))
        sent, pieces = 0.0, frames()
        while sent < hours * 3600:
            for piece in pieces:
                line.send(piece)
            sent += SENTENCE_S
            if sent % 60 == 0:
                line.pause()
                line.resume()
            while line.waiting_s > AHEAD_S:  # noqa: ASYNC110  # a bench may poll
                await asyncio.sleep(0.01)
            await asyncio.sleep(0)
            if sent % STEP_S == 0:
                figures.append((sent / 3600, resident_mib()))
                progress(sent)
        transcript = await line.finish(60)
        await reading
    assert transcript.complete, transcript.error
    return figures


def resident_mib() -> float:
    """Resident memory of this process in MiB."""
    for row in Path("/proc/self/status").read_text().splitlines():
        if row.startswith("VmRSS:"):
            return int(row.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Read the arguments, measure, and report."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="none")
    parser.add_argument("--streams", type=above_zero(int), default=20, help="live lines at once (default: %(default)s)")
    parser.add_argument("--seconds", type=above_zero(float), default=30.0, help="of each run (default: %(default)s)")
    parser.add_argument(
        "--hours", type=above_zero(float), default=2.0, help="of audio for memory (default: %(default)s)"
    )
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=serve, args=(there,), daemon=True)
    server.start()
    url = here.recv()
    runs = repeat(arguments.runs, lambda _: measure_cpu(url, arguments.streams, arguments.seconds))
    line, bare = (percentile([run[index] for run in runs], 0.5) for index in (0, 1))
    table = Table(title=f"Client, {arguments.streams} live lines, median of {len(runs)} runs", title_justify="left")
    for column in ("what", "% of a core each"):
        table.add_column(column, justify="right")
    table.add_row("caesura line", f"{line:.3f}")
    table.add_row("bare websockets", f"{bare:.3f}")
    table.add_row("ratio", f"{line / bare:.2f}")
    console.print(table)
    figures = {}
    for keep in (False, True):
        with progress_bar() as bar:
            task = bar.add_task(f"memory, keep_transcript={keep}", total=arguments.hours * 3600)
            progress: Callable[[float], None] = lambda at, bar=bar, task=task: bar.update(task, completed=at)  # type: ignore[misc]  # noqa: E731
            figures[str(keep)] = asyncio.run(memory(url, arguments.hours, keep, progress))
        console.print(f"keep_transcript={keep}: " + ", ".join(f"{h:.2f} h {m:.1f} MiB" for h, m in figures[str(keep)]))
    write("client", arguments, {"line_percent": line, "bare_percent": bare, "memory": figures})
    here.close()
    server.terminate()


def measure_cpu(url: str, streams: int, seconds: float) -> tuple[float, float]:
    """CPU of a line and of a bare socket."""
    return cpu_percent(line_once, url, streams, seconds), cpu_percent(bare_once, url, streams, seconds)


if __name__ == "__main__":
    main()
