"""The store: manifests, complete and incomplete models, languages of a vocabulary."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from caesura.engines.models.store import (
    MANIFEST,
    Manifest,
    ModelFile,
    installed,
    integrity_errors,
    languages_of,
    missing_files,
    model_folder,
    read_manifest,
    sha256_of,
    size_errors,
    write_manifest,
)
from caesura.errors import EngineError

FILES = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.json": b"[]"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Folder with a complete model."""
    made = model_folder(tmp_path, "tiny")
    made.mkdir(parents=True)
    for name, body in FILES.items():
        (made / name).write_bytes(body)
    write_manifest(made, manifest())
    return made


def manifest() -> Manifest:
    pieces = tuple(ModelFile(name, len(body), hashlib.sha256(body).hexdigest()) for name, body in FILES.items())
    return Manifest("tiny", "Systran/faster-whisper-tiny", "abc", "https://hub.example", "MIT", pieces)


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    assert read_manifest(folder) == manifest()
    assert manifest().size == 13


def test_a_folder_without_manifest_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"files": [{}]}', '{"files": 7}'])
def test_the_error_for_an_unreadable_manifest_says_what_to_do(folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text)
    with pytest.raises(EngineError, match=r"cannot be read .*remove .*tiny and pull the model again"):
        read_manifest(folder)


def test_complete_models_are_found_and_partial_ones_are_not(folder: Path, tmp_path: Path) -> None:
    for suffix in (".part", ".old"):
        other = folder.with_name(f"base.en{suffix}")
        other.mkdir()
        write_manifest(other, manifest())
    folder.with_name("empty").mkdir()
    assert installed(tmp_path) == [folder]
    assert installed(tmp_path / "nowhere") == []


def test_a_repository_is_one_folder(tmp_path: Path) -> None:
    assert model_folder(tmp_path, "someone/tiny") == tmp_path / "whisper" / "someone--tiny"


def test_every_family_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert model_folder(tmp_path, "tiny", "sherpa") == tmp_path / "sherpa" / "tiny"
    other = model_folder(tmp_path, "tiny", "sherpa")
    other.mkdir(parents=True)
    write_manifest(other, manifest())
    assert installed(tmp_path, "sherpa") == [other]
    assert installed(tmp_path) == []


def test_files_of_other_families_are_found_by_patterns(tmp_path: Path) -> None:
    required = (("*encoder*.onnx",), ("tokens.txt", "vocab.txt"))
    assert missing_files(tmp_path, required) == ["*encoder*.onnx", "tokens.txt"]
    (tmp_path / "encoder.onnx").mkdir()
    (tmp_path / "an-encoder.int8.onnx").touch()
    (tmp_path / "vocab.txt").touch()
    assert missing_files(tmp_path, required) == []


def test_a_complete_model_has_no_errors(folder: Path) -> None:
    assert missing_files(folder) == []
    assert list(integrity_errors(folder, manifest())) == []


def test_missing_and_short_files_are_named(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"weigh")
    (folder / "config.json").unlink()
    assert list(size_errors(folder, manifest())) == ["model.bin has 5 bytes instead of 7", "config.json is missing"]
    assert list(integrity_errors(folder, manifest())) == list(size_errors(folder, manifest()))


def test_changed_bytes_are_found_by_their_checksum(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"wEights")
    assert list(size_errors(folder, manifest())) == []
    assert list(integrity_errors(folder, manifest())) == [
        "model.bin differs from what was pulled: its SHA-256 is another one"
    ]


@pytest.mark.parametrize("name", FILES)
def test_missing_required_files_are_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    assert missing_files(folder) == [name]


def test_either_vocabulary_is_enough(folder: Path) -> None:
    (folder / "vocabulary.json").rename(folder / "vocabulary.txt")
    assert missing_files(folder) == []


def test_a_digest_is_that_of_all_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)
    assert sha256_of(path) == hashlib.sha256(b"x" * 3_000_000).hexdigest()


@pytest.mark.parametrize("name", ["vocabulary.json", "vocabulary.txt"])
@pytest.mark.parametrize(
    ("tokens", "languages"),
    [
        (["a", "", "<|en|>", "<|jw|>", "<|yue|>", "<|0.00|>"], ("en", "jv", "yue")),
        (["a", "<|en|>", "<|de|>"], ("en",)),
    ],
)
def test_the_languages_are_read_from_the_vocabulary(
    tmp_path: Path, name: str, tokens: list[str], languages: tuple[str, ...]
) -> None:
    text = json.dumps(tokens) if name.endswith("json") else "\n".join(tokens) + "\n"
    (tmp_path / name).write_text(text)
    assert languages_of(tmp_path) == languages


def test_the_error_for_an_unreadable_vocabulary_names_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"holds no vocabulary\.json"):
        languages_of(tmp_path)
    (tmp_path / "vocabulary.json").write_text("{")
    with pytest.raises(EngineError, match="cannot be read"):
        languages_of(tmp_path)
