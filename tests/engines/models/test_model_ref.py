"""References to models behind `whisper:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from caesura.engines.models.catalogue import CATALOGUE
from caesura.engines.models.model_ref import check_complete, parse_model_ref
from caesura.engines.models.store import Manifest, ModelFile, write_manifest
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
    ref = parse_model_ref(text, tmp_path)
    assert (ref.name, ref.folder, ref.device) == (name, tmp_path / "whisper" / place, device)
    assert ref.entry is not None


def test_models_are_in_the_default_folder_unless_another_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse_model_ref("tiny").folder == tmp_path / ".cache/caesura/models/whisper/tiny"


def test_models_by_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for text in (f"{tmp_path}/mine", "./mine", "~/mine", f"{tmp_path}/mine@cpu"):
        ref = parse_model_ref(text)
        assert (ref.name, ref.folder, ref.device, ref.entry) == ("mine", tmp_path / "mine", "cpu", None)


def test_an_at_sign_in_a_folder_name_is_not_a_device(tmp_path: Path) -> None:
    assert parse_model_ref(f"{tmp_path}/a@b").folder == tmp_path / "a@b"
    assert parse_model_ref(f"{tmp_path}/a@cpu@cuda").folder == tmp_path / "a@cpu"


def test_its_text_resolves_to_the_same_model_in_any_process(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    write_manifest(folder, Manifest("tiny", "r", "1", "e", "l", ()))
    ref = parse_model_ref("tiny@cuda", tmp_path)
    assert parse_model_ref(ref.text) == ref


def test_the_folder_of_a_downloaded_model_is_recognised_by_its_manifest(tmp_path: Path) -> None:
    folder = filled(tmp_path / "copied")
    write_manifest(folder, Manifest("distil-large-v3", "r", "1", "e", "l", ()))
    ref = parse_model_ref(str(folder))
    assert (ref.name, ref.entry) == ("distil-large-v3", CATALOGUE["distil-large-v3"])


@pytest.mark.parametrize("text", ["smal", "small@gpu", "small@"])
def test_an_unknown_name_is_refused_with_the_list_of_names(text: str) -> None:
    with pytest.raises(UsageError, match=rf"no Whisper model is called '{text}'; choose one of tiny"):
        parse_model_ref(text)


def test_a_complete_model_passes(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    check_complete(parse_model_ref("tiny", tmp_path))
    check_complete(parse_model_ref(str(folder)))


def test_the_error_for_a_missing_model_says_how_to_download_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        check_complete(parse_model_ref("large-v3", tmp_path))
    assert str(caught.value) == (
        f"whisper: the model large-v3 is not on this machine (looked in {tmp_path}/whisper/large-v3). "
        "`caesura models pull large-v3` downloads it (3,087 MB). Without network here, pull it on another machine and "
        "copy that folder, with its caesura-model.json, to the same place here, or name it: --engine whisper:/FOLDER"
    )


def test_the_error_for_a_missing_folder_names_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"there is no folder .*/mine; name a folder with a Whisper model"):
        check_complete(parse_model_ref(f"{tmp_path}/mine"))


def test_the_error_for_a_wrong_size_says_to_pull_again(tmp_path: Path) -> None:
    folder = filled(tmp_path / "whisper" / "tiny")
    write_manifest(folder, Manifest("tiny", "r", "1", "e", "l", (ModelFile("model.bin", 5, "x"),)))
    with pytest.raises(
        EngineError, match=r"incomplete: model\.bin has 4 bytes .* 5; `caesura models pull tiny` repairs"
    ):
        check_complete(parse_model_ref("tiny", tmp_path))


def test_the_error_for_a_folder_filled_by_hand_names_the_missing_file(tmp_path: Path) -> None:
    folder = filled(tmp_path / "mine")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(EngineError, match=r"tokenizer\.json is missing; it must be a Whisper model in CTranslate2's"):
        check_complete(parse_model_ref(str(folder)))


# ---- other families ----


def test_models_of_another_family_have_their_own_names_and_folder(tmp_path: Path) -> None:
    ref = parse_model_ref("parakeet-v3", tmp_path, "onnx-asr")
    assert (ref.name, ref.folder) == ("parakeet-tdt-0.6b-v3", tmp_path / "onnx-asr" / "parakeet-tdt-0.6b-v3")
    assert (ref.family, ref.device, ref.text) == ("onnx-asr", "cpu", f"{ref.folder}@cpu")
    assert parse_model_ref("", tmp_path, "sherpa").folder == tmp_path / "sherpa" / "zipformer-en"
    with pytest.raises(EngineError, match=r"sherpa: the model zipformer-en .*`caesura models pull zipformer-en`"):
        check_complete(parse_model_ref("zipformer-en", tmp_path, "sherpa"))


def test_a_family_takes_neither_the_names_nor_the_devices_of_another(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model of sherpa is called 'tiny'; choose one of zipformer-en"):
        parse_model_ref("tiny", tmp_path, "sherpa")
    with pytest.raises(UsageError, match="engine: sherpa does not run on cuda; leave @cuda out"):
        parse_model_ref("zipformer-en@cuda", tmp_path, "sherpa")


def test_a_folder_of_another_family_is_checked_for_its_own_files(tmp_path: Path) -> None:
    folder = filled(tmp_path / "mine")
    with pytest.raises(
        EngineError, match=r"encoder\*\.onnx is missing.*tokens\.txt is missing; it must be a streaming"
    ):
        check_complete(parse_model_ref(str(folder), family="sherpa"))
    for name in ("encoder.int8.onnx", "decoder.onnx", "joiner.onnx", "tokens.txt"):
        (folder / name).touch()
    check_complete(parse_model_ref(str(folder), family="sherpa"))
