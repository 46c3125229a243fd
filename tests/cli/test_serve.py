"""Flags and variables become settings; bad values are refused by name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from caesura.cli.database import default_database
from caesura.cli.main import app
from caesura.distribution import install_command
from caesura.errors import UsageError
from caesura.server.origin import Origin
from caesura.server.settings import Settings

runner = CliRunner()


class Recorder:
    """Stands in for caesura.server.run: remembers the settings, serves nothing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
        self.settings: Settings | None = None
        self._error = error
        module = ModuleType("caesura.server.run")
        module.serve = self._serve  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "caesura.server.run", module)
        monkeypatch.setattr("caesura.server.run", module, raising=False)

    def _serve(self, settings: Settings, *, on_ready: Callable[[str, int], None] | None = None) -> None:
        self.settings = settings
        if self._error:
            raise self._error
        assert on_ready is not None
        on_ready("ws://127.0.0.1:8080/v1/listen", 24)


def test_without_flags_the_settings_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    result = runner.invoke(app, ["serve"])
    assert recorder.settings == Settings(database=default_database())
    assert "Listening on ws://127.0.0.1:8080/v1/listen\nRoom for 24 live streams" in result.stdout


FLAGS = {
    "--host": "0.0.0.0",
    "--port": "9000",
    "--engine": "scripted moonshine",
    "--model-name": "nova-2=whisper-small",
    "--database": "/var/lib/ledger.db",
    "--prices": "prices.toml",
    "--key": "one",
    "--cors-origin": "https://app.example.org,http://localhost:3000",
    "--allowed-host": "speech.example.org",
    "--idle-timeout": "12",
    "--workers": "3",
    "--interim-interval": "0.3",
    "--first-response-timeout": "30",
    "--drain-timeout": "5",
    "--max-message-bytes": "2048",
    "--max-sessions": "7",
    "--capacity": "6",
    "--max-recordings": "3",
    "--max-recording-bytes": "4096",
    "--stall-timeout": "9",
    "--url-connect-timeout": "2",
    "--url-response-timeout": "20",
}
SET = Settings(
    host="0.0.0.0",
    port=9000,
    engines=("scripted", "moonshine"),
    model_names={"nova-2": "whisper-small"},
    database="/var/lib/ledger.db",
    prices="prices.toml",
    keys=("one",),
    no_auth=True,
    cors_origins=frozenset({Origin("https", "app.example.org", 443), Origin("http", "localhost", 3000)}),
    allowed_hosts=frozenset({"speech.example.org"}),
    idle_timeout_s=12.0,
    workers=3,
    interim_interval_s=0.3,
    first_response_timeout_s=30.0,
    drain_timeout_s=5.0,
    max_message_bytes=2048,
    max_sessions=7,
    capacity=6,
    max_recordings=3,
    max_recording_bytes=4096,
    stall_timeout_s=9.0,
    allow_private_urls=True,
    url_connect_timeout_s=2.0,
    url_response_timeout_s=20.0,
)


def test_every_flag_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    arguments = [part for pair in FLAGS.items() for part in pair]
    assert runner.invoke(app, ["serve", "--no-auth", "--allow-private-urls", *arguments]).exit_code == 0
    assert recorder.settings == SET


def test_every_variable_reaches_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(monkeypatch)
    variables = {"CAESURA_" + flag[2:].replace("-", "_").upper(): value for flag, value in FLAGS.items()}
    variables["CAESURA_STATIC_KEYS"] = variables.pop("CAESURA_KEY")
    assert (
        runner.invoke(
            app, ["serve"], env={**variables, "CAESURA_NO_AUTH": "true", "CAESURA_ALLOW_PRIVATE_URLS": "1"}
        ).exit_code
        == 0
    )
    assert recorder.settings == SET


def test_a_model_is_searched_in_the_folder_of_the_flag(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder(monkeypatch)
    folder = tmp_path / "whisper" / "small"
    folder.mkdir(parents=True)
    for file in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / file).touch()
    asked = ["serve", "--engine", "whisper", "--model", "small"]
    assert runner.invoke(app, [*asked, "--models", str(tmp_path)]).exit_code == 0
    assert recorder.settings is not None
    assert recorder.settings.engines == (f"whisper:{folder}@cpu",)
    refused = runner.invoke(app, [*asked, "--models", str(tmp_path / "other")])
    assert refused.exit_code == 1
    assert "caesura models pull small" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "variable"), [(["--key", "a", "--key", "b"], ""), ([], "a b"), ([], "a,b"), ([], " a ,\tb ")]
)
def test_keys_come_from_flags_or_from_one_variable(
    arguments: list[str], variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    result = runner.invoke(app, ["serve", *arguments], env={"CAESURA_STATIC_KEYS": variable} if variable else {})
    assert result.exit_code == 0
    assert recorder.settings is not None
    assert recorder.settings.keys == ("a", "b")


def test_a_clients_key_keeps_a_server_from_starting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    recorder = Recorder(monkeypatch)
    result = runner.invoke(app, ["serve", "--database", str(tmp_path / "none.db")], env={"CAESURA_KEY": "mine"})
    assert (result.exit_code, recorder.settings) == (2, None)
    assert result.stderr.startswith("CAESURA_KEY is set")


@pytest.mark.parametrize(
    ("flag", "value", "right"),
    [
        ("--interim-interval", "0.2", "a number of seconds from 0.3 to 60"),
        ("--idle-timeout", "0", "a number of seconds above 0"),
        ("--drain-timeout", "soon", "a number of seconds above 0"),
        ("--first-response-timeout", "-1", "a number of seconds from 0"),
        ("--port", "65536", "a whole number from 0 to 65535"),
        ("--workers", "-1", "a whole number from 0 to 1024"),
        ("--max-sessions", "0", "a whole number from 1"),
        ("--max-message-bytes", "12", "a whole number from 1024"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(
    flag: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence names the flag, the value and what would be right; nothing is served."""
    recorder = Recorder(monkeypatch)
    result = runner.invoke(app, ["serve", flag, value])
    assert (result.exit_code, recorder.settings) == (2, None)
    assert f"'{flag}'" in result.stderr
    assert result.stderr.endswith(f"{value} is not {right}.\n")


@pytest.mark.parametrize(
    ("flag", "value", "right"),
    [("--cors-origin", "*", "name each origin"), ("--allowed-host", "http://a", "without scheme, port, path")],
)
def test_an_invalid_origin_or_host_is_refused_before_the_start(
    flag: str, value: str, right: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch)
    result = runner.invoke(app, ["serve", flag, value])
    assert (result.exit_code, recorder.settings) == (2, None)
    assert result.stderr.startswith(f"{flag} {value}: ")
    assert right in result.stderr


def test_a_sentence_of_the_server_is_shown_and_the_code_is_2(monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder(monkeypatch, UsageError("0.0.0.0 is open to others: give --key"))
    result = runner.invoke(app, ["serve", "--host", "0.0.0.0"])
    assert (result.exit_code, result.stderr) == (2, "0.0.0.0 is open to others: give --key\n")


def test_without_the_server_extra_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import caesura.server

    monkeypatch.delattr(caesura.server, "run", raising=False)
    monkeypatch.delitem(sys.modules, "caesura.server.run", raising=False)
    monkeypatch.delitem(sys.modules, "uvicorn", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = runner.invoke(app, ["serve"])
    assert result.exit_code == 2
    assert install_command("server") in result.stderr
