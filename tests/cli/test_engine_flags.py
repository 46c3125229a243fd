"""The flags that select an engine and its model, and the variables that name the folder of models."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.cli.engine_flags import model_names, models_folder, resolve_engines
from caesura.errors import EngineError, UsageError


def whole(models: Path, name: str) -> Path:
    folder = models / "whisper" / name
    folder.mkdir(parents=True)
    for file in ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / file).touch()
    return folder


def test_the_flag_names_the_folder_of_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    monkeypatch.chdir(tmp_path)
    assert models_folder("/models") == Path("/models")
    assert models_folder("~/models") == Path("/home/anna/models")
    assert models_folder("models") == tmp_path / "models"


@pytest.mark.parametrize(
    ("cache", "folder"),
    [
        ("/cache", "/cache/caesura/models"),
        ("", "/home/anna/.cache/caesura/models"),
        ("relative", "/home/anna/.cache/caesura/models"),
    ],
)
def test_the_default_folder_is_in_the_cache_of_the_system(
    monkeypatch: pytest.MonkeyPatch, cache: str, folder: str
) -> None:
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert models_folder(None) == Path(folder)


def test_the_name_of_an_engine_with_its_own_model_is_unchanged(tmp_path: Path) -> None:
    assert resolve_engines(["moonshine"], None, tmp_path) == ("moonshine",)
    assert resolve_engines(["package.module:attribute"], None, tmp_path) == ("package.module:attribute",)


def test_a_model_is_named_by_its_folder(tmp_path: Path) -> None:
    small, tiny = whole(tmp_path, "small"), whole(tmp_path, "tiny")
    assert resolve_engines(["whisper"], None, tmp_path) == (f"whisper:{small}@cpu",)
    assert resolve_engines(["whisper"], "tiny", tmp_path) == (f"whisper:{tiny}@cpu",)
    assert resolve_engines(["whisper:tiny@cuda"], None, tmp_path) == (f"whisper:{tiny}@cuda",)
    assert resolve_engines(["whisper"], str(tiny), tmp_path) == (f"whisper:{tiny}@cpu",)


def test_the_error_for_a_missing_model_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="`caesura models pull base` downloads it"):
        resolve_engines(["whisper"], "base", tmp_path)


@pytest.mark.parametrize("engine", ["moonshine", "whisper:tiny", "package.module:attribute"])
def test_a_model_for_an_engine_that_has_none_to_choose_is_refused(tmp_path: Path, engine: str) -> None:
    with pytest.raises(
        UsageError, match=rf"model: 'small' does not apply to engine '{engine}', which has no models to"
    ):
        resolve_engines([engine], "small", tmp_path)


def test_engines_keep_their_order_and_come_once(tmp_path: Path) -> None:
    small = whole(tmp_path, "small")
    assert resolve_engines(["moonshine whisper", "moonshine"], "small", tmp_path) == (
        "moonshine",
        f"whisper:{small}@cpu",
    )


def test_no_engine_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="engine: none is named"):
        resolve_engines([" "], None, tmp_path)


def test_names_are_read_from_pairs_with_blanks_or_commas_between() -> None:
    assert model_names(["nova-2=whisper-small,nova-3=moonshine-tiny-en", "base=whisper-small"]) == {
        "nova-2": "whisper-small",
        "nova-3": "moonshine-tiny-en",
        "base": "whisper-small",
    }


@pytest.mark.parametrize("pair", ["nova-2", "nova-2=", "=whisper-small", "="])
def test_an_incomplete_pair_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="give NAME=MODEL"):
        model_names([pair])


def test_a_name_has_one_meaning() -> None:
    assert model_names(["a=b", "a=b"]) == {"a": "b"}
    with pytest.raises(UsageError, match="a is b already"):
        model_names(["a=b", "a=c"])
