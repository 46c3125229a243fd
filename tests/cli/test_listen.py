"""`caesura listen` from both ends: the audio that the server received, and the output."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.listen import closing_line
from caesura.cli.main import app
from caesura.client import recording
from caesura.client.address import HOSTS
from caesura.client.events import Stats
from caesura.distribution import install_command
from caesura.testing import FakeServer, Voice
from tests.cli.screen import on_terminal
from tests.client.http_server import redirected, web_server, whole

pytestmark = pytest.mark.slow  # real sockets and real clocks: together they take too long for `make check`

NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
VOICE = Voice(NUMBERS)
RATE = 16_000
SPOKEN = VOICE.say("one", "two") + VOICE.silence(1.0) + VOICE.say("three") + VOICE.silence(0.5)
"""2.7 s, in two sentences."""


def wav(samples: bytes, sample_rate: int = RATE, channels: int = 1) -> bytes:
    form = struct.pack("<HHIIHH", 1, channels, sample_rate, 2 * channels * sample_rate, 2 * channels, 16)
    chunks = b"WAVE" + b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(chunks)) + chunks


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "sound.wav"
    file.write_bytes(wav(SPOKEN))
    return file


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE) as server:
        yield server


def listen(server: FakeServer | None, *arguments: object, stdin: bytes = b"", **env: str) -> Result:
    to = [] if server is None else ["--url", server.url]
    return CliRunner().invoke(app, ["listen", *map(str, arguments), *to], input=stdin, env=env)


def events(result: Result, kind: str | None = None) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = [json.loads(line) for line in result.stdout.splitlines()]
    return [line for line in lines if kind in (None, line["type"])]


def heard(server: FakeServer) -> list[str]:
    """The words that the server received, over all connections."""
    return [word.text for connection in server.connections for word in VOICE.hear(connection.audio)]


# ---- where audio comes from ----


def test_finals_are_lines_on_stdout_and_the_sum_is_on_stderr(server: FakeServer, sound: Path) -> None:
    result = listen(server, sound)
    assert (result.exit_code, result.stdout) == (0, "one two\nthree\n")
    assert re.fullmatch(r"2\.7 s of audio sent, 3 words; \d+\.\d s connected\n", result.stderr)


def test_the_samples_of_a_file_arrive_as_they_are_and_are_declared(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "stereo.wav"
    file.write_bytes(wav(SPOKEN, 8_000, 2))
    listen(server, file)
    (connection,) = server.connections
    assert connection.audio == SPOKEN
    assert connection.types == ["Finalize", "CloseStream"]
    assert dict(connection.request.query) == {
        "encoding": ("linear16",),
        "sample_rate": ("8000",),
        "channels": ("2",),
        "model": ("nova-3",),
        "smart_format": ("true",),
    }


def test_a_pipe_is_read_from_stdin(server: FakeServer) -> None:
    assert listen(server, "-", stdin=wav(SPOKEN)).stdout == "one two\nthree\n"


def test_raw_audio_is_as_the_query_declares(server: FakeServer) -> None:
    raw = ["-q", "encoding=linear16", "-q", "sample_rate=8000"]
    assert listen(server, "-", *raw, stdin=VOICE.say("four", sample_rate=8_000)).stdout == "four\n"
    assert server.connections[0].options.sample_rate == 8_000


def test_the_file_header_overrides_the_query(server: FakeServer, sound: Path) -> None:
    listen(server, sound, "-q", "sample_rate=8000", "-q", "channels=2")
    options = server.connections[0].options
    assert (options.sample_rate, options.channels) == (RATE, 1)


def test_an_address_is_fetched(server: FakeServer) -> None:
    with web_server({"/a.wav": redirected("/b.wav"), "/b.wav": whole(wav(SPOKEN))}) as web:
        result = listen(server, f"{web}/a.wav?secret=1")
    assert (result.exit_code, result.stdout) == (0, "one two\nthree\n")


def pretend_microphone(monkeypatch: pytest.MonkeyPatch, samples: bytes) -> None:
    """A microphone that records these samples, and then silence."""

    class Stream:
        def __init__(self, **how: Any) -> None:
            self._how = how

        def start(self) -> None:
            now, fine = SimpleNamespace(inputBufferAdcTime=0.0), SimpleNamespace(input_overflow=False)
            for at in range(0, len(samples), 1600):
                self._how["callback"](samples[at : at + 1600], len(samples[at : at + 1600]) // 2, now, fine)

        def close(self) -> None:
            self._how["finished_callback"]()

    module: Any = ModuleType("sounddevice")
    module.RawInputStream, module.PortAudioError = Stream, OSError
    monkeypatch.setitem(sys.modules, "sounddevice", module)


def test_a_microphone_is_streamed_until_ctrl_c(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The word that is being spoken is not lost."""
    pretend_microphone(monkeypatch, VOICE.say("one", "two", gap_s=0.0))
    server.after(0.6, interrupt)
    result = listen(server, "mic")
    assert (result.exit_code, result.stdout) == (0, "one two\n")


def interrupt() -> None:
    """Ctrl-C."""
    os.kill(os.getpid(), signal.SIGINT)


# ---- how fast it goes ----


def test_a_file_is_sent_as_fast_as_the_server_accepts_it(server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "minutes.wav"
    file.write_bytes(wav(VOICE.say(*NUMBERS, word_s=1.0) * 15))
    result = listen(server, file, "--json")
    (stats,) = events(result, "stats")
    assert stats["captured_s"] == pytest.approx(198.0)
    assert stats["connected_s"] < 100.0


def test_realtime_takes_as_long_as_it_was_spoken(server: FakeServer, sound: Path) -> None:
    server.after(0.5, interrupt)
    (stats,) = events(listen(server, sound, "--json", "--realtime"), "stats")
    assert stats["connected_s"] >= 0.45


SEVEN_HUNDRED = [NUMBERS[number % len(NUMBERS)] for number in range(700)]


@pytest.fixture
def very_long(tmp_path: Path) -> Path:
    """A word a second for 700 s; a line keeps 600."""
    file = tmp_path / "very-long.wav"
    file.write_bytes(wav(VOICE.say(*SEVEN_HUNDRED, sample_rate=4_000, word_s=0.5, gap_s=0.5), 4_000))
    return file


@pytest.mark.slow
def test_a_recording_longer_than_the_replay_buffer_survives_a_reset_without_a_gap(
    server: FakeServer, very_long: Path
) -> None:
    """The server sends nothing for ten minutes of audio, like a slow one, and then disconnects."""
    server.after(1.0, server.mute)

    def cut() -> None:
        server.wait(lambda: bool(server.connections) and server.connections[0].seconds > 595, within_s=60)
        server.cut()
        server.unmute()

    with meanwhile(cut):
        result = listen(server, very_long, "--json")
    assert result.exit_code == 0, result.stderr
    assert events(result, "gap") == []
    assert [word["word"] for final in events(result, "final") for word in final["words"]] == SEVEN_HUNDRED
    assert server.connections[0].seconds < 601


@contextmanager
def meanwhile(act: Callable[[], object]) -> Iterator[None]:
    """Have it done on a thread of its own."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


# ---- output ----


def test_json_has_words_with_three_times_each_and_ends_with_stats_and_closed(server: FakeServer, sound: Path) -> None:
    result = listen(server, sound, "--json")
    first, *_ = events(result, "final")
    assert first["transcript"] == "one two"
    assert list(first["words"][0]) == [
        "word",
        "confidence",
        "stream_start",
        "stream_end",
        "source_start",
        "source_end",
        "wall_start",
    ]
    assert [(word["word"], word["source_start"], word["source_end"]) for word in first["words"]] == [
        ("one", 0.0, 0.3),
        ("two", 0.4, 0.7),
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["words"][0]["wall_start"])
    assert [event["type"] for event in events(result)[-2:]] == ["stats", "closed"]
    assert listen(server, sound, "--format", "json").exit_code == 0


@pytest.mark.parametrize(
    ("output", "shown"),
    [
        ("srt", "1\n00:00:00,000 --> 00:00:00,700\none two\n\n2\n00:00:01,800 --> 00:00:02,100\nthree\n\n"),
        ("vtt", "WEBVTT\n\n00:00:00.000 --> 00:00:00.700\none two\n\n00:00:01.800 --> 00:00:02.100\nthree\n"),
    ],
)
def test_captions_form_a_file_that_players_accept(server: FakeServer, sound: Path, output: str, shown: str) -> None:
    assert listen(server, sound, "--format", output).stdout == shown


def test_interims_are_requested_and_marked_in_a_pipe(sound: Path) -> None:
    with FakeServer(VOICE, interim_s=0.25) as server:
        lines = listen(server, sound, "--interim").stdout.splitlines()
    assert [line for line in lines if not line.startswith("~ ")] == ["one two", "three"]
    assert {line.removeprefix("~ ") for line in lines} <= {"one", "one two", "three"}
    assert "~ one two" in lines
    assert server.connections[0].options.interim_results


def test_without_a_terminal_interims_are_not_requested_by_default(server: FakeServer, sound: Path) -> None:
    server.after(0.5, interrupt)
    listen(server, sound, "--realtime")
    assert not server.connections[0].options.interim_results


def test_channels_are_kept_apart(server: FakeServer) -> None:
    left, right = VOICE.say("one") + VOICE.silence(0.4), VOICE.silence(0.4) + VOICE.say("two")
    both = b"".join(left[at : at + 2] + right[at : at + 2] for at in range(0, len(left), 2))
    result = listen(server, "-", "-q", "multichannel=true", stdin=wav(both, channels=2))
    assert sorted(result.stdout.splitlines()) == ["[0] one", "[1] two"]


def test_a_note_of_the_source_is_on_stderr(server: FakeServer) -> None:
    cut_off = wav(SPOKEN)[: -len(SPOKEN) // 2]
    with web_server({"/a.wav": whole(cut_off)}) as web:
        result = listen(server, f"{web}/a.wav")
    assert result.exit_code == 0
    assert "/a.wav is cut off" in result.stderr.splitlines()[0]


def test_a_container_that_cannot_be_decoded_here_is_sent_as_it_is(
    server: FakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake server has no decoder either, so this is as far as it goes."""
    monkeypatch.setattr(recording, "libav", lambda: None)
    file = tmp_path / "sound.mp3"
    file.write_bytes(b"\xff\xfb" + bytes(500))
    result = listen(server, file)
    assert result.stderr.splitlines()[0].endswith(f"{install_command('audio')} mends both.")
    assert "encoding" not in server.refused[0].query
    assert result.exit_code == 1


@pytest.mark.parametrize(
    ("stats", "line"),
    [
        (Stats(audio_sent_s=12.34, connected_s=5.0), "12.3 s of audio sent, 1 word; 5.0 s connected"),
        (Stats(provider_s=9.0, connected_s=5.0), "9.0 s of audio sent, 1 word; 5.0 s connected"),
        (
            Stats(audio_sent_s=15.0, connected_s=20.0, paused_s=5.0, keepalives=1),
            "15.0 s of audio sent, 1 word; 20.0 s connected; 5.0 s paused with 1 KeepAlive, 25 % saved",
        ),
        (
            Stats(audio_sent_s=9.0, reconnects=2, replayed_s=1.5, lost_s=0.5),
            "9.0 s of audio sent, 1 word; 0.0 s connected; 2 reconnects, 1.5 s sent again; 0.5 s lost",
        ),
    ],
)
def test_the_closing_line_says_what_was_sent_paused_and_saved(stats: Stats, line: str) -> None:
    assert closing_line(stats, 1) == line


# ---- arguments ----


def test_parameters_go_into_the_query_and_may_replace_ours(server: FakeServer, sound: Path) -> None:
    arguments = ["-q", "smart_format=false", "-q", "tag=a b", "-q", "tag=c=d"]
    assert listen(server, sound, *arguments).exit_code == 0
    query = server.connections[0].request.query
    assert (query["smart_format"], query["tag"], query["model"]) == (("false",), ("a b", "c=d"), ("nova-3",))


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-q", "model"], "--query: 'model' is not NAME=VALUE."),
        (["-q", "=1"], "--query: '=1' is not NAME=VALUE."),
        (["-q", "encoding=linear16", "-q", "sample_rate=8k"], "--query: sample_rate=8k is not a whole number."),
        (["-q", "channels=1", "-q", "channels=2"], "--query: channels=['1', '2'] is not a whole number."),
        (["-q", "encoding=linear16"], "Raw audio needs both encoding and sample_rate"),
        (["--format", "pdf"], "'pdf' is not one of 'text', 'json', 'srt', 'vtt'"),
        (["--url", "ftp://somewhere"], "'ftp://somewhere' is no address of a server"),
    ],
)
def test_invalid_arguments_are_usage_errors_that_name_them(arguments: Sequence[str], complaint: str) -> None:
    result = listen(None, "-", *arguments, stdin=wav(SPOKEN) if "linear16" not in arguments[-1] else b"raw")
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("none.wav", "There is no file none.wav."),
        (".", ". is a folder"),
        (__file__, "is text, not audio"),
        ("-", "standard input is empty"),
        ("http://127.0.0.1:9/a.wav", "http://127.0.0.1:9/a.wav cannot be fetched"),
    ],
)
def test_an_invalid_source_is_a_usage_error_that_names_it(source: str, complaint: str) -> None:
    result = listen(None, source)
    assert (result.exit_code, result.stdout) == (2, "")
    assert complaint in result.stderr


def test_a_source_that_breaks_off_keeps_its_words_and_fails(server: FakeServer) -> None:
    with web_server({"/a.wav": whole(wav(SPOKEN), declared=2 * len(SPOKEN))}) as web:
        result = listen(server, f"{web}/a.wav")
    assert (result.exit_code, result.stdout) == (2, "one two\nthree\n")
    assert "broke off" in result.stderr
    assert "2.7 s of audio sent, 3 words" in result.stderr


# ---- keys ----


def test_the_first_key_of_the_variable_is_used_and_never_shown(server: FakeServer, sound: Path) -> None:
    result = listen(server, sound, CAESURA_KEY="secret,other")
    assert server.connections[0].request.authorization == "Token secret"
    assert "secret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "env", "sent"),
    [
        ([], {"DEEPGRAM_API_KEY": "theirs"}, "Token theirs"),
        ([], {"DEEPGRAM_API_KEY": "theirs", "CAESURA_KEY": "ours"}, "Token theirs"),
        ([], {"CAESURA_KEY": "ours"}, None),
        (["--key", "flag"], {"DEEPGRAM_API_KEY": "theirs", "CAESURA_KEY": "ours"}, "Token flag"),
    ],
)
def test_deepgram_is_a_name_with_a_variable_of_its_own(
    server: FakeServer,
    sound: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    env: dict[str, str],
    sent: str | None,
) -> None:
    """Its key is not sent to others, and that of others not to it."""
    monkeypatch.delenv("DEEPGRAM_API_KEY", raising=False)
    monkeypatch.setitem(HOSTS, "deepgram", server.url)
    assert listen(None, sound, "--url", "deepgram", *arguments, stdin=b"", **env).exit_code == 0
    assert server.connections[0].request.authorization == sent


def test_the_variable_of_deepgram_is_for_deepgram_only(server: FakeServer, sound: Path) -> None:
    listen(server, sound, DEEPGRAM_API_KEY="theirs")
    assert server.connections[0].request.authorization is None


@pytest.mark.parametrize(("url", "variable"), [("", "CAESURA_KEY"), ("deepgram", "DEEPGRAM_API_KEY")])
def test_the_error_for_a_refused_key_explains_how_to_use_another_one(
    server: FakeServer, sound: Path, monkeypatch: pytest.MonkeyPatch, url: str, variable: str
) -> None:
    monkeypatch.setitem(HOSTS, "deepgram", server.url)
    server.refuse(401)
    result = listen(None, sound, "--url", url or server.url, "--key", "secret")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Invalid credentials." in result.stderr
    assert result.stderr.endswith(f"Name a key with --key or {variable}.\n")
    assert "secret" not in result.output


def test_a_key_that_cannot_be_one_is_refused_without_being_shown(sound: Path) -> None:
    result = listen(None, sound, "--key", "geheim\u00e4")
    assert (result.exit_code, "geheim" in result.output) == (2, False)
    assert "The key or token holds characters that none has" in result.stderr


# ---- what goes wrong ----


@pytest.mark.parametrize("output", ["text", "vtt"])
def test_a_refusal_is_printed_in_the_servers_words_and_nothing_is_printed(
    server: FakeServer, sound: Path, output: str
) -> None:
    result = listen(server, sound, "-q", "endpointing=soon", "--format", output)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "(400: " in result.stderr
    assert "endpointing" in result.stderr


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (402, "The account needs credits."),
        (429, "Too many streams are open"),
        (503, "The server refused (503: "),
    ],
)
def test_a_server_that_has_no_room_is_tried_once(server: FakeServer, sound: Path, status: int, words: str) -> None:
    server.refuse(status)
    result = listen(server, sound)
    assert (result.exit_code, result.stdout, len(server.refused)) == (1, "", 1)
    assert words in result.stderr


def test_where_nothing_listens_the_flag_to_change_is_named(server: FakeServer, sound: Path) -> None:
    server.stop()
    result = listen(server, sound)
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"Nothing listens at {server.url}" in result.stderr
    assert "`caesura serve`, or name another one with --url." in result.stderr


def test_a_server_that_is_cut_is_survived_and_each_word_printed_once(server: FakeServer, sound: Path) -> None:
    server.after(0.9, server.cut)
    result = listen(server, sound, "--json")
    assert result.exit_code == 0, result.stderr
    assert [final["transcript"] for final in events(result, "final") if final["words"]] == ["one two", "three"]
    assert [event["epoch"] for event in events(result, "reconnected")] == [1]
    assert "Connection lost: closed with 1006." in result.stderr
    assert "Connected again after" in result.stderr
    assert "; 1 reconnect, " in result.stderr.splitlines()[-1]


def test_a_server_that_hangs_up_for_good_is_a_failure_that_is_named(server: FakeServer, sound: Path) -> None:
    server.after(1.5, lambda: server.close(1008, "no more of this"))
    result = listen(server, sound)
    assert (result.exit_code, result.stdout) == (1, "one two\n")
    *_, summary, complaint = result.stderr.splitlines()
    assert "of audio sent, 2 words; " in summary
    assert "s lost" in summary
    assert complaint.startswith("The server closed the connection (1008: no more of this).")


def test_a_key_that_is_refused_later_is_reported_like_one_refused_at_once(server: FakeServer, sound: Path) -> None:
    def revoke() -> None:
        server.refuse(401)
        server.close(1011)

    server.after(1.5, revoke)
    result = listen(server, sound)
    assert (result.exit_code, result.stdout) == (1, "one two\n")
    assert result.stderr.endswith("Name a key with --key or CAESURA_KEY.\n")


# ---- Ctrl-C ----


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """A minute of words without a silence in which a sentence would end."""
    file = tmp_path / "long.wav"
    file.write_bytes(wav(VOICE.say(*NUMBERS, word_s=0.4, gap_s=0.1) * 10))
    return file


def test_ctrl_c_ends_the_sending_and_waits_for_the_last_words(server: FakeServer, long: Path) -> None:
    """The rest stays at home, though it was read already."""
    server.after(0.7, interrupt)
    result = listen(server, long, "--realtime")
    assert result.exit_code == 0, result.stderr
    (connection,) = server.connections
    assert connection.types == ["Finalize", "CloseStream"]
    assert connection.seconds < 30
    assert result.stdout.split() == heard(server)


def test_ctrl_c_twice_leaves_at_once_and_reports_what_is_missing(server: FakeServer, long: Path) -> None:
    def interrupt_twice() -> None:
        server.wait(lambda: bool(server.connections) and server.connections[0].seconds > 0.5, within_s=20)
        interrupt()
        server.wait(lambda: "CloseStream" in server.connections[0].types, within_s=20)
        interrupt()

    server.mute()
    with meanwhile(interrupt_twice):
        result = listen(server, long, "--realtime")
    assert (result.exit_code, result.stdout) == (1, "")
    lost, _, complaint = result.stderr.splitlines()
    assert re.fullmatch(r"Audio from 0\.00 to \d+\.\d\d s is lost: the line ended before a final came\.", lost)
    assert complaint.startswith("Words may be missing: ")
    assert "s of audio was lost: the line ended before a final came." in complaint


@pytest.mark.slow
def test_ctrl_c_ends_a_recording_that_waits_for_room(server: FakeServer, very_long: Path) -> None:
    """The server has sent no final for the length of the replay buffer, so the file is not read any further."""
    server.after(1.0, server.mute)

    def interrupt_and_hear_again() -> None:
        server.wait(lambda: bool(server.connections) and server.connections[0].seconds > 595, within_s=60)
        interrupt()
        server.wait(lambda: "CloseStream" in server.connections[0].types, within_s=20)
        server.unmute()

    with meanwhile(interrupt_and_hear_again):
        result = listen(server, very_long)
    assert result.exit_code == 0, result.stderr
    assert server.connections[0].seconds < 601
    assert result.stdout.split() == heard(server)


# ---- on a terminal ----


@pytest.fixture
def patient() -> Iterator[FakeServer]:
    """A server that sends no final before it is requested, so that everything shown before is an interim."""
    with FakeServer(VOICE, interim_s=0.5, longest_s=600.0, endpoint_s=600.0) as server:
        yield server


def live(text: str) -> re.Match[str] | None:
    """Are there words over the bar?"""
    return re.search(r"^one .*\n *\d+\.\d s [━╸╺]", text, re.M)


@pytest.mark.slow
def test_on_a_terminal_words_are_live_enter_pauses_and_resumes_and_ctrl_c_ends(patient: FakeServer, long: Path) -> None:
    with on_terminal("listen", str(long), "--realtime", "--url", patient.url) as terminal:
        assert "Enter pauses, Ctrl-C ends" in terminal.until(live)
        assert not terminal.echoes
        terminal.type("\n")
        text = terminal.until(lambda text: "paused; Enter resumes" in text)
        assert "Paused; KeepAlive holds the line." in text
        sent = patient.connections[0].seconds
        terminal.type("\n")
        text = terminal.until(lambda text: "Enter pauses" in text)
        assert re.search(r"^Resumed after \d+\.\d s\.$", text, re.M)
        patient.wait(lambda: patient.connections[0].seconds > sent + 0.5, within_s=20)
        terminal.type("\x03")
        assert terminal.end() == 0
        assert terminal.echoes
        rows = terminal.text.splitlines()
    assert patient.connections[0].types == ["Finalize", "Finalize", "CloseStream"]
    words = [row for row in rows if row.split()[0] in NUMBERS]
    assert " ".join(words).split() == heard(patient)
    paused, resumed, *summary = (row for row in rows if row not in words)
    assert (paused, resumed[:13]) == ("Paused; KeepAlive holds the line.", "Resumed after")
    closing = r".* s of audio sent, \d+ words?; .* s connected; .* s paused with \d+ KeepAlives?, \d+ % saved"
    assert re.fullmatch(closing, " ".join(summary))


@pytest.mark.slow
def test_with_stdout_in_a_pipe_the_terminal_still_has_the_live_display(patient: FakeServer, long: Path) -> None:
    arguments = "listen", str(long), "--realtime", "--format", "vtt", "--url", patient.url
    with on_terminal(*arguments, piped=True) as terminal:
        terminal.until(live)
        terminal.type("\x03")
        assert terminal.end() == 0
        (summary,) = terminal.text.splitlines()
    assert terminal.stdout.decode().startswith("WEBVTT\n\n00:00:00.000 --> 00:00:0")
    assert re.fullmatch(r".* s of audio sent, \d+ words?; .* s connected", summary)


@pytest.mark.slow
def test_a_pause_makes_a_file_stand_still_and_captions_stay_where_they_are_in_it(
    patient: FakeServer, long: Path
) -> None:
    arguments = "listen", str(long), "--realtime", "--format", "srt", "--url", patient.url
    with on_terminal(*arguments, piped=True) as terminal:
        terminal.until(live)
        terminal.type("\n")
        terminal.until(lambda text: "paused; Enter resumes" in text)
        patient.wait(lambda: "Finalize" in patient.connections[0].types, within_s=20)
        sent = patient.connections[0].seconds
        time.sleep(1.5)
        assert patient.connections[0].seconds == sent
        terminal.type("\n")
        terminal.until(lambda text: "Enter pauses" in text)
        patient.wait(lambda: patient.connections[0].seconds > sent + 0.8, within_s=20)
        terminal.type("\x03")
        assert terminal.end() == 0
    stamps = [int(at[:-4][-2:]) + int(at[-3:]) / 1000 for at in re.findall(r"\S+,\d+", terminal.stdout.decode())]
    assert stamps == sorted(stamps)
    assert sent < stamps[-1] <= patient.connections[0].seconds + 0.01
    assert long.read_bytes()[44:].startswith(patient.connections[0].audio)


@pytest.mark.slow
def test_a_parameter_that_nearly_is_one_is_reported_and_the_rest_works(server: FakeServer, sound: Path) -> None:
    result = listen(server, sound, "-q", "smart_formatt=true", "-q", "tier=base", "-q", "foo=1")
    assert result.exit_code == 0, result.stderr
    assert "'smart_formatt' is no parameter of the wire, and is ignored: did you mean 'smart_format'?" in result.stderr
    assert result.stderr.count("did you mean") == 1
    assert result.stdout.split() == heard(server)


@pytest.mark.slow
def test_a_recording_that_was_sent_says_that_words_are_on_their_way(server: FakeServer, sound: Path) -> None:
    server.mute()
    with on_terminal("listen", str(sound), "--url", server.url) as terminal:
        terminal.until(lambda text: re.fullmatch(r" +2\.7 s [━╸]{30} 100% all sent; words are on their way", text))
        server.unmute()
        assert terminal.end() == 0


@pytest.mark.slow
def test_a_recording_is_not_paused_by_enter(server: FakeServer, long: Path) -> None:
    """Its words would be placed where they are not: no clock runs through a file."""
    server.after(1.0, server.stall)
    with on_terminal("listen", str(long), "--json", "--url", server.url, piped=True) as terminal:
        server.wait(lambda: bool(server.connections) and server.connections[0].seconds >= 1.0, within_s=20)
        terminal.type("\n")
        server.unstall()
        assert terminal.end() == 0
    kinds = [json.loads(line)["type"] for line in terminal.stdout.splitlines()]
    assert "paused" not in kinds
    assert kinds[-1] == "closed"


@pytest.mark.slow
def test_ctrl_c_leaves_at_once_while_there_is_no_connection_yet(sound: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}"
        with on_terminal("listen", str(sound), "--url", url) as terminal, silent.accept()[0]:
            terminal.type("\x03")
            assert terminal.end() == 130
            assert terminal.text == "^C"


@pytest.mark.slow
def test_a_closed_pipe_ends_the_command_quietly(server: FakeServer, long: Path) -> None:
    """As `| head -1` does."""
    arguments = "listen", str(long), "--json", "--realtime", "--interim", "--url", server.url
    with on_terminal(*arguments, piped=True) as terminal:
        assert json.loads(terminal.read_one_line())["type"] == "interim"
        assert terminal.end() == 1
        assert "Traceback" not in terminal.text
