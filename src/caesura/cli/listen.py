"""The listen command: streams a microphone, file, pipe or URL to a server and prints the transcript."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from caesura.cli.errors import fail, report_errors
from caesura.cli.key_list import split_keys
from caesura.cli.renderer import OutputFormat, Renderer
from caesura.client.config import Credentials, DeclaredAudio, Tuning, configure_line
from caesura.client.events import Stats, Transcript
from caesura.client.line import Line
from caesura.client.microphone import microphone
from caesura.client.pcm import SAMPLE_BYTES
from caesura.client.recording import recording
from caesura.client.sources import AudioSource
from caesura.errors import BadCredentials, CaesuraError, Unreachable

MICROPHONE = "mic"
SHOWN_EVERY_S = 0.2
ROUNDING_S = 0.01
PROVIDER_KEYS = {"deepgram": "DEEPGRAM_API_KEY"}
"""Services whose key has an environment variable of its own."""


def listen(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="What to transcribe: a file, an http(s) URL, - for stdin, or mic. WAV needs nothing else; MP3, FLAC, "
            "Ogg, WebM and MP4 are decoded when the extra 'audio' is installed, and sent as they are when it is not.",
        ),
    ],
    url: Annotated[
        str, typer.Option(envvar="CAESURA_URL", metavar="URL", help="Server to stream to, or: deepgram.")
    ] = "ws://127.0.0.1:8080",
    realtime: Annotated[
        bool,
        typer.Option(
            "--realtime",
            envvar="CAESURA_REALTIME",
            help="Send a file in real time, as if it were live, and not as fast as the server accepts it.",
        ),
    ] = False,
    output: Annotated[
        OutputFormat, typer.Option("--format", envvar="CAESURA_FORMAT", help="What stdout is written in.")
    ] = OutputFormat.TEXT,
    as_json: Annotated[
        bool, typer.Option("--json", envvar="CAESURA_JSON", help="Short for --format json: each event is a line.")
    ] = False,
    interim: Annotated[
        bool,
        typer.Option(
            "--interim",
            envvar="CAESURA_INTERIM",
            help="Words before they are final, too; in a pipe as lines that begin with ~.",
        ),
    ] = False,
    key: Annotated[
        str | None,
        typer.Option(
            envvar="CAESURA_KEY",
            metavar="KEY",
            show_default=False,
            help="API key; rather put it into the variable, because other users can see flags. "
            "For --url deepgram DEEPGRAM_API_KEY is read first.",
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
            help="Any parameter of the wire; may be repeated; raw audio needs encoding, sample_rate, channels.",
        ),
    ] = None,
) -> None:
    """Transcribe a microphone, file, pipe or URL: stream it to a server, and print the transcript.

    The connection may break: audio is kept, sent again, and each word printed once with its true time. On a terminal
    Enter pauses and resumes what is live. Ctrl-C stops sending and waits for the last words; twice, it does not wait.
    """
    parameters = _parameters(query or [])
    wanted = OutputFormat.JSON if as_json else output
    with report_errors():
        audio = _audio(source, parameters, realtime=realtime)
        live = realtime or source == MICROPHONE
        show_interims = interim or (live and (sys.stdout.isatty() or sys.stderr.isatty()))
        defaults = {"model": "nova-3", "smart_format": "true", **({"interim_results": "true"} if show_interims else {})}
        is_flag = getattr(context.get_parameter_source("key"), "name", "") == "COMMANDLINE"
        run = ListenRun(audio, url, _key(key, url, is_flag=is_flag), {**defaults, **parameters}, live=live)
        try:
            _report(asyncio.run(run.run(wanted, interim=interim)))
        except BadCredentials as error:
            fail(f"{error} Name a key with --key or {PROVIDER_KEYS.get(url, 'CAESURA_KEY')}.")
        except Unreachable as error:
            fail(str(error).replace("name another address", "name another one with --url"))


@dataclass(frozen=True, slots=True)
class ListenResult:
    """Outcome of a run: the transcript, the number of words printed, and the error that ended it."""

    transcript: Transcript
    words: int
    error: CaesuraError | None


class ListenRun:
    """One run of the command."""

    def __init__(
        self, audio: AudioSource, url: str, key: str | None, parameters: dict[str, str | list[str]], *, live: bool
    ) -> None:
        self._audio = audio
        self._url = url
        self._key = key
        self._parameters = parameters
        self._live = live

    async def run(self, output: OutputFormat, *, interim: bool) -> ListenResult:
        """Stream the whole source. Raises CaesuraError when streaming cannot start."""
        async with self._audio as audio:
            if audio.note:
                _note(audio.note, "yellow")
            async with self._line(audio) as line:
                with Renderer(output, interim=interim, seconds=audio.seconds) as renderer:
                    error = await self._render_all(line, audio, renderer)
                return ListenResult(await line.finish(), renderer.words, error)

    async def _render_all(self, line: Line, audio: AudioSource, renderer: Renderer) -> CaesuraError | None:
        """Render every event; returns the error of the line or of the audio."""
        interrupts = _Interrupts(line)
        with (
            interrupts,
            _pause_on_enter(line, live=self._live) as pausable,
            _progress_shown(line, renderer, interrupts, audio.seconds, pausable=pausable),
        ):
            try:
                async for event in line.transcribe(audio):
                    renderer.render(event)
            except CaesuraError as error:
                return error
        return None

    def _line(self, audio: AudioSource) -> Line:
        declared = audio.parameters
        given = {name: value for name, value in self._parameters.items() if name not in declared}
        config = configure_line(
            self._url,
            Credentials(self._key),
            DeclaredAudio(
                str(declared["encoding"]) if declared else None,
                int(declared.get("sample_rate", 16_000)),
                int(declared.get("channels", 1)),
            ),
            live=self._live,
            tuning=replace(Tuning(), open_within_s=0.0),
            faults=None,
            parameters=given,
        )
        for warning in config.warnings:
            _note(warning, "yellow")
        return Line(config)


class _Interrupts:
    """The first Ctrl-C stops sending and waits for the last words; the second one closes at once."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._finishing: asyncio.Task[Transcript] | None = None

    @property
    def is_ending(self) -> bool:
        """Was Ctrl-C pressed?"""
        return self._finishing is not None

    def __enter__(self) -> None:
        if sys.platform != "win32":
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, self._interrupted)

    def __exit__(self, *_: object) -> None:
        if sys.platform != "win32":
            asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)

    def _interrupted(self) -> None:
        if self._finishing is None:
            self._finishing = asyncio.create_task(self._line.finish())
        else:
            self._line.abandon()


@contextlib.contextmanager
def _progress_shown(
    line: Line, renderer: Renderer, interrupts: _Interrupts, length_s: float | None, *, pausable: bool
) -> Iterator[None]:
    """Update the progress display periodically; `length_s` is the length of all audio, where that is known."""
    loop = asyncio.get_running_loop()
    handle: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal handle
        stats = line.stats
        # Audio skipped in a pause counts as done, too.
        done = None if line.timeline is None else stats.audio_sent_s - stats.replayed_s + stats.skipped_s
        is_sent = done is not None and length_s is not None and done >= length_s - ROUNDING_S
        renderer.show_progress(done, _state(line, is_ending=interrupts.is_ending, is_sent=is_sent, pausable=pausable))
        handle = loop.call_later(SHOWN_EVERY_S, look)

    look()
    try:
        yield
    finally:
        if handle is not None:
            handle.cancel()


def _state(line: Line, *, is_ending: bool, is_sent: bool, pausable: bool) -> str:
    """State of the line, and the keys that the user can press."""
    if is_ending:
        return "last words; Ctrl-C leaves at once"
    if line.is_paused:
        return "paused; Enter resumes"
    if not line.is_connected:
        return "no connection"
    if is_sent:
        return "all sent; words are on their way"
    return "Enter pauses, Ctrl-C ends" if pausable else ""


@contextlib.contextmanager
def _pause_on_enter(line: Line, *, live: bool) -> Iterator[bool]:
    """On a terminal, let Enter pause and resume live audio; yields whether it does.

    Pausing would shift a recording's times.
    """
    if sys.platform == "win32" or not live or not _has_keyboard():
        yield False
        return

    def entered() -> None:
        if not os.read(keyboard, 1024):
            loop.remove_reader(keyboard)
        elif line.is_paused:
            line.resume()
        else:
            line.pause()

    loop = asyncio.get_running_loop()
    keyboard = sys.stdin.fileno()
    with _without_echo(keyboard):
        loop.add_reader(keyboard, entered)
        try:
            yield True
        finally:
            loop.remove_reader(keyboard)


def _has_keyboard() -> bool:
    """Is stdin our terminal? A background process that reads it would be stopped."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False


@contextlib.contextmanager
def _without_echo(keyboard: int) -> Iterator[None]:
    """Turn echo off, so that typed characters do not disturb the display."""
    import termios  # Windows has none

    before = termios.tcgetattr(keyboard)
    quiet = [*before]
    quiet[3] &= ~termios.ECHO
    termios.tcsetattr(keyboard, termios.TCSADRAIN, quiet)
    try:
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


def _audio(source: str, parameters: dict[str, str | list[str]], *, realtime: bool) -> AudioSource:
    rate, channels = _whole(parameters, "sample_rate"), _whole(parameters, "channels") or 1
    if source == MICROPHONE:
        return microphone(sample_rate=rate or 16_000, channels=channels)
    if parameters.get("encoding") not in SAMPLE_BYTES:
        return recording(source, realtime=realtime)
    encoding = str(parameters["encoding"])
    return recording(source, encoding=encoding, sample_rate=rate, channels=channels, realtime=realtime)


def _whole(parameters: dict[str, str | list[str]], name: str) -> int | None:
    given = parameters.get(name)
    if given is None:
        return None
    if not isinstance(given, str) or not given.isdecimal():
        raise typer.BadParameter(f"{name}={given} is not a whole number.", param_hint="--query")
    return int(given)


def _parameters(query: list[str]) -> dict[str, str | list[str]]:
    pairs: dict[str, str | list[str]] = {}
    for item in query:
        name, separator, value = item.partition("=")
        if not (name and separator):
            raise typer.BadParameter(f"{item!r} is not NAME=VALUE.", param_hint="--query")
        before = pairs.get(name)
        pairs[name] = value if before is None else [*([before] if isinstance(before, str) else before), value]
    return pairs


def _key(key: str | None, url: str, *, is_flag: bool) -> str | None:
    """The key to send; a service with its own variable gets only the key in that variable or in a flag."""
    variable = PROVIDER_KEYS.get(url)
    given = key if variable is None or is_flag else os.environ.get(variable)
    return next(iter(split_keys([given or ""])), None)


def _report(result: ListenResult) -> None:
    """Print a summary on stderr; fail when words may be missing. Raises the error that ended the run."""
    _note(closing_line(result.transcript.stats, result.words), "dim")
    if result.error is not None:
        raise result.error
    if not result.transcript.complete:
        fail(f"Words may be missing: {result.transcript.reason}")


def _note(sentence: str, style: str) -> None:
    """Print a note on stderr; on one line if it is no terminal."""
    Console(stderr=True, highlight=False, soft_wrap=not sys.stderr.isatty()).print(Text(sentence, style=style))


def closing_line(stats: Stats, words: int) -> str:
    """Summary of audio sent, paused and saved."""
    # Only the server knows the length of a container that was sent as it is.
    sent_s = stats.audio_sent_s or stats.provider_s or 0.0
    parts = [f"{sent_s:.1f} s of audio sent, {_count(words, 'word')}", f"{stats.connected_s:.1f} s connected"]
    if stats.paused_s:
        share = 100 * stats.paused_s / (sent_s + stats.paused_s)
        held = _count(stats.keepalives, "KeepAlive")
        parts.append(f"{stats.paused_s:.1f} s paused with {held}, {share:.0f} % saved")
    if stats.reconnects:
        parts.append(f"{_count(stats.reconnects, 'reconnect')}, {stats.replayed_s:.1f} s sent again")
    if stats.lost_s:
        parts.append(f"{stats.lost_s:.1f} s lost")
    return "; ".join(parts)


def _count(number: int, of_what: str) -> str:
    return f"{number} {of_what}" if number == 1 else f"{number} {of_what}s"
