"""The demo: what it sends on which clock, what it shows, and when it is content."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from rich.console import Console
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection

from caesura.cli import demo
from caesura.cli.child import ServerProcess
from caesura.cli.main import app
from caesura.cli.recording import bundled_recording
from caesura.cli.stream import Ending, read_message
from caesura.protocol.messages import ClientMessage, CloseStream, Finalize, KeepAlive
from caesura.timeline import Span, Timeline
from caesura.words import Word
from tests.cli.fake import Answer, Heard, fake_server, metadata, results

RATE = 16_000


class JumpingClock:
    """A clock that is where it was told to wait for."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    async def until(self, at: float) -> None:
        self.at = max(at, self.at)


def played(pause: float) -> tuple[demo.Performance, list[tuple[float, bytes | ClientMessage]], str]:
    """The performance, everything sent with its wall clock, and what was shown."""
    recording = bundled_recording()
    performance, clock, shown = demo.Performance(Timeline(RATE)), JumpingClock(), io.StringIO()
    story = demo.Story(Console(file=shown, width=80), performance, clock)

    async def collect() -> list[tuple[float, bytes | ClientMessage]]:
        return [(clock.now(), item) async for item in demo.play(recording, pause, performance, story, clock)]

    return performance, asyncio.run(collect()), shown.getvalue()


def test_all_audio_is_sent_in_frames_of_50_ms_when_it_was_captured() -> None:
    _, sent, _ = played(12.0)
    frames = [(at, item) for at, item in sent if isinstance(item, bytes)]
    assert b"".join(item for _, item in frames) == bundled_recording().pcm
    assert [at for at, _ in frames[:3]] == [0.05, 0.1, 0.15]
    assert frames[-1][0] == pytest.approx(24.4)


def test_the_pause_is_opened_by_finalize_and_held_every_four_seconds() -> None:
    performance, sent, _ = played(12.0)
    controls = [(round(at, 2), item) for at, item in sent if not isinstance(item, bytes)]
    assert controls == [(7.1, Finalize()), (11.1, KeepAlive()), (15.1, KeepAlive()), (24.4, CloseStream())]
    assert performance.held == [pytest.approx(11.1), pytest.approx(15.1)]


def test_the_ledger_has_one_gap_as_long_as_the_pause() -> None:
    performance, _, _ = played(12.0)
    assert performance.timeline.spans == (Span(0, 0, 113_600), Span(113_600, 113_600 + 12 * RATE, 84_800))


def test_without_a_pause_there_is_no_gap_and_no_keepalive() -> None:
    performance, _, _ = played(0.0)
    assert performance.timeline.spans == (Span(0, 0, 198_400),)
    assert performance.held == []


def test_both_clocks_stand_side_by_side() -> None:
    *_, shown = played(12.0)
    assert "15.1 s         7.10 KeepAlive; stream time stands still" in shown
    assert "24.4 s        12.40 CloseStream" in shown


def content(**changes: object) -> demo.Performance:
    """A performance that went well, but for `changes`."""
    timeline = Timeline(RATE)
    timeline.sent(RATE, 0)
    timeline.sent(RATE, 5 * RATE)
    performance = demo.Performance(
        timeline,
        paused_at=RATE,
        words=[Word("one", 0.1, 0.2, 1.0), Word("two", 1.0, 1.2, 1.0)],
        seconds=2.0,
        ending=Ending(1000, "", early=False),
    )
    for name, value in changes.items():
        setattr(performance, name, value)
    return performance


def test_a_performance_with_words_after_the_pause_is_a_success() -> None:
    assert content().complaint() is None
    assert content().words_after_pause == 1


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"words": [Word("one", 0.1, 0.2, 1.0)]}, "No words came after the pause."),
        ({"seconds": None}, "without Metadata"),
        ({"ending": None}, "too early"),
        ({"ending": Ending(1000, "", early=True)}, "too early"),
        ({"ending": Ending(1011, "NET-0001", early=False)}, "too early (1011 NET-0001)"),
    ],
)
def test_anything_less_is_a_complaint(changes: dict[str, object], complaint: str) -> None:
    assert complaint in (content(**changes).complaint() or "")


def test_interims_are_dim_lines_in_a_pipe_and_finals_are_kept() -> None:
    performance, shown = content(words=[]), io.StringIO()
    with demo.Story(Console(file=shown, width=80), performance, JumpingClock()) as story:
        story.told(read_message(results("one", 0.0, 0.5, final=False)))
        story.told(read_message(results("", 0.0, 0.5)))
        story.told(read_message(results("One two.", 0.0, 1.0)))
        story.told(read_message('{"type":"Error","description":"bad text"}'))
        story.told(read_message(metadata(2.0)))
    assert [line.split(maxsplit=2)[2] for line in shown.getvalue().splitlines()] == [
        "what happens",
        "0.00-0.50 ~ one",
        "0.00-1.00 One two.",
        "Error bad text",
        "2.00 Metadata: 2 s of audio counted, nothing of the pause",
    ]
    assert [word.text for word in performance.words] == ["One", "two."]
    assert performance.seconds == 2.0


def test_interims_are_overwritten_on_a_terminal() -> None:
    shown = io.StringIO()
    screen = Console(file=shown, width=80, force_terminal=True)
    with demo.Story(screen, content(), JumpingClock()) as story:
        story.told(read_message(results("one", 0.0, 0.5, final=False)))
        story.told(read_message(results("One.", 0.0, 1.0)))
    assert "~" not in shown.getvalue()
    assert "\x1b[2K" in shown.getvalue()


@contextmanager
def staged(answer: Answer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """The demo against a fake server, on a clock that jumps."""

    @asynccontextmanager
    async def pretended(engine: str, **_: object) -> AsyncIterator[ServerProcess]:
        yield ServerProcess(heard.url, 0)

    monkeypatch.setattr(demo, "running_server", pretended)
    monkeypatch.setattr(demo, "WallClock", JumpingClock)
    with fake_server(answer) as heard:
        yield heard


def hearing(*texts: str) -> Answer:
    """An answer that says `texts` as finals: the first at Finalize, the others at the end."""

    async def answer(connection: ServerConnection, heard: Heard) -> None:
        async for item in connection:
            if isinstance(item, bytes):
                heard.audio += item
            elif "Finalize" in item:
                await connection.send(results(texts[0], 0.0, 7.1))
            elif "CloseStream" in item:
                for text in texts[1:]:
                    await connection.send(results(text, 7.1, 5.3))
                await connection.send(metadata(12.4))
                await connection.close(1000)

    return answer


def test_the_whole_demo_ends_with_a_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(hearing("Ask not.", "Ask what."), monkeypatch) as heard:
        result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 0, result.output
    assert bytes(heard.audio) == bundled_recording().pcm
    assert "stream time" in result.output
    assert "2 words came after the pause" in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_a_demo_without_words_after_the_pause_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with staged(hearing("Ask not."), monkeypatch):
        result = CliRunner().invoke(app, ["demo"])
    assert result.exit_code == 1
    assert "No words came after the pause." in result.stderr


def test_a_screen_without_unicode_gets_a_picture_in_ascii() -> None:
    raw = io.BytesIO()
    screen = Console(file=io.TextIOWrapper(raw, encoding="ascii"), width=80)
    demo.show_picture(screen, content())
    screen.file.flush()
    assert b"audio sent   ####" in raw.getvalue()


def test_the_real_clock_starts_when_it_is_asked() -> None:
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
