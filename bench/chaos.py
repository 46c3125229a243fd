"""Bench of a line on a failing network, compared with a line on a steady connection.

    python bench/chaos.py --speech DIR --minutes 30

Two lines send the same audio at the same time to servers of their own, in real time: one over a steady connection,
one whose connection is reset, goes dead while open, or loses its server every 5 to 40 s. Nothing may be lost, no word
may come twice, and every word must have the same time as on the steady line.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import av

with warnings.catch_warnings():
    # whisper_normalizer's sources have escapes for which newer Pythons warn.
    warnings.simplefilter("ignore")
    import jiwer
    from whisper_normalizer.english import EnglishTextNormalizer

from report import common_arguments, console, progress_bar, write

from caesura.client.events import Final, Gap, Reconnected, Reconnecting, TimedWord, Transcript
from caesura.client.line import Line, connect
from caesura.errors import CaesuraError
from caesura.testing.relay import Relay

RATE = 16_000
FRAME_S = 0.05
FRAME_BYTES = round(FRAME_S * RATE) * 2
READY_S = 120.0
_NORMALISE = EnglishTextNormalizer()
TOLERANCE_S = 0.05
"""Largest shift of a word between the two lines."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Audio to be captured, and the stretches of it, in frames, during which the line is paused."""

    frames: tuple[bytes, ...]
    pauses: tuple[tuple[int, int], ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.frames) * FRAME_S


def lay_out(recordings: Sequence[bytes], minutes: float, chance: random.Random) -> Layout:
    """Recordings in random order with silences between them, and a pause of 2 to 15 s after about every third."""
    frames: list[bytes] = []
    pauses: list[tuple[int, int]] = []
    while len(frames) * FRAME_S < minutes * 60:
        frames += _frames(chance.choice(recordings) + bytes(2 * round(chance.uniform(0.6, 2.0) * RATE)))
        if chance.random() < 0.35:
            length = round(chance.uniform(2.0, 15.0) / FRAME_S)
            pauses.append((len(frames), len(frames) + length))
            frames += [bytes(FRAME_BYTES)] * length
    return Layout(tuple(frames), tuple(pauses))


def _frames(pcm: bytes) -> list[bytes]:
    return [pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0") for at in range(0, len(pcm), FRAME_BYTES)]


def read_recordings(folder: Path) -> list[bytes]:
    """All recordings of the folder's manifest, as mono linear16 at 16 kHz."""
    names = [json.loads(line)["file"] for line in (folder / "manifest.jsonl").read_text().splitlines() if line]
    return [_pcm(folder / name) for name in names]


def _pcm(file: Path) -> bytes:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(str(file)) as opened:
        frames = [out for frame in opened.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    return b"".join(bytes(frame.planes[0])[: 2 * frame.samples] for frame in frames)


# ---- servers ----


@dataclass(slots=True)
class Served:
    """A server process on a port of its own that can be killed and restarted."""

    flags: tuple[str, ...]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """ws://host:port."""
        return f"ws://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        # Nothing but this bench asks whether it is ready.
        flags = ("--port", str(self.port), "--drain-delay", "0", *self.flags)
        command = [sys.executable, "-m", "caesura", "serve", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_S
        while not self._is_ready():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError(f"the server did not start: {' '.join(command)}")
            time.sleep(0.1)

    def stop(self, *, kindly: bool = True) -> None:
        """Stop it with SIGTERM, which closes connections gracefully, or with SIGKILL."""
        if self.process is not None:
            (self.process.terminate if kindly else self.process.kill)()
            self.process.wait()

    def restart(self, *, kindly: bool) -> None:
        """Stop and restart it."""
        self.stop(kindly=kindly)
        self.start()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def served(*flags: str) -> Iterator[Served]:
    """A running server on a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        server = Served(flags, int(probe.getsockname()[1]))
    try:
        server.start()
        yield server
    finally:
        server.stop()


# ---- the two lines ----


@dataclass(slots=True)
class Outcome:
    """Transcripts of both lines, and the faults of the second one."""

    steady: Transcript
    broken: Transcript
    faults: dict[str, int] = field(default_factory=dict)
    detections_s: list[float] = field(default_factory=list)
    """Seconds from each fault until the line's Reconnecting event."""
    outages_s: list[float] = field(default_factory=list)

    @property
    def differences(self) -> list[tuple[str, str]]:
        """Pairs of words of the steady and the broken line that differ; "" where one is missing."""
        pairs = _aligned(self.steady.words, self.broken.words)
        return [(a.text if a else "", b.text if b else "") for a, b in pairs if not (a and b and a.text == b.text)]

    @property
    def words_apart(self) -> float:
        """Word error rate of the broken line with the steady one as reference, after normalising, in percent.

        It is not 0 with an engine whose output depends on where a segment is cut: the voice activity detection of a new
        connection lacks the state of the old one's, and may cut a frame earlier or later.
        """
        return 100 * float(jiwer.wer(*(_NORMALISE(each.text) for each in (self.steady, self.broken))))

    @property
    def shifts_s(self) -> list[float]:
        """Shift of each word between the two lines, for words on both."""
        pairs = _aligned(self.steady.words, self.broken.words)
        return [abs((a.source_start or 0) - (b.source_start or 0)) for a, b in pairs if a and b and a.text == b.text]


def _aligned(
    steady: Sequence[TimedWord], broken: Sequence[TimedWord]
) -> list[tuple[TimedWord | None, TimedWord | None]]:
    """Align both lines by time: words that overlap by most of the shorter one are the same word."""
    pairs: list[tuple[TimedWord | None, TimedWord | None]] = []
    one, two = 0, 0
    while one < len(steady) or two < len(broken):
        a = steady[one] if one < len(steady) else None
        b = broken[two] if two < len(broken) else None
        if a and b and _middle(a) > _start(b) - 0.15 and _middle(b) > _start(a) - 0.15 and _near(a, b):
            pairs.append((a, b))
            one, two = one + 1, two + 1
        elif b is None or (a is not None and _start(a) <= _start(b)):
            pairs.append((a, None))
            one += 1
        else:
            pairs.append((None, b))
            two += 1
    return pairs


def _near(a: TimedWord, b: TimedWord) -> bool:
    return abs(_middle(a) - _middle(b)) < 0.3


def _start(word: TimedWord) -> float:
    assert word.source_start is not None
    return word.source_start


def _middle(word: TimedWord) -> float:
    assert word.source_end is not None
    return (_start(word) + word.source_end) / 2


async def run_both(
    layout: Layout,
    chance: random.Random,
    flags: Sequence[str],
    *,
    every_s: tuple[float, float] = (5.0, 40.0),
    finish_s: float = 60.0,
    progress: Callable[[float], None] = lambda _: None,
) -> Outcome:
    """Stream `layout` over both lines, break one of them after each random time, and return the results of both.

    After the audio, a line has `finish_s` to come to its end.
    """
    with served(*flags) as calm, served(*flags) as harried, Relay(harried.url) as relay:
        parameters = {"model": "nova-3", "interim_results": True, "smart_format": True, "endpointing": 300}
        async with connect(calm.url, **parameters) as steady, connect(relay.url, **parameters) as broken:  # type: ignore[arg-type]
            watch = Watch(broken)
            breaking = asyncio.create_task(break_now_and_then(relay, harried, chance, watch, every_s))
            watching = asyncio.create_task(watch.run())
            async for index in ticks(len(layout.frames)):
                for line in (steady, broken):
                    play_frame(line, layout, index)
                progress(index * FRAME_S)
            breaking.cancel()
            with suppress(asyncio.CancelledError):
                await breaking
            heard = await asyncio.gather(steady.finish(finish_s), broken.finish(finish_s))
            await watching
    return Outcome(*heard, watch.faults, watch.detections_s, watch.outages_s)


async def ticks(count: int) -> AsyncIterator[int]:
    """Yields 0, 1, ..., each when its frame has been captured."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for index in range(count):
        await asyncio.sleep(max(begun + (index + 1) * FRAME_S - loop.time(), 0))
        yield index


def play_frame(line: Line, layout: Layout, index: int) -> None:
    """Pause and resume both lines as a mute button does."""
    if any(start == index for start, _ in layout.pauses):
        line.pause()
    if any(end == index for _, end in layout.pauses):
        line.resume()
    line.send(layout.frames[index])


class Watch:
    """Collects the events of the broken line."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._broken_at: float | None = None
        self.faults: dict[str, int] = {}
        self.detections_s: list[float] = []
        self.outages_s: list[float] = []
        self.lost: list[Gap] = []

    def broke(self, fault: str) -> None:
        """Note a fault that was just caused."""
        self.faults[fault] = self.faults.get(fault, 0) + 1
        self._broken_at = time.monotonic()

    async def run(self) -> None:
        """Read events until the line is closed; its error is in the transcript."""
        with suppress(CaesuraError):
            await self._watch()

    async def _watch(self) -> None:
        async for event in self._line:
            match event:
                case Reconnecting(attempt=1) if self._broken_at is not None:
                    self.detections_s.append(time.monotonic() - self._broken_at)
                    self._broken_at = None
                case Reconnected(outage_s=outage_s):
                    self.outages_s.append(outage_s)
                case Gap():
                    self.lost.append(event)
                case Final():
                    pass


async def break_now_and_then(
    relay: Relay, server: Served, chance: random.Random, watch: Watch, every_s: tuple[float, float]
) -> None:
    """Cause faults: a reset, a connection that goes dead while open, or a restart of the server."""
    while True:
        await asyncio.sleep(chance.uniform(*every_s))
        fault = chance.choice(["reset", "half open", "restart", "kill"])
        watch.broke(fault)
        match fault:
            case "reset":
                await asyncio.to_thread(relay.cut)
            case "half open":
                await asyncio.to_thread(relay.stall)
            case _:
                await asyncio.to_thread(server.restart, kindly=fault == "restart")


# ---- the bench ----


def main() -> None:
    """Read the arguments, measure, and report."""
    import argparse

    from rich.table import Table

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    common_arguments(parser, engine="moonshine")
    here = Path(__file__).parent.parent / "tests" / "data"
    parser.add_argument("--speech", type=Path, default=here, help="folder with manifest.jsonl and its recordings")
    parser.add_argument("--minutes", type=float, default=30.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="for the layout and the faults (default: %(default)s)")
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    layout = lay_out(read_recordings(arguments.speech), arguments.minutes, chance)
    flags = ("--engine", arguments.engine, "--workers", "1")
    with progress_bar() as bar:
        task = bar.add_task("audio seconds", total=layout.seconds)
        progress: Callable[[float], None] = lambda at: bar.update(task, completed=at)  # noqa: E731  # one line is enough
        outcome = asyncio.run(run_both(layout, chance, flags, progress=progress))
    table = Table(title=f"{layout.seconds / 60:.1f} minutes, {len(layout.pauses)} pauses", title_justify="left")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for what, figure in rows(outcome):
        table.add_row(what, figure)
    console.print(table)
    for pair in outcome.differences:
        console.print(f"steady {pair[0]!r}, broken {pair[1]!r}")
    write("chaos", arguments, dict(rows(outcome)))


def rows(outcome: Outcome) -> list[tuple[str, str]]:
    """Figures as printed."""
    shifts = sorted(outcome.shifts_s) or [0.0]
    stats = outcome.broken.stats
    return [
        ("faults", ", ".join(f"{count} x {fault}" for fault, count in sorted(outcome.faults.items()))),
        ("reconnects", str(stats.reconnects)),
        ("found after, median / max s", _median_max(outcome.detections_s)),
        ("outage, median / max s", _median_max(outcome.outages_s)),
        ("audio sent again, s", f"{stats.replayed_s:.1f} of {stats.audio_sent_s:.1f}"),
        ("lost, s", f"{stats.lost_s:.3f}"),
        ("words, steady / broken", f"{len(outcome.steady.words)} / {len(outcome.broken.words)}"),
        ("words that differ in any way", str(len(outcome.differences))),
        ("word errors, normalised, %", f"{outcome.words_apart:.2f}"),
        ("shift of a word, median / p99 / max ms", " / ".join(f"{1000 * s:.1f}" for s in _spread(shifts))),
    ]


def _median_max(values: Sequence[float]) -> str:
    ordered = sorted(values) or [0.0]
    return f"{ordered[len(ordered) // 2]:.2f} / {ordered[-1]:.2f}"


def _spread(ordered: Sequence[float]) -> tuple[float, float, float]:
    return ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)], ordered[-1]


if __name__ == "__main__":
    main()
