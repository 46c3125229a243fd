"""`caesura models`: the table, one model in detail, and pulling it from a hub on loopback."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.distribution import install_command
from caesura.engines import registry
from caesura.engines.models.families import find_any
from caesura.engines.models.store import MANIFEST
from caesura.errors import UsageError
from tests.engines.models.hub_server import REVISION, FakeHub, model_files, serving
from tests.engines.models.without_whisper import without_library

DOCS = Path(__file__).parents[2] / "docs" / "engines.md"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving(FakeHub(model_files())) as hub:
        yield hub


def run(*arguments: str, models: Path, **variables: str) -> Result:
    variables = {"CAESURA_MODELS": str(models), "COLUMNS": "80", **variables}
    return CliRunner().invoke(app, ["models", *arguments], env=variables)


def pull(hub: FakeHub, models: Path, *flags: str, name: str = "tiny") -> Result:
    return run("pull", name, "--endpoint", hub.url, *flags, models=models)


def listed(models: Path) -> dict[str, dict[str, Any]]:
    return {row["engine"]: row for row in json.loads(run("list", "--json", models=models).stdout)}


def flat(text: str) -> str:
    return " ".join(text.split())


# ---- the flags ----


def options() -> list[tuple[str, str, object]]:
    """Every flag of every command about models with its variable."""
    commands = get_command(app).commands["models"].commands  # type: ignore[attr-defined]
    return [
        (name, parameter.opts[0], parameter.envvar)
        for name, command in commands.items()
        for parameter in command.params
        if parameter.param_type_name == "option"
    ]


@pytest.mark.parametrize(("command", "flag", "variable"), options())
def test_every_flag_is_also_a_variable_and_in_the_docs(command: str, flag: str, variable: str) -> None:
    assert variable == "CAESURA_" + re.sub("-", "_", flag.lstrip("-")).upper()
    assert f"`{flag}" in DOCS.read_text()
    assert f"`{variable}`" in DOCS.read_text()


def test_help_names_the_three(tmp_path: Path) -> None:
    shown = run(models=tmp_path).output
    assert all(f"  {name} " in shown for name in ("list", "info", "pull"))


# ---- list ----


def test_the_table_fits_a_terminal_and_shows_which_models_are_here(tmp_path: Path) -> None:
    lines = run("list", models=tmp_path).stdout.splitlines()
    assert lines[0].split() == ["--engine", "languages", "size", "here", "licence"]
    assert lines[1].split() == ["moonshine", "en", "built", "in", "MIT"]
    (large,) = (line.split() for line in lines if line.startswith("whisper:large-v3 "))
    assert large == ["whisper:large-v3", "100", "languages", "3,087", "MB", "no", "MIT"]
    assert max(map(len, lines)) <= 80
    (parakeet,) = (line.split() for line in lines if line.startswith("onnx-asr:parakeet-tdt-0.6b-v3 "))
    assert parakeet == ["onnx-asr:parakeet-tdt-0.6b-v3", "25", "languages", "670", "MB", "no", "CC-BY-4.0"]
    (zipformer,) = (line.split() for line in lines if line.startswith("sherpa:zipformer-en "))
    assert zipformer == ["sherpa:zipformer-en", "en", "74", "MB", "no", "Apache-2.0"]


@pytest.mark.slow
def test_a_pulled_model_is_listed_with_its_real_size(hub: FakeHub, tmp_path: Path) -> None:
    assert listed(tmp_path)["whisper:tiny"]["state"] == "no"
    pull(hub, tmp_path)
    row = listed(tmp_path)["whisper:tiny"]
    assert (row["state"], row["size"]) == ("yes", 5014)
    (tmp_path / "whisper" / "tiny" / "model.bin").write_bytes(b"")
    assert listed(tmp_path)["whisper:tiny"]["state"] == "not whole"


@pytest.mark.slow
def test_a_model_that_is_not_in_the_catalogue_is_listed_once_it_is_here(hub: FakeHub, tmp_path: Path) -> None:
    hub.repo = "some-one/whisper-de"
    assert pull(hub, tmp_path, name="some-one/whisper-de").exit_code == 0
    row = listed(tmp_path)["whisper:some-one/whisper-de"]
    assert (row["state"], row["licence"], row["languages"]) == ("yes", "mit", [])


def test_engines_of_other_packages_are_listed_broken_ones_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "declared", lambda: {"meter": "caesura-meter", "bad": "bad-package"})
    info = registry.engine_info("scripted")

    def found(name: str) -> object:
        if name == "bad":
            raise UsageError("engine: 'bad' cannot be imported")
        return info

    monkeypatch.setattr(registry, "engine_info", found)
    rows = listed(tmp_path)
    assert (rows["meter"]["state"], rows["meter"]["languages"]) == ("comes with caesura-meter", ["en"])
    assert rows["bad"]["state"] == "broken: engine: 'bad' cannot be imported"


# ---- info ----


def test_info_of_a_missing_model_comes_from_the_catalogue(tmp_path: Path) -> None:
    result = run("info", "large", "--json", models=tmp_path)
    told = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (told["name"], told["aliases"], told["here"], told["wrong"]) == ("large-v3", ["large"], False, [])
    assert told["folder"] == str(tmp_path / "whisper" / "large-v3")
    shown = flat(run("info", "whisper:large", models=tmp_path).stdout)
    assert "size 3,087 MB" in shown
    assert "here no; `caesura models pull large-v3` downloads it" in shown


def test_info_tells_accuracy_and_cost_with_their_source(tmp_path: Path) -> None:
    told = json.loads(run("info", "parakeet-v3", "--json", models=tmp_path).stdout)
    assert (told["engine"], told["aliases"]) == ("onnx-asr:parakeet-tdt-0.6b-v3", ["parakeet", "parakeet-v3"])
    assert told["published_wer"].startswith("6.32 %, mean of 8 English sets")
    assert told["published_wer"].endswith("(Open ASR Leaderboard, short form)")
    assert told["cpu"].startswith("high: recordings")
    assert told["revision"] == find_any("parakeet-v3").revision
    assert told["folder"] == str(tmp_path / "onnx-asr" / "parakeet-tdt-0.6b-v3")
    assert "published_wer unknown" in flat(run("info", "tiny", models=tmp_path).stdout)


@pytest.mark.slow
def test_info_verifies_every_byte_of_a_model(hub: FakeHub, tmp_path: Path) -> None:
    pull(hub, tmp_path)
    result = run("info", "tiny", models=tmp_path)
    assert result.exit_code == 0
    assert "here yes wrong nothing" in flat(result.stdout)
    assert "model.bin 5,000 bytes sha256" in flat(result.stdout)
    weights = tmp_path / "whisper" / "tiny" / "model.bin"
    weights.write_bytes(b"x" + weights.read_bytes()[1:])
    result = run("info", "tiny", models=tmp_path)
    assert result.exit_code == 1
    assert "another one; `caesura models pull tiny` repairs it" in flat(result.stdout)
    told = json.loads(run("info", "tiny", "--json", models=tmp_path).stdout)
    assert told["wrong"] == ["model.bin differs from what was pulled: its SHA-256 is another one"]
    assert (told["revision"], told["endpoint"]) == (REVISION, hub.url)


@pytest.mark.parametrize("command", ["info", "pull"])
def test_an_unknown_name_is_refused(tmp_path: Path, command: str) -> None:
    result = run(command, "smal", models=tmp_path)
    assert result.exit_code == 2
    assert "no Whisper model is called 'smal'" in result.stderr
    result = run(command, "moonshine", models=tmp_path)
    assert result.exit_code == 2
    assert "moonshine comes with the extra 'server', and there is nothing to pull" in result.stderr


# ---- pull ----


@pytest.mark.slow
def test_pulling_shows_progress_and_says_how_to_serve(hub: FakeHub, tmp_path: Path) -> None:
    result = pull(hub, tmp_path)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"tiny (0 MB) is now in {tmp_path}/whisper/tiny",
        "caesura serve --engine whisper:tiny",
    ]
    assert "5.0/5.0 kB" in result.stderr
    assert "already in" in pull(hub, tmp_path).stdout


@pytest.mark.slow
def test_a_model_of_another_engine_is_pulled_by_its_short_name(tmp_path: Path) -> None:
    entry = find_any("parakeet-v2")
    files = {name: name.encode() * 40 for name in (*entry.files, "encoder-model.onnx")}
    with serving(FakeHub(files, repo=entry.repo, revision=entry.revision)) as hub:
        result = pull(hub, tmp_path, name="parakeet-v2")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"parakeet-tdt-0.6b-v2 (0 MB) is now in {tmp_path}/onnx-asr/parakeet-tdt-0.6b-v2",
        "caesura serve --engine onnx-asr:parakeet-tdt-0.6b-v2",
    ]
    assert listed(tmp_path)["onnx-asr:parakeet-tdt-0.6b-v2"]["state"] == "yes"


@pytest.mark.slow
def test_pulling_prints_json(hub: FakeHub, tmp_path: Path) -> None:
    told = json.loads(pull(hub, tmp_path, "--json").stdout)
    assert (told["name"], told["revision"], told["fresh"]) == ("tiny", REVISION, True)
    assert {file["name"] for file in told["files"]} == set(hub.files) - {"README.md"}


@pytest.mark.slow
def test_the_folder_the_hub_and_the_revision_can_be_named(hub: FakeHub, tmp_path: Path) -> None:
    other = tmp_path / "other"
    result = run("pull", "tiny", "--models", str(other), "--revision", REVISION, models=tmp_path, HF_ENDPOINT=hub.url)
    assert result.exit_code == 0
    assert (other / "whisper" / "tiny" / MANIFEST).exists()
    assert run("pull", "tiny", "--revision", "nosuch", "--endpoint", hub.url, models=tmp_path).exit_code == 2


@pytest.mark.slow
def test_pulling_without_network_prints_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    result = run("pull", "tiny", "--endpoint", "http://127.0.0.1:9", models=tmp_path)
    assert result.exit_code == 1
    assert "http://127.0.0.1:9 cannot be reached" in result.stderr
    assert "Is there a network" in result.stderr
    assert not (tmp_path / "whisper" / "tiny").exists()


@pytest.mark.slow
def test_wrong_bytes_fail_the_command(hub: FakeHub, tmp_path: Path) -> None:
    hub.sent["model.bin"] = b"?" * 5000
    result = pull(hub, tmp_path)
    assert result.exit_code == 1
    assert "the checksum differs" in flat(result.stderr)


@pytest.mark.slow
def test_pulling_without_the_extra_whisper_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import builtins

    original = builtins.__import__

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == "caesura.engines.models" and "download" in (arguments[2] or ()):
            raise ModuleNotFoundError("No module named 'huggingface_hub'", name="huggingface_hub")
        return original(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    result = run("pull", "tiny", models=tmp_path)
    assert result.exit_code == 2
    assert "engine whisper needs the package huggingface-hub" in result.stderr
    assert install_command("whisper") in result.stderr


@pytest.mark.slow
def test_without_the_library_of_whisper_models_are_listed_with_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note is for eyes: what another program reads on stdout is the same with it and without."""
    with_library = run("list", models=tmp_path)
    assert with_library.stderr == ""
    without_library(monkeypatch)
    note = f"Note: engine whisper needs the package faster-whisper: `{install_command('whisper')}` installs it\n"
    without = run("list", models=tmp_path)
    assert (without.exit_code, without.stdout, without.stderr) == (0, with_library.stdout, note)
    assert run("info", "tiny", models=tmp_path).stderr == note


def test_the_command_costs_the_base_install_nothing(tmp_path: Path) -> None:
    """Neither numpy nor an HTTP library is loaded before a command needs it."""
    code = (
        "import sys; from caesura.cli import main;"
        "heavy = ('numpy', 'httpx2', 'ctranslate2', 'faster_whisper', 'huggingface_hub');"
        "sys.exit(any(name in sys.modules for name in heavy))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=tmp_path).returncode == 0
