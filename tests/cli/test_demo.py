"""The demo: the times at which it sends, its output, and its exit code."""

from __future__ import annotations

import asyncio
import io
import math
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from rich.console import Console
from typer.testing import CliRunner

from caesura.bundled_recording import BundledRecording, bundled_recording
from caesura.cli import demo
from caesura.cli.child import ServerProcess
from caesura.cli.main import app
from caesura.client.events import Accepted, Final, Interim, Notice, Sent, Stats, TimedWord, Transcript
from caesura.errors import ConnectionClosedByServer
from caesura.testing import FakeServer, Voice
from caesura.timeline import Timeline

RATE = 16_000


class JumpingClock:
    """A clock that jumps to each time that it is waited for."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    async def until(self, at: float) -> None:
        self.at = max(at, self.at)


class Player:
    """A line that records calls and their times; it sends a KeepAlive every 4 s of a pause."""

    def __init__(self, clock: JumpingClock) -> None:
        self.clock = clock
        self.frames: list[tuple[float, bytes]] = []
        self.calls: list[tuple[float, str]] = []
        self.paused_at = math.inf

    def send(self, audio: bytes) -> Sent:
        self.frames.append((self.clock.now(), audio))
        return Accepted()

    def pause(self) -> None:
        self.calls.append((round(self.clock.now(), 2), "pause"))
        self.paused_at = self.clock.now()

    def resume(self) -> None:
        self.calls.append((round(self.clock.now(), 2), "resume"))

    @property
    def stats(self) -> Stats:
        return Stats(keepalives=max(int((self.clock.now() - self.paused_at + 1e-6) // 4), 0))


def played(pause: float) -> tuple[demo.DemoRun, Player, str]:
    """The run, the calls of the line, and the output."""
    run, clock, shown = demo.DemoRun(Timeline(RATE)), JumpingClock(), io.StringIO()
    player = Player(clock)
    log = demo.DemoLog(Console(file=shown, width=80), run, clock)
    asyncio.run(demo.play(player, bundled_recording(), pause, log, clock))
    return run, player, shown.getvalue()


def test_all_audio_is_sent_in_frames_of_50_ms_when_it_was_captured() -> None:
    _, player, _ = played(12.0)
    assert b"".join(frame for _, frame in player.frames) == bundled_recording().pcm
    assert [at for at, _ in player.frames[:3]] == [0.05, 0.1, 0.15]
    assert player.frames[-1][0] == pytest.approx(24.4)


def test_the_pause_is_held_for_twelve_seconds_and_each_keepalive_printed() -> None:
    run, player, _ = played(12.0)
    assert player.calls == [(7.1, "pause"), (19.1, "resume")]
    assert run.keepalives == [pytest.approx(at, abs=0.06) for at in (11.1, 15.1, 19.1)]


def test_without_a_pause_nothing_is_paused() -> None:
    run, player, _ = played(0.0)
    assert player.calls == []
    assert run.keepalives == []


def test_both_clocks_stand_side_by_side() -> None:
    *_, shown = played(12.0)
    assert re.search(r"15\.1 s +0\.00 KeepAlive; stream time stands still", shown)
    assert re.search(r"24\.4 s +0\.00 Finalize and CloseStream", shown)


def said(text: str, start: float, end: float) -> TimedWord:
    return TimedWord(text, text, 1.0, start, end, start, end, None, None)


def final(*words: TimedWord) -> Final:
    text = " ".join(word.text for word in words)
    return Final(text, words, 0, 1, words[0].stream_start, words[-1].stream_end, 0, True, False)


def content(**changes: object) -> demo.DemoRun:
    """A run that went well, but for `changes`."""
    timeline = Timeline(RATE)
    timeline.sent(RATE, 0)
    timeline.sent(RATE, 5 * RATE)
    words = [said("one", 0.1, 0.2), said("two", 1.0, 1.2)]
    run = demo.DemoRun(timeline, words=words, transcript=Transcript((), (), Stats(), complete=True))
    for name, value in changes.items():
        setattr(run, name, value)
    return run


def test_a_performance_with_words_after_the_pause_is_a_success() -> None:
    assert content().complaint() is None
    assert content().words_after_pause == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"words": [said("one", 0.1, 0.2)]}, "No words came after the pause."),
        ({"transcript": None}, "before it had sent everything"),
        (
            {"transcript": Transcript((), (), Stats(), False, ConnectionClosedByServer(1011, "NET-0001"))},
            "(1011: NET-0001)",
        ),
    ],
)
def test_anything_less_is_a_complaint(changes: dict[str, object], complaint: str) -> None:
    assert complaint in (content(**changes).complaint() or "")


def interim(text: str, end: float) -> Interim:
    return Interim(text, (), 0, 1, 0.0, end, 0)


def test_interims_are_dim_lines_in_a_pipe_and_finals_are_kept() -> None:
    run, shown = content(words=[]), io.StringIO()
    with demo.DemoLog(Console(file=shown, width=80), run, JumpingClock()) as log:
        log.event(interim("one", 0.5))
        log.event(interim("", 0.5))
        log.event(final(said("One", 0.0, 0.5), said("two.", 0.5, 1.0)))
        log.event(Notice("Error", "bad text"))
        log.event(Stats(provider_s=2.0))
    assert [line.split(maxsplit=2)[2] for line in shown.getvalue().splitlines()] == [
        "what happens",
        "0.00-0.50 ~ one",
        "0.00-1.00 One two.",
        "Notice(type='Error', text='bad text')",
        "2.00 Metadata: 2 s of audio counted, nothing of the pause",
    ]
    assert [word.text for word in run.words] == ["One", "two."]


def test_interims_are_overwritten_on_a_terminal() -> None:
    shown = io.StringIO()
    screen = Console(file=shown, width=80, force_terminal=True)
    with demo.DemoLog(screen, content(), JumpingClock()) as log:
        log.event(interim("one", 0.5))
        log.event(final(said("One.", 0.0, 1.0)))
    assert "~" not in shown.getvalue()
    assert "\x1b[2K" in shown.getvalue()


@contextmanager
def staged(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """The demo against a fake server, on a clock that jumps, with a recording in that server's own voice."""

    @asynccontextmanager
    async def pretended(engine: str, **_: object) -> AsyncIterator[ServerProcess]:
        yield ServerProcess(server.url, 0)

    before = voice.say("ask", "not") + voice.silence(7.1)
    spoken = BundledRecording(RATE, before[: round(7.1 * RATE) * 2] + voice.say(*voice.words[2:]) + voice.silence(0.5))
    monkeypatch.setattr(demo, "running_server", pretended)
    monkeypatch.setattr(demo, "WallClock", JumpingClock)
    monkeypatch.setattr(demo, "bundled_recording", lambda: spoken)
    with FakeServer(voice) as server:
        yield server


def test_the_whole_demo_ends_with_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(Voice(["ask", "not", "for", "what"]), monkeypatch) as server:
        result = CliRunner().invoke(app, ["demo", "--pause", "0.2"])
    assert result.exit_code == 0, result.output
    assert [text.type for text in server.connections[0].texts] == ["Finalize", "Finalize", "CloseStream"]
    assert "stream time" in result.output
    assert "2 words came after the pause" in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_a_demo_without_words_after_the_pause_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(Voice(["ask", "not"]), monkeypatch):
        result = CliRunner().invoke(app, ["demo", "--pause", "0.2"])
    assert result.exit_code == 1
    assert "No words came after the pause." in result.stderr


def test_a_screen_without_unicode_gets_a_picture_in_ascii() -> None:
    raw = io.BytesIO()
    screen = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=80)
    demo.show_picture(screen, content())
    screen.file.flush()
    assert b"audio sent   ####" in raw.getvalue()


def test_the_real_clock_starts_at_its_first_use() -> None:
    async def wait() -> tuple[float, float]:
        clock = demo.WallClock()
        before = clock.now()
        await clock.until(0.01)
        return before, clock.now()

    before, after = asyncio.run(wait())
    assert before == 0.0
    assert after >= 0.009


@pytest.mark.slow
def test_the_demo_holds_a_real_server_through_twelve_seconds() -> None:
    """As a newcomer runs it, but for the engine."""
    command = [sys.executable, "-m", "caesura", "demo", "--engine", "scripted"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "stands still at 7.1 s" in done.stdout
