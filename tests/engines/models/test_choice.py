"""What may stand behind `whisper:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.engines.models.catalogue import OFFERS
from caesura.engines.models.choice import check_whole, choose
from caesura.engines.models.shelf import Manifest, Piece, write_manifest
from caesura.errors import EngineError, UsageError

FILES = ("model.bin", "config.json", "tokenizer.json", "vocabulary.txt")


def filled(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_bytes(b"1234")
    return folder


@pytest.mark.parametrize(
    ("text", "name", "place", "device"),
    [
        ("", "small", "small", "cpu"),
        ("small", "small", "small", "cpu"),
        ("small@cpu", "small", "small", "cpu"),
        ("turbo@cuda", "large-v3-turbo", "large-v3-turbo", "cuda"),
        ("@cuda", "small", "small", "cuda"),
        ("some-one/whisper.de", "some-one/whisper.de", "some-one--whisper.de", "cpu"),
    ],
)
def test_models_by_name(tmp_path: Path, text: str, name: str, place: str, device: str) -> None:
    choice = choose(text, tmp_path)
    assert (choice.name, choice.folder, choice.device) == (name, tmp_path / "whisper" / place, device)
    assert choice.offer is not None


def test_without_a_folder_for_models_they_lie_in_the_usual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choose("tiny").folder == tmp_path / ".cache/caesura/models/whisper/tiny"


def test_models_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text in (f"{tmp_path}/mine", "./mine", "~/mine", f"{tmp_path}/mine@cpu"):
        choice = choose(text)
        assert (choice.name, choice.folder, choice.device, choice.offer) == ("mine", tmp_path / "mine", "cpu", None)


def test_an_at_sign_in_a_folder_is_no_device(tmp_path: Path) -> None:
    assert choose(f"{tmp_path}/a@b").folder == tmp_path / "a@b"
    assert choose(f"{tmp_path}/a@cpu@cuda").folder == tmp_path / "a@cpu"


def test_its_text_is_the_same_choice_in_any_process(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    write_manifest(folder, Manifest("tiny", "r", "1", "e", "l", ()))
    chosen = choose("tiny@cuda", tmp_path)
    assert choose(chosen.text) == chosen


def test_a_folder_that_was_pulled_knows_what_it_is(tmp_path: Path) -> None:
    folder = filled(tmp_path / "copied")
    write_manifest(folder, Manifest("distil-large-v3", "r", "1", "e", "l", ()))
    choice = choose(str(folder))
    assert (choice.name, choice.offer) == ("distil-large-v3", OFFERS["distil-large-v3"])


@pytest.mark.parametrize("text", ["smal", "small@gpu", "small@"])
def test_what_is_neither_is_refused_with_a_list(text: str) -> None:
    with pytest.raises(UsageError, match=rf"no Whisper model is called '{text}'; choose one of tiny"):
        choose(text)


def test_a_whole_model_passes(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    check_whole(choose("tiny", tmp_path))
    check_whole(choose(str(folder)))


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        check_whole(choose("large-v3", tmp_path))
    assert str(caught.value) == (
        f"whisper: the model large-v3 is not on this machine (looked in {tmp_path}/whisper/large-v3). "
        "`caesura models pull large-v3` downloads it (3,087 MB). Without network here, pull it on another machine and "
        "copy that folder, with its caesura-model.json, to the same place here, or name it: --engine whisper:/FOLDER"
    )


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"there is no folder .*/mine; name a folder with a Whisper model"):
        check_whole(choose(f"{tmp_path}/mine"))


def test_a_model_of_the_wrong_size_is_pulled_again(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    write_manifest(folder, Manifest("tiny", "r", "1", "e", "l", (Piece("model.bin", 5, "x"),)))
    with pytest.raises(EngineError, match=r"not whole: model\.bin has 4 bytes .* 5; `caesura models pull tiny` mends"):
        check_whole(choose("tiny", tmp_path))


def test_a_folder_filled_by_hand_says_what_it_lacks(tmp_path: Path) -> None:
    folder = filled(tmp_path / "mine")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match=r"tokenizer\.json is missing; it must be a Whisper model in CTranslate2's"):
        check_whole(choose(str(folder)))
