"""A file streamed by `caesura listen`, seen from both ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest
from typer.testing import CliRunner
from websockets.asyncio.server import ServerConnection

from caesura.cli.main import app
from tests.cli.fake import Heard, fake_server, metadata, results, transcribe

runner = CliRunner()


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    file = tmp_path / "sound.wav"
    file.write_bytes(bytes(range(256)) * 512)
    return file


def test_finals_are_lines_on_stdout_and_the_sum_is_on_stderr(sound: Path) -> None:
    with fake_server() as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert result.exit_code == 0, result.output
    assert result.stdout == "One two.\nThree.\n"
    assert re.fullmatch(r"1\.5 s of audio, 3 words, in \d+\.\d s\n", result.stderr)


def test_the_bytes_of_the_file_arrive_as_they_are(sound: Path) -> None:
    with fake_server() as heard:
        runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert bytes(heard.audio) == sound.read_bytes()
    assert heard.texts == ["CloseStream"]


def test_interims_are_asked_for_and_marked_in_a_pipe(sound: Path) -> None:
    with fake_server() as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url, "--interim"])
    assert result.stdout == "~ one\nOne two.\nThree.\n"
    assert heard.paths == ["/v1/listen?model=nova-3&smart_format=true&interim_results=true"]


def test_json_prints_every_message_as_the_server_sent_it(sound: Path) -> None:
    with fake_server() as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url, "--json"])
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["Results", "Results", "Results", "Metadata"]
    assert result.stdout.splitlines()[-1] == metadata(1.5)


def test_parameters_go_into_the_query_and_may_replace_ours(sound: Path) -> None:
    arguments = ["-q", "model=base", "-q", "keyterm=a b", "-q", "keyterm=c=d"]
    with fake_server() as heard:
        assert runner.invoke(app, ["listen", str(sound), "--url", heard.url, *arguments]).exit_code == 0
    assert heard.paths == ["/v1/listen?smart_format=true&model=base&keyterm=a+b&keyterm=c%3Dd"]


def test_a_parameter_without_a_value_is_refused(sound: Path) -> None:
    result = runner.invoke(app, ["listen", str(sound), "-q", "model"])
    assert result.exit_code == 2
    assert "'model' is not NAME=VALUE" in result.output


def test_the_first_key_of_the_variable_is_used_and_never_shown(sound: Path) -> None:
    with fake_server() as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url], env={"CAESURA_KEY": "secret,other"})
    assert heard.authorizations == ["Token secret"]
    assert "secret" not in result.output


def test_channels_are_told_apart(sound: Path) -> None:
    async def two_channels(connection: ServerConnection, heard: Heard) -> None:
        await connection.send(results("Left.", 0.0, 1.0, channel=(0, 2)))
        await connection.send(results("Right.", 0.0, 1.0, channel=(1, 2)))
        await transcribe(connection, heard)

    with fake_server(two_channels) as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert result.stdout.splitlines()[:2] == ["[0] Left.", "[1] Right."]


def test_a_refusal_is_told_in_the_servers_words(sound: Path) -> None:
    with fake_server(refuse=(400, {"dg-error": "Invalid 'model'."}, {})) as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "The server refused (400): Invalid 'model'.\n"


def test_a_stream_that_the_server_cut_is_a_failure(sound: Path) -> None:
    async def cut(connection: ServerConnection, heard: Heard) -> None:
        await connection.recv()
        await connection.send(results("One.", 0.0, 1.0))
        await connection.send(metadata(1.0))
        await connection.close(1011, "NET-0000")

    with fake_server(cut) as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert (result.exit_code, result.stdout) == (1, "One.\n")
    assert "before its end (1011: NET-0000)" in result.stderr


def test_an_end_without_metadata_is_a_failure(sound: Path) -> None:
    async def curt(connection: ServerConnection, heard: Heard) -> None:
        async for item in connection:
            if isinstance(item, str):
                await connection.close(1000)

    with fake_server(curt) as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert result.exit_code == 1
    assert "without Metadata" in result.stderr


def test_an_error_message_of_the_server_is_shown_and_the_stream_goes_on(sound: Path) -> None:
    async def complain(connection: ServerConnection, heard: Heard) -> None:
        await connection.send('{"type":"Error","description":"Could not deserialize"}')
        await transcribe(connection, heard)

    with fake_server(complain) as heard:
        result = runner.invoke(app, ["listen", str(sound), "--url", heard.url])
    assert result.exit_code == 0
    assert "The server says: Could not deserialize" in result.stderr


def test_ctrl_c_ends_the_sending_and_waits_for_the_last_words(tmp_path: Path) -> None:
    """The rest of the file stays at home, everything heard so far is printed."""
    file = tmp_path / "long.raw"
    file.write_bytes(bytes(32 * 1024 * 1024))

    async def interrupt(connection: ServerConnection, heard: Heard) -> None:
        await connection.recv()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.05)
        await transcribe(connection, heard)

    with fake_server(interrupt) as heard:
        result = runner.invoke(app, ["listen", str(file), "--url", heard.url])
    assert result.exit_code == 0, result.output
    assert result.stdout == "One two.\nThree.\n"
    assert heard.texts == ["CloseStream"]
    assert len(heard.audio) < file.stat().st_size


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = runner.invoke(app, ["listen", str(tmp_path / "none.wav")])
    assert result.exit_code == 2
    assert "none.wav" in re.sub(r"[\s│]+", "", result.output)
