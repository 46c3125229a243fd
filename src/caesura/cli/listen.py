"""A file in; what a server hears in it, as text or JSON lines, out."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from caesura.cli.failing import errors_as_sentences, fail
from caesura.cli.keys import split_keys
from caesura.cli.stream import Ending, Message, Notice, StreamError, Summary, Target, Transcript, stream
from caesura.protocol.messages import ClientMessage, CloseStream

CHUNK_BYTES = 32 * 1024


def listen(
    file: Annotated[
        Path,
        typer.Argument(
            exists=True, dir_okay=False, readable=True, help="Audio file: WAV, FLAC, MP3, Ogg, WebM, MP4, or raw."
        ),
    ],
    url: Annotated[
        str, typer.Option(envvar="CAESURA_URL", metavar="URL", help="Server to stream to.")
    ] = "ws://127.0.0.1:8080",
    interim: Annotated[
        bool,
        typer.Option(
            "--interim",
            envvar="CAESURA_INTERIM",
            help="Show words before they are final; in a pipe as lines that begin with ~.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="CAESURA_JSON", help="Print each message of the server as a line.")
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_KEY",
            metavar="KEY",
            show_default=False,
            help="API key; rather put it into the variable, because other users can see flags.",
        ),
    ] = None,
    query: Annotated[
        list[str] | None,
        typer.Option(
            "--query",
            "-q",
            envvar="CAESURA_QUERY",
            metavar="NAME=VALUE",
            show_default=False,
            help="Any parameter of the wire, again and again; raw audio needs encoding, sample_rate, channels.",
        ),
    ] = None,
) -> None:
    """Stream a file to a server as fast as it takes it, and print what it hears.

    Ctrl-C stops sending and waits for the last words.
    """
    target = Target(url, next(iter(split_keys([key or ""])), None), _parameters(query or [], interim=interim))
    show = _Show(as_json=as_json, interim=interim, size=file.stat().st_size)
    begun = time.monotonic()
    with errors_as_sentences(), show:
        ending = asyncio.run(_stream_file(file, target, show))
    _report(show, ending, time.monotonic() - begun)


def _parameters(query: list[str], *, interim: bool) -> tuple[tuple[str, str], ...]:
    pairs = []
    for item in query:
        name, separator, value = item.partition("=")
        if not (name and separator):
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE.", param_hint="--query")
        pairs.append((name, value))
    given = {name for name, _ in pairs}
    wanted = {"model": "nova-3", "smart_format": "true", **({"interim_results": "true"} if interim else {})}
    return (*((name, value) for name, value in wanted.items() if name not in given), *pairs)


async def _stream_file(file: Path, target: Target, show: _Show) -> Ending:
    """Stream; the first Ctrl-C ends the sending, the second everything."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)

    with_handler = sys.platform != "win32"
    if with_handler:
        loop.add_signal_handler(signal.SIGINT, interrupted)
    try:
        return await stream(target, _chunks(file, stop, show.sent), show.told)
    finally:
        if with_handler:
            loop.remove_signal_handler(signal.SIGINT)


async def _chunks(file: Path, stop: asyncio.Event, sent: Callable[[int], None]) -> AsyncIterator[bytes | ClientMessage]:
    """The file's bytes as they are, until its end or `stop`, then CloseStream."""
    try:
        with file.open("rb") as audio:
            while not stop.is_set() and (chunk := audio.read(CHUNK_BYTES)):
                yield chunk
                sent(len(chunk))
    except OSError as error:
        raise StreamError(f"{file} cannot be read: {error.strerror}.") from error
    yield CloseStream()


@dataclass(slots=True)
class _Show:
    """What is printed: finals on stdout; on a terminal also a bar and the interims, below the finals."""

    as_json: bool
    interim: bool
    size: int
    words: int = 0
    seconds: float | None = None
    _bar: Progress = field(init=False)
    _screen: Console = field(init=False)
    _live: Live | None = field(init=False, default=None)
    _heard: Text = field(init=False, default_factory=Text)

    def __post_init__(self) -> None:
        self._screen = Console() if sys.stdout.isatty() else Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
        self._bar = Progress(*columns, console=self._screen)
        self._bar.add_task("sent", total=self.size)

    def __enter__(self) -> _Show:
        if self._screen.is_terminal:
            self._live = Live(
                self._picture(),
                console=self._screen,
                transient=True,
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def sent(self, count: int) -> None:
        """`count` more bytes are on their way."""
        self._bar.advance(self._bar.task_ids[0], count)
        self._refresh()

    def told(self, message: Message) -> None:
        """The server said something."""
        match message:
            case Transcript(final=True):
                self._final(message)
            case Transcript():
                self._interim(message)
            case Summary():
                self.seconds = message.duration
            case Notice(type="Error"):
                Console(stderr=True).print(Text(f"The server says: {message.text}", style="yellow"))
            case Notice():
                pass
        if self.as_json:
            self._line(message.raw)

    def _final(self, said: Transcript) -> None:
        self.words += len(said.words)
        self._heard = Text()
        if said.text and not self.as_json:
            self._line(_channel(said) + said.text)
        self._refresh()

    def _interim(self, said: Transcript) -> None:
        self._heard = Text(_channel(said) + said.text, style="dim", overflow="ellipsis", no_wrap=True)
        if said.text and self.interim and not self.as_json and not self._screen_is_stdout():
            self._line(f"~ {_channel(said)}{said.text}")
        self._refresh()

    def _line(self, text: str) -> None:
        """One line on stdout, above what is live."""
        if self._live and self._screen_is_stdout():
            self._live.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            typer.echo(text)

    def _screen_is_stdout(self) -> bool:
        return self._screen.is_terminal and not self._screen.stderr

    def _picture(self) -> RenderableType:
        return Group(self._heard, self._bar) if self._heard else self._bar

    def _refresh(self) -> None:
        if self._live:
            self._live.update(self._picture())


def _channel(said: Transcript) -> str:
    return f"[{said.channel}] " if said.channels > 1 else ""


def _report(show: _Show, ending: Ending, wall: float) -> None:
    """One line on stderr; a stream that did not end as it should fails the command."""
    if show.seconds is not None:
        summary = f"{show.seconds:.1f} s of audio, {show.words} words, in {wall:.1f} s"
        Console(stderr=True).print(Text(summary, style="dim"))
    if ending.code != 1000 or ending.early:
        reason = f": {ending.reason}" if ending.reason else ""
        fail(f"The server closed the stream before its end ({ending.code}{reason}).")
    if show.seconds is None:
        fail("The server closed the stream without Metadata, so words may be missing.")
