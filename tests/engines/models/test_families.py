"""Families of models: a model is found by its name, with or without the family, and unknown names list the others."""

from __future__ import annotations

import pytest

from caesura.engines.models.catalogue import find_model
from caesura.engines.models.families import CATALOGUES, find_any
from caesura.errors import UsageError


def test_the_families_are_those_of_the_engines() -> None:
    assert set(CATALOGUES) == {"whisper", "onnx-asr", "sherpa"}
    assert all(family.default in family.entries for family in CATALOGUES.values())
    assert all(entry.family == name for name, family in CATALOGUES.items() for entry in family.entries.values())


def test_no_two_families_share_a_name() -> None:
    """A name alone is enough for `caesura models`."""
    names = [name for family in CATALOGUES.values() for name in (*family.entries, *family.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "family", "model"),
    [
        ("tiny", "whisper", "tiny"),
        ("turbo", "whisper", "large-v3-turbo"),
        ("whisper:turbo", "whisper", "large-v3-turbo"),
        ("whisper:", "whisper", "small"),
        ("parakeet-v2", "onnx-asr", "parakeet-tdt-0.6b-v2"),
        ("onnx-asr:canary-1b-v2", "onnx-asr", "canary-1b-v2"),
        ("onnx-asr:", "onnx-asr", "parakeet-tdt-0.6b-v3"),
        ("nemotron-3.5", "sherpa", "nemotron-3.5"),
        ("sherpa:zipformer-en", "sherpa", "zipformer-en"),
        ("some-one/whisper-de", "whisper", "some-one/whisper-de"),
    ],
)
def test_a_model_is_found_by_its_name(name: str, family: str, model: str) -> None:
    entry = find_any(name)
    assert (entry.family, entry.name) == (family, model)


def test_whisper_finds_what_the_whisper_catalogue_finds() -> None:
    assert CATALOGUES["whisper"].find("large") is find_model("large")
    assert CATALOGUES["whisper"].find("a/b") == find_model("a/b")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("smal", r"no Whisper model is called 'smal'; choose one of tiny, .* or, of other families, onnx-asr:parakeet"),
        ("onnx-asr:tiny", r"no model of onnx-asr is called 'tiny'; choose one of parakeet.*, or a folder"),
        ("sherpa:a/b", r"no model of sherpa is called 'a/b'; choose one of zipformer-en, "),
        ("moonshine:tiny", "no Whisper model is called 'moonshine:tiny'"),
    ],
)
def test_an_unknown_name_is_refused_with_the_names_there_are(name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        find_any(name)
