"""The demo command: plays a recording with a pause to a server, and draws its words on both clocks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from math import inf
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from caesura.bundled_recording import PAUSE_AT_S, BundledRecording, bundled_recording
from caesura.cli.child import running_server
from caesura.cli.errors import fail, report_errors
from caesura.cli.numbers import seconds
from caesura.cli.picture import ASCII, UNICODE, draw
from caesura.client.events import (
    Event,
    Final,
    Gap,
    Interim,
    Notice,
    Reconnected,
    Reconnecting,
    Sent,
    Stats,
    TimedWord,
    Transcript,
)
from caesura.client.line import Line, connect
from caesura.timeline import Timeline

FRAME_S = 0.05
WIDEST_PICTURE = 100


def demo(
    pause: Annotated[
        float,
        typer.Option(
            envvar="CAESURA_PAUSE",
            parser=seconds(0, 3600),
            metavar="SECONDS",
            help="How long the pause lasts; without KeepAlive the server would close the stream after 10.",
        ),
    ] = 12.0,
    engine: Annotated[
        str, typer.Option(envvar="CAESURA_ENGINE", metavar="NAME", help="moonshine or scripted, as for serve.")
    ] = "moonshine",
) -> None:
    """Stream a recording live, pause for 12 s held by KeepAlive, resume, and show where each word lies.

    Starts a server of its own on a free port. Exits with 0 only if words came after the pause.
    """
    screen = Console(highlight=False)
    recording = bundled_recording()
    with report_errors():
        run = asyncio.run(_run_demo(screen, recording, engine, pause))
    show_picture(screen, run)
    if complaint := run.complaint():
        fail(complaint)


@dataclass(slots=True)
class DemoRun:
    """Audio sent and results received. Source time 0 is the first sample of audio."""

    timeline: Timeline
    keepalives: list[float] = field(default_factory=list)
    """Source seconds of the KeepAlives."""
    words: list[TimedWord] = field(default_factory=list)
    """Words of finals."""
    transcript: Transcript | None = None

    @property
    def paused_at(self) -> float:
        """Stream seconds at which the pause began; infinite without one."""
        spans = self.timeline.spans
        return spans[1].stream / self.timeline.sample_rate if len(spans) > 1 else inf

    @property
    def words_after_pause(self) -> int:
        """Number of words that begin in audio sent after the pause, or of all words without one."""
        border = 0.0 if self.paused_at == inf else self.paused_at
        return sum(word.stream_start >= border for word in self.words)

    def complaint(self) -> str | None:
        """A sentence about what went wrong; None when nothing did."""
        if self.transcript is None or not self.transcript.complete:
            error = self.transcript.error if self.transcript else None
            return str(error or "The server closed the stream before it had sent everything.")
        if not self.words_after_pause:
            return "No words came after the pause."
        return None


class DemoClock(Protocol):
    """Clock that counts seconds since the first sample and can wait for a time."""

    def now(self) -> float:
        """Seconds since the start."""
        ...

    async def until(self, at: float) -> None:
        """Return at the time `at`, or at once when it has passed."""
        ...


class WallClock:
    """Real clock; starts at the first call of `now`."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def now(self) -> float:
        """Seconds since the first call."""
        time = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = time
        return time - self._begun

    async def until(self, at: float) -> None:
        """Sleep until `at`."""
        await asyncio.sleep(max(at - self.now(), 0.0))


class PausableLine(Protocol):
    """The methods of `caesura.Line` that the demo uses."""

    def send(self, audio: bytes) -> Sent:
        """Send audio, as `caesura.Line.send` does."""
        ...

    def pause(self) -> None:
        """Begin a pause, as `caesura.Line.pause` does."""
        ...

    def resume(self) -> None:
        """End the pause, as `caesura.Line.resume` does."""
        ...

    @property
    def stats(self) -> Stats:
        """Return the statistics of the line, as `caesura.Line.stats` does."""
        ...


async def _run_demo(screen: Console, recording: BundledRecording, engine: str, pause: float) -> DemoRun:
    screen.print(f"Starting a server with the {engine} engine ...")
    async with running_server(engine, flags=["--workers", "1"]) as server:
        clock = WallClock()
        line = connect(
            server.url,
            sample_rate=recording.sample_rate,
            model="nova-3",
            interim_results=True,
            smart_format=True,
            endpointing=300,
        )
        async with line:
            assert line.timeline is not None
            run = DemoRun(line.timeline)
            with DemoLog(screen, run, clock) as log:
                playing = asyncio.create_task(_play(line, recording, pause, log, clock))
                async for event in line:
                    log.event(event)
                await playing
            run.transcript = await line.finish()
    return run


async def _play(line: Line, recording: BundledRecording, pause: float, log: DemoLog, clock: DemoClock) -> None:
    """Play the recording, and finish the line also after an error."""
    try:
        await play(line, recording, pause, log, clock)
    finally:
        await line.finish()


async def play(line: PausableLine, recording: BundledRecording, pause: float, log: DemoLog, clock: DemoClock) -> None:
    """Send audio as a live program captures it, pause, and resume."""
    border = round(PAUSE_AT_S * recording.sample_rate)
    log.note("audio starts, in frames of 50 ms")
    await _send(line, recording, 0, border, 0.0, clock)
    if pause > 0:
        log.note(f"pause of {pause:g} s: Finalize, then KeepAlive every 4 s")
        line.pause()
        await _wait_in_pause(line, PAUSE_AT_S + pause, log, clock)
        line.resume()
        log.note("audio resumes")
    await _send(line, recording, border, recording.samples, pause, clock)
    log.note("Finalize and CloseStream")


async def _wait_in_pause(line: PausableLine, until: float, log: DemoLog, clock: DemoClock) -> None:
    """Wait; the line sends KeepAlives by itself."""
    seen = line.stats.keepalives
    while clock.now() < until:
        await clock.until(min(clock.now() + FRAME_S, until))
        if (count := line.stats.keepalives) > seen:
            seen = count
            log.keepalive()


async def _send(
    line: PausableLine, recording: BundledRecording, first: int, last: int, shift: float, clock: DemoClock
) -> None:
    """Samples `first` to `last`, each frame when its last sample has been captured, `shift` seconds late."""
    step = round(FRAME_S * recording.sample_rate)
    for start in range(first, last, step):
        end = min(start + step, last)
        await clock.until(end / recording.sample_rate + shift)
        line.send(recording.pcm[2 * start : 2 * end])


class DemoLog:
    """Prints events as they happen, with wall clock and stream time side by side."""

    def __init__(self, screen: Console, run: DemoRun, clock: DemoClock) -> None:
        self._screen = screen
        self._run = run
        self._clock = clock
        self._live: Live | None = None

    def __enter__(self) -> DemoLog:
        self._screen.print(self._row("wall", "stream", Text("what happens"), "bold"))
        if self._screen.is_terminal:
            self._live = Live(Text(), console=self._screen, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, what: str) -> None:
        """Print an action of the client."""
        timeline = self._run.timeline
        self._print(f"{timeline.stream_samples / timeline.sample_rate:.2f}", Text(what), "magenta")

    def keepalive(self) -> None:
        """Record and print a KeepAlive."""
        self._run.keepalives.append(self._clock.now())
        self.note("KeepAlive; stream time stands still")

    def event(self, event: Event) -> None:
        """Print an event of the line."""
        match event:
            case Final(text="") | Interim(text=""):
                pass
            case Final():
                self._run.words += event.words
                self._interim(None)
                self._print(self._range(event), Text(event.text), "bold green")
            case Interim():
                self._interim(event)
            case Stats(provider_s=seconds) if seconds is not None:
                note = f"Metadata: {seconds:g} s of audio counted, nothing of the pause"
                self._print(f"{seconds:.2f}", Text(note), "magenta")
            case Notice() | Reconnecting() | Reconnected() | Gap():
                self._print("", Text(str(event)), "yellow")
            case _:
                pass

    def _interim(self, segment: Interim | None) -> None:
        """Overwrite the last interim on a terminal; elsewhere each has a line of its own."""
        if segment and not self._live:
            self._print(self._range(segment), Text(f"~ {segment.text}"), "dim")
        elif segment and self._live:
            text = Text(segment.text, no_wrap=True, overflow="ellipsis")
            self._live.update(self._row(self._wall(), self._range(segment), text, "dim"), refresh=True)
        elif self._live:
            self._live.update(Text(), refresh=True)

    def _range(self, segment: Interim | Final) -> str:
        return f"{segment.stream_start:.2f}-{segment.stream_end:.2f}"

    def _wall(self) -> str:
        return f"{self._clock.now():.1f} s"

    def _print(self, stream_time: str, what: Text, style: str) -> None:
        self._screen.print(self._row(self._wall(), stream_time, what, style))

    def _row(self, wall: str, stream_time: str, what: Text, style: str) -> Table:
        row = Table.grid(padding=(0, 1))
        row.add_column(width=7, justify="right")
        row.add_column(width=12, justify="right")
        row.add_column()
        what.stylize(style)
        row.add_row(wall, stream_time, what)
        return row


def show_picture(screen: Console, run: DemoRun) -> None:
    """Draw the run along the wall clock, as wide as `screen`."""
    if not run.timeline.spans:
        return
    screen.print()
    rows = draw(
        run.timeline,
        run.keepalives,
        run.words,
        width=min(screen.width, WIDEST_PICTURE),
        marks=UNICODE if _unicode(screen) else ASCII,
    )
    for row in rows:
        screen.print(Text(str(row), style=row.style), no_wrap=True, crop=True)
    screen.print()
    screen.print(Text(f"{run.words_after_pause} words came after the pause, on a stream clock that did not count it."))


def _unicode(screen: Console) -> bool:
    return screen.encoding.lower().startswith("utf")
