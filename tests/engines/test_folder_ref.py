"""References to a folder with a model, and what is said when there is none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from caesura.engines.folder_ref import check_files, parse_folder_ref
from caesura.errors import EngineError, UsageError


@pytest.mark.parametrize(
    ("text", "folder", "languages"),
    [
        ("/srv/model@de", "/srv/model", ("de",)),
        ("/srv/model@zh,en", "/srv/model", ("zh", "en")),
        ("/srv/vosk-model-small-ko-0.22", "/srv/vosk-model-small-ko-0.22", ("ko",)),
        ("/srv/vosk-model-small-en-us-0.15", "/srv/vosk-model-small-en-us-0.15", ("en",)),
        ("/srv/vosk-model-small-cn-0.22", "/srv/vosk-model-small-cn-0.22", ("zh",)),
        ("/srv/sherpa-onnx-streaming-zipformer-bilingual-zh-en-2023-02-20", None, ("zh", "en")),
        ("/srv/sherpa-onnx-streaming-zipformer-korean-2024-06-16", None, ("ko",)),
        ("/srv/a@b/model@fr", "/srv/a@b/model", ("fr",)),
    ],
)
def test_a_reference_is_a_folder_and_its_languages(text: str, folder: str | None, languages: tuple[str, ...]) -> None:
    ref = parse_folder_ref("vosk", text)
    assert str(ref.folder) == (folder or text)
    assert ref.languages == languages
    assert parse_folder_ref("vosk", ref.text) == ref


def test_a_folder_may_be_relative_or_of_the_user() -> None:
    assert parse_folder_ref("vosk", "./model@en").folder == Path.cwd() / "model"
    assert parse_folder_ref("vosk", "~/model@en").folder == Path.home() / "model"


@pytest.mark.parametrize("text", ["", "small", "@en"])
def test_a_name_is_no_folder(text: str) -> None:
    with pytest.raises(UsageError, match=f"vosk:{text} names no folder; give vosk:/FOLDER"):
        parse_folder_ref("vosk", text)


@pytest.mark.parametrize("text", ["/srv/model", "/srv/model@", "/srv/model@e1", "/srv/model@en,"])
def test_a_model_whose_language_is_not_known_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="does not say its language; add it"):
        parse_folder_ref("vosk", text)


def test_what_a_folder_lacks_is_named(tmp_path: Path) -> None:
    check_files("vosk", tmp_path, (), "a model")
    with pytest.raises(EngineError, match="lacks one and two; it must be a model"):
        check_files("vosk", tmp_path, ("one", "two"), "a model")
    with pytest.raises(EngineError, match=f"there is no folder {re.escape(str(tmp_path))}/none; name one with a model"):
        check_files("vosk", tmp_path / "none", (), "a model")
