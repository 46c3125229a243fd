"""A recording with a pause in the middle in; a server's words on two clocks, and a picture of them, out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Annotated, Protocol

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from caesura.cli.child import running_server
from caesura.cli.failing import errors_as_sentences, fail
from caesura.cli.numbers import seconds
from caesura.cli.picture import ASCII, UNICODE, draw
from caesura.cli.recording import PAUSE_AT_S, Recording, bundled_recording
from caesura.cli.stream import Ending, Message, Notice, Summary, Target, Transcript, stream
from caesura.protocol.messages import ClientMessage, CloseStream, Finalize, KeepAlive
from caesura.timeline import Timeline
from caesura.words import Word

FRAME_S = 0.05
KEEPALIVE_EVERY_S = 4.0
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
    """Hear a recording live, pause it for 12 s held by KeepAlive, go on, and see where each word lies.

    Starts a server of its own on a free port. Leaves with 0 only when words came after the pause.
    """
    screen = Console(highlight=False)
    recording = bundled_recording()
    performance = Performance(Timeline(recording.sample_rate))
    with errors_as_sentences():
        asyncio.run(_perform(screen, recording, engine, pause, performance))
    show_picture(screen, performance)
    if complaint := performance.complaint():
        fail(complaint)


@dataclass(slots=True)
class Performance:
    """What was sent and what came back. Source time 0 is the first sample of audio."""

    timeline: Timeline
    paused_at: int = 0
    """Samples of audio sent before the pause."""
    held: list[float] = field(default_factory=list)
    """Source seconds of the KeepAlives."""
    words: list[Word] = field(default_factory=list)
    """Final words, on the stream clock."""
    seconds: float | None = None
    """Of audio, as the server counted."""
    ending: Ending | None = None

    @property
    def words_after_pause(self) -> int:
        """How many words begin in audio that was sent after the pause."""
        return sum(word.start * self.timeline.sample_rate >= self.paused_at for word in self.words)

    def complaint(self) -> str | None:
        """What went wrong, if anything did."""
        if self.ending is None or self.ending.code != 1000 or self.ending.early:
            code, reason = (self.ending.code, self.ending.reason) if self.ending else (None, "")
            return f"The server closed the stream too early ({code} {reason})."
        if self.seconds is None:
            return "The server closed the stream without Metadata, so words may be missing."
        if not self.words_after_pause:
            return "No words came after the pause."
        return None


class Clock(Protocol):
    """Seconds since the first sample, and a way to wait for one of them."""

    def now(self) -> float:
        """Seconds since the start."""
        ...

    async def until(self, at: float) -> None:
        """Return at `at`, or at once when it has passed."""
        ...


class WallClock:
    """The real one; starts when it is first asked."""

    def __init__(self) -> None:
        self._begun: float | None = None

    def now(self) -> float:
        """Seconds since it was first asked."""
        time = asyncio.get_running_loop().time()
        if self._begun is None:
            self._begun = time
        return time - self._begun

    async def until(self, at: float) -> None:
        """Sleep until `at`."""
        await asyncio.sleep(max(at - self.now(), 0.0))


async def _perform(screen: Console, recording: Recording, engine: str, pause: float, performance: Performance) -> None:
    screen.print(f"Starting a server with the {engine} engine ...")
    async with running_server(engine, flags=["--workers", "1"]) as server:
        clock = WallClock()
        with Story(screen, performance, clock) as story:
            target = Target(server.url, parameters=_parameters(recording))
            feed = play(recording, pause, performance, story, clock)
            performance.ending = await stream(target, feed, story.told)


def _parameters(recording: Recording) -> tuple[tuple[str, str], ...]:
    return (
        ("model", "nova-3"),
        ("encoding", "linear16"),
        ("sample_rate", str(recording.sample_rate)),
        ("interim_results", "true"),
        ("smart_format", "true"),
        ("endpointing", "300"),
    )


async def play(
    recording: Recording, pause: float, performance: Performance, story: Story, clock: Clock
) -> AsyncIterator[bytes | ClientMessage]:
    """What a live client would send: audio as it is captured, KeepAlive while it is paused, CloseStream."""
    rate = recording.sample_rate
    performance.paused_at = round(PAUSE_AT_S * rate)
    story.note("audio starts, in frames of 50 ms")
    async for frame in _frames(recording, 0, performance.paused_at, 0, performance.timeline, clock):
        yield frame
    story.note(f"pause of {pause:g} s: Finalize, then KeepAlive every {KEEPALIVE_EVERY_S:g} s")
    yield Finalize()
    for count in range(1, int(pause / KEEPALIVE_EVERY_S) + 1):
        at = PAUSE_AT_S + count * KEEPALIVE_EVERY_S
        if at < PAUSE_AT_S + pause:
            await clock.until(at)
            performance.held.append(at)
            story.note("KeepAlive; stream time stands still")
            yield KeepAlive()
    await clock.until(PAUSE_AT_S + pause)
    story.note("audio goes on")
    shift = round(pause * rate)
    async for frame in _frames(recording, performance.paused_at, recording.samples, shift, performance.timeline, clock):
        yield frame
    story.note("CloseStream")
    yield CloseStream()


async def _frames(
    recording: Recording, first: int, last: int, shift: int, timeline: Timeline, clock: Clock
) -> AsyncIterator[bytes]:
    """Samples `first` to `last`, each frame when its last sample has been captured, `shift` samples late."""
    step = round(FRAME_S * recording.sample_rate)
    for start in range(first, last, step):
        end = min(start + step, last)
        await clock.until((end + shift) / recording.sample_rate)
        timeline.sent(end - start, start + shift)
        yield recording.pcm[2 * start : 2 * end]


class Story:
    """Prints what happens as it happens, wall clock and stream time side by side."""

    def __init__(self, screen: Console, performance: Performance, clock: Clock) -> None:
        self._screen = screen
        self._performance = performance
        self._clock = clock
        self._live: Live | None = None

    def __enter__(self) -> Story:
        self._screen.print(self._row("wall", "stream", Text("what happens"), "bold"))
        if self._screen.is_terminal:
            self._live = Live(Text(), console=self._screen, transient=True)
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def note(self, what: str) -> None:
        """The client did something."""
        timeline = self._performance.timeline
        self._print(f"{timeline.stream_samples / timeline.sample_rate:.2f}", Text(what), "magenta")

    def told(self, message: Message) -> None:
        """The server said something."""
        match message:
            case Transcript(text=""):
                pass
            case Transcript(final=True):
                self._performance.words += message.words
                self._interim(None)
                self._print(self._range(message), Text(message.text), "bold green")
            case Transcript():
                self._interim(message)
            case Summary():
                self._performance.seconds = message.duration
                said = f"Metadata: {message.duration:g} s of audio counted, nothing of the pause"
                self._print(f"{message.duration:.2f}", Text(said), "magenta")
            case Notice():
                self._print("", Text(f"{message.type} {message.text}"), "yellow")

    def _interim(self, said: Transcript | None) -> None:
        """Interims are overwritten on a terminal; elsewhere each has its line."""
        if said and not self._live:
            self._print(self._range(said), Text(f"~ {said.text}"), "dim")
        elif said and self._live:
            text = Text(said.text, no_wrap=True, overflow="ellipsis")
            self._live.update(self._row(self._wall(), self._range(said), text, "dim"), refresh=True)
        elif self._live:
            self._live.update(Text(), refresh=True)

    def _range(self, said: Transcript) -> str:
        return f"{said.start:.2f}-{said.start + said.duration:.2f}"

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


def show_picture(screen: Console, performance: Performance) -> None:
    """Draw what happened on the wall clock's axis, as wide as `screen` is."""
    if not performance.timeline.spans:
        return
    screen.print()
    rows = draw(
        performance.timeline,
        performance.held,
        performance.words,
        width=min(screen.width, WIDEST_PICTURE),
        marks=UNICODE if _unicode(screen) else ASCII,
    )
    for row in rows:
        screen.print(Text(str(row), style=row.style), no_wrap=True, crop=True)
    screen.print()
    screen.print(
        Text(f"{performance.words_after_pause} words came after the pause, on a stream clock that did not count it.")
    )


def _unicode(screen: Console) -> bool:
    return screen.encoding.lower().startswith("utf")
