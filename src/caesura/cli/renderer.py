"""Renders events of a line: the transcript on stdout in one of four formats, and its state on a terminal."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Self

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from caesura.cli.captions import Captions
from caesura.cli.json_lines import json_line
from caesura.client.events import (
    Event,
    Final,
    Gap,
    Interim,
    Notice,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
)


class OutputFormat(StrEnum):
    """Format of stdout."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


class Renderer:
    """Writes words to stdout; on a terminal also interims and a progress bar below them."""

    def __init__(self, output: OutputFormat, *, interim: bool, seconds: float | None) -> None:
        """`interim`: print interims as lines where nothing can be overwritten. `seconds`: length of all audio."""
        self._output = output
        self._interim = interim
        self._captions = Captions(vtt=output is OutputFormat.VTT)
        # If stdout is the terminal, the bar is drawn below the words; if it is a pipe, the bar goes to stderr.
        # Not rich's is_terminal: FORCE_COLOR makes that true for a pipe, too.
        self._screen_is_stdout = sys.stdout.isatty()
        self._notes_on_screen = sys.stderr.isatty()
        self._screen = Console(stderr=not self._screen_is_stdout, highlight=False)
        self._notes = Console(stderr=True, highlight=False)
        self._interims: dict[int, Text] = {}
        """Newest interim of each channel."""
        self._bar = _bar(self._screen, with_length=seconds is not None)
        self._task = self._bar.add_task("", total=seconds, state="")
        self._live: Live | None = None
        self._why = ""
        """Reason in the last note about this outage."""
        self.words = 0

    def __enter__(self) -> Self:
        if opening := self._captions.opening():
            self._write(opening)
        if self._screen_is_stdout or self._notes_on_screen:
            self._live = Live(
                get_renderable=self._live_view,
                console=self._screen,
                transient=True,
                refresh_per_second=8,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            # Drawn at once: rich leaves a bar on the screen that its thread draws first while another thread prints.
            self._live.start(refresh=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show_progress(self, seconds: float | None, state: str = "") -> None:
        """Show how many seconds of audio were sent, None if that is not known, and the state of the line."""
        sent = "" if seconds is None else f"{seconds:7.1f} s"
        self._bar.update(self._task, completed=seconds, description=sent, state=state)

    def render(self, event: Event) -> None:
        """Render an event of the line."""
        match event:
            case Final(channel=channel):
                self.words += len(event.words)
                self._interims.pop(channel, None)
            case Interim(channel=channel):
                self._interims[channel] = Text(_channel(event) + event.text, style="dim")
            case _:
                pass
        self._print(event)
        self._note(event)

    def _print(self, event: Event) -> None:
        match self._output, event:
            case OutputFormat.JSON, _:
                if self._interim or not isinstance(event, Interim):
                    self._write(json_line(event) + "\n")
            case OutputFormat.TEXT, Final(text=text) if text:
                self._write(f"{_channel(event)}{text}\n")
            case OutputFormat.TEXT, Interim(text=text) if text and self._interim and not self._screen_is_stdout:
                self._write(f"~ {_channel(event)}{text}\n")
            case ((OutputFormat.SRT | OutputFormat.VTT), Final()):
                for cue in self._captions.write(event):
                    self._write(cue)
            case _:
                pass

    def _note(self, event: Event) -> None:
        """Print a note for the user on stderr."""
        match event:
            case Reconnecting(attempt, delay_s, why):
                self._print_note(f"{self._outage(why)} Audio is kept; attempt {attempt} in {delay_s:.1f} s.", "yellow")
            case Reconnected(_, _, outage_s, replay_s):
                self._why = ""
                again = f"{replay_s:.1f} s of audio are sent late or again"
                self._print_note(f"Connected again after {outage_s:.1f} s; {again}.", "green")
            case Gap(start, end, why):
                which = "Some audio" if start is None or end is None else f"Audio from {start:.2f} to {end:.2f} s"
                self._print_note(f"{which} is lost: {why}.", "red")
            case Paused():
                self._print_note("Paused; KeepAlive holds the line.", "magenta")
            case Resumed(_, seconds):
                self._print_note(f"Resumed after {seconds:.1f} s.", "magenta")
            case Notice(type="Error", text=text):
                self._print_note(f"The server says: {text}", "yellow")
            case _:
                pass

    def _outage(self, why: str) -> str:
        """Note on why there is no connection; shortened when the last note gave the same reason."""
        before, self._why = self._why, why
        if not before:
            return f"Connection lost: {why.rstrip('.')}."
        return "Still no connection." if before == why else f"No connection: {why.rstrip('.')}."

    def _print_note(self, sentence: str, style: str) -> None:
        console = self._live.console if self._live and self._notes_on_screen else self._notes
        console.print(Text(sentence, style=style), soft_wrap=not self._notes_on_screen)

    def _write(self, text: str) -> None:
        """Write text to stdout, above the live display."""
        if self._live and self._screen_is_stdout:
            # Prose is wrapped between words; machine-readable output is not.
            self._live.console.print(Text(text), end="", soft_wrap=self._output is not OutputFormat.TEXT)
        else:
            typer.echo(text, nl=False)

    def _live_view(self) -> RenderableType:
        return Group(*(interim for _, interim in sorted(self._interims.items()) if interim), self._bar)


def _bar(screen: Console, *, with_length: bool) -> Progress:
    """Progress display; without a known length it has no bar."""
    state = TextColumn("{task.fields[state]}", style="dim", markup=False)
    bar = (BarColumn(30), TaskProgressColumn()) if with_length else ()
    return Progress(TextColumn("{task.description}", markup=False), *bar, state, console=screen)


def _channel(segment: Final | Interim) -> str:
    return f"[{segment.channel}] " if segment.channels > 1 else ""
