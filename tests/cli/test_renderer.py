"""Stdout in each format, and the display on a terminal."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from caesura.cli.renderer import OutputFormat, Renderer
from caesura.client.events import (
    Closed,
    Event,
    Gap,
    Interim,
    Notice,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
    SpeechStarted,
    Stats,
)
from tests.cli.finals import final, word
from tests.cli.screen import WIDTH, WITHIN_S, Output, Screen
from tests.waiting import wait_until

TEXT, JSON, SRT, VTT = OutputFormat


def interim(text: str, channel: int = 0, channels: int = 1) -> Interim:
    return Interim(text, (), channel, channels, 0.0, 1.0, 0)


HELLO = final(word("Good", 0.0, 0.3), word("morning.", 0.4, 1.25))


Streams = tuple[io.StringIO, io.StringIO]


def piped(monkeypatch: pytest.MonkeyPatch) -> Streams:
    """stdout and stderr, neither a terminal. Not a fixture: pytest changes both between a fixture and its test."""
    out, notes = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", notes)
    return out, notes


def on_screen(monkeypatch: pytest.MonkeyPatch, *names: str) -> Screen:
    """A terminal that these are on; both when none are named."""
    screen = Screen()
    for name in names or ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, Output(screen))
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("LINES", "24")
    return screen


@contextmanager
def showing(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Screen, Renderer]]:
    """Text on a terminal, nothing sent yet."""
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=False, seconds=10.0) as renderer:
        renderer.show_progress(0.0)
        yield screen, renderer


def shows(screen: Screen, *rows: str) -> bool:
    """Wait until the screen shows exactly this; the live part is redrawn eight times a second."""
    try:
        wait_until(lambda: [_without_looks(row) for row in screen.rows] == list(rows), WITHIN_S)
    except TimeoutError:
        pytest.fail(f"it shows {screen.rows}")
    return True


def _without_looks(row: str) -> str:
    return " ".join(row.translate(str.maketrans("╸╺", "━━")).split())


def bar(seconds: str, percent: int) -> str:
    return f"{seconds} s {'━' * 30} {percent}%"


# ---- in a pipe ----


def render(output: OutputFormat, *events: Event, interim: bool = False) -> None:
    with Renderer(output, interim=interim, seconds=10.0) as renderer:
        renderer.show_progress(1.0)
        for event in events:
            renderer.render(event)


def test_text_is_a_line_for_each_final_that_has_words(monkeypatch: pytest.MonkeyPatch) -> None:
    out, notes = piped(monkeypatch)
    render(TEXT, interim("good"), HELLO, final(), SpeechStarted(0, 0.0, None, None), Stats(), Closed(1000, ""))
    assert (out.getvalue(), notes.getvalue()) == ("Good morning.\n", "")


def test_interims_are_lines_that_begin_with_a_tilde_when_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, _ = piped(monkeypatch)
    render(TEXT, interim("good"), interim(""), HELLO, interim=True)
    assert out.getvalue() == "~ good\nGood morning.\n"


def test_channels_are_kept_apart_when_there_are_several(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = piped(monkeypatch)
    right = final(word("Right.", 0.0, 1.0), channel=1, channels=2)
    render(TEXT, interim("left", 0, 2), right, interim=True)
    assert out.getvalue() == "~ [0] left\n[1] Right.\n"


def test_json_is_a_line_for_each_event_but_interims_only_when_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out, _ = piped(monkeypatch)
    render(JSON, interim("good"), HELLO, Gap(1.0, 2.0, "no room"), Stats(), Closed(1000, ""))
    assert [json.loads(line)["type"] for line in out.getvalue().splitlines()] == [
        "final",
        "gap",
        "stats",
        "closed",
    ]
    render(JSON, interim("good"), interim=True)
    assert json.loads(out.getvalue().splitlines()[-1])["type"] == "interim"


@pytest.mark.parametrize(
    ("output", "captions"),
    [
        (SRT, "1\n00:00:00,000 --> 00:00:01,250\nGood morning.\n\n"),
        (VTT, "WEBVTT\n\n00:00:00.000 --> 00:00:01.250\nGood morning.\n"),
    ],
)
def test_captions_are_cues_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, output: OutputFormat, captions: str
) -> None:
    out, _ = piped(monkeypatch)
    render(output, interim("good"), HELLO, final(), Stats(), interim=True)
    assert out.getvalue() == captions


@pytest.mark.parametrize(
    ("event", "note"),
    [
        (
            Reconnecting(1, 0.25, "closed with 1006"),
            "Connection lost: closed with 1006. Audio is kept; attempt 1 in 0.2 s.",
        ),
        (
            Reconnected(1, "id", 1.5, 3.25),
            "Connected again after 1.5 s; 3.2 s of audio are sent late or again.",
        ),
        (Gap(1.0, 2.5, "no room"), "Audio from 1.00 to 2.50 s is lost: no room."),
        (Gap(None, None, "no room"), "Some audio is lost: no room."),
        (Paused(1.0), "Paused; KeepAlive holds the line."),
        (Resumed(1.0, 3.0), "Resumed after 3.0 s."),
        (Notice("Error", "Could not deserialize"), "The server says: Could not deserialize"),
    ],
)
def test_notes_for_the_user_are_lines_on_stderr(monkeypatch: pytest.MonkeyPatch, event: Event, note: str) -> None:
    out, notes = piped(monkeypatch)
    render(TEXT, event)
    assert (out.getvalue(), notes.getvalue()) == ("", note + "\n")


def test_messages_that_are_not_known_are_not_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    _, notes = piped(monkeypatch)
    render(TEXT, Notice("Weather", "rain"))
    assert notes.getvalue() == ""


def test_why_there_is_no_connection_is_printed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage has dozens of attempts that all fail the same way."""
    _, notes = piped(monkeypatch)
    nobody = "Nothing listens at ws://127.0.0.1:9. Start a server there, or name another address."
    reasons = ["closed with 1011", nobody, nobody]
    outage = [Reconnecting(number, 1.0, why) for number, why in enumerate(reasons, 1)]
    render(TEXT, *outage, Reconnected(1, "", 1.0, 1.0), *outage)
    first, second, third, *others = notes.getvalue().splitlines()
    assert first == "Connection lost: closed with 1011. Audio is kept; attempt 1 in 1.0 s."
    assert second == f"No connection: {nobody} Audio is kept; attempt 2 in 1.0 s."
    assert third == "Still no connection. Audio is kept; attempt 3 in 1.0 s."
    assert others[1:] == [first, second, third]


def test_nothing_is_drawn_in_a_pipe_even_where_colours_are_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    out, notes = piped(monkeypatch)
    monkeypatch.setenv("FORCE_COLOR", "1")
    render(TEXT, interim("good"), HELLO, interim("by"))
    assert (out.getvalue(), notes.getvalue()) == ("Good morning.\n", "")


def test_words_are_counted() -> None:
    renderer = Renderer(TEXT, interim=False, seconds=None)
    for _ in range(3):
        renderer.render(HELLO)
    assert renderer.words == 6


# ---- on a terminal ----


def test_the_bar_shows_progress_and_state(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.show_progress(2.5, "no connection")
        assert shows(screen, bar("2.5", 25) + " no connection")


def test_interims_are_drawn_above_the_bar_and_replace_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.render(interim("good mourning"))
        assert shows(screen, "good mourning", bar("0.0", 0))
        renderer.render(interim("good morning"))
        assert shows(screen, "good morning", bar("0.0", 0))
        renderer.render(interim(""))
        assert shows(screen, bar("0.0", 0))


def test_a_final_stays_and_takes_the_place_of_its_interim(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.render(interim("good mourning"))
        renderer.render(HELLO)
        assert shows(screen, "Good morning.", bar("0.0", 0))


def test_each_channel_has_an_interim_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.render(interim("right", 1, 2))
        renderer.render(interim("left", 0, 2))
        assert shows(screen, "[0] left", "[1] right", bar("0.0", 0))
        renderer.render(final(word("Right.", 0.0, 1.0), channel=1, channels=2))
        assert shows(screen, "[1] Right.", "[0] left", bar("0.0", 0))


def test_the_newest_words_of_a_long_interim_are_to_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.render(interim("word " * 30 + "newest"))
        assert shows(screen, " ".join(["word"] * 16), " ".join(["word"] * 14 + ["newest"]), bar("0.0", 0))


def test_notes_stand_between_the_words_and_are_not_drawn_over(monkeypatch: pytest.MonkeyPatch) -> None:
    with showing(monkeypatch) as (screen, renderer):
        renderer.render(interim("good"))
        renderer.render(Paused(1.0))
        renderer.render(HELLO)
        renderer.render(Resumed(1.0, 3.0))
        renderer.render(interim("by"))
        rows = "Paused; KeepAlive holds the line.", "Good morning.", "Resumed after 3.0 s.", "by", bar("0.0", 0)
        assert shows(screen, *rows)


def test_nothing_live_is_left_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=True, seconds=10.0) as renderer:
        renderer.show_progress(5.0)
        renderer.render(interim("good"))
        renderer.render(HELLO)
        renderer.render(interim("by"))
        assert shows(screen, "Good morning.", "by", bar("5.0", 50))
    assert screen.rows == ["Good morning."]


def test_a_source_without_a_length_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=False, seconds=None) as renderer:
        renderer.show_progress(5.0, "Enter pauses")
        assert shows(screen, "5.0 s Enter pauses")


def test_an_unknown_length_is_not_shown_as_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=False, seconds=None) as renderer:
        renderer.show_progress(None, "no connection")
        assert shows(screen, "no connection")


def test_prose_is_wrapped_between_words_and_json_is_not_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch)
    long = final(*(word("word", number / 10, number / 10 + 0.1) for number in range(20)))
    with Renderer(TEXT, interim=False, seconds=10.0) as renderer:
        renderer.render(long)
    assert screen.rows == [" ".join(["word"] * 16), " ".join(["word"] * 4)]
    with Renderer(JSON, interim=False, seconds=10.0) as renderer:
        renderer.render(long)
    whole = "".join(row.ljust(WIDTH) for row in screen.rows[2:])
    assert json.loads(whole)["transcript"] == long.text


def test_the_bar_is_there_before_anything_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the display's own thread drew it first, and a line was printed just then, it stayed on the screen."""
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=False, seconds=10.0):
        assert screen.rows[0].endswith("0%")
    assert screen.rows == [""]


def test_text_like_markup_or_an_emoji_is_shown_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = on_screen(monkeypatch)
    with Renderer(TEXT, interim=False, seconds=None) as renderer:
        renderer.render(final(word("[bold]:smile:[/bold]", 0.0, 1.0)))
        renderer.render(Notice("Error", "[red]:bug:"))
    assert screen.rows == ["[bold]:smile:[/bold]", "The server says: [red]:bug:"]


def test_with_stdout_in_a_pipe_the_bar_has_stderr_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    out, _ = piped(monkeypatch)
    screen = on_screen(monkeypatch, "stderr")
    with Renderer(TEXT, interim=False, seconds=10.0) as renderer:
        renderer.show_progress(5.0)
        renderer.render(interim("good"))
        assert shows(screen, "good", bar("5.0", 50))
        renderer.render(HELLO)
        renderer.render(Paused(1.0))
        assert shows(screen, "Paused; KeepAlive holds the line.", bar("5.0", 50))
    assert out.getvalue() == "Good morning.\n"
    assert screen.rows == ["Paused; KeepAlive holds the line."]


def test_with_stderr_in_a_file_notes_are_there_and_not_on_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    _, notes = piped(monkeypatch)
    screen = on_screen(monkeypatch, "stdout")
    with Renderer(TEXT, interim=False, seconds=10.0) as renderer:
        renderer.show_progress(5.0)
        renderer.render(Paused(1.0))
        renderer.render(HELLO)
        assert shows(screen, "Good morning.", bar("5.0", 50))
    assert notes.getvalue() == "Paused; KeepAlive holds the line.\n"
