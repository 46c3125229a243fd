"""The catalogue of models: names, aliases, languages, and names that are refused."""

from __future__ import annotations

import pytest
from faster_whisper import available_models
from faster_whisper.tokenizer import _LANGUAGE_CODES
from faster_whisper.utils import _MODELS

from caesura.engines.models.catalogue import (
    ALIASES,
    CATALOGUE,
    DEFAULT_MODEL,
    WHISPER_CODES,
    find_model,
    is_repo,
    subtag,
    whisper_code,
)
from caesura.errors import UsageError


def test_the_models_are_those_of_faster_whisper_and_come_from_the_same_places() -> None:
    assert {*CATALOGUE, *ALIASES} == set(available_models())
    assert {name: find_model(name).repo for name in available_models()} == _MODELS


def test_the_languages_are_those_of_whisper() -> None:
    assert len(WHISPER_CODES) == len(set(WHISPER_CODES)) == 100
    assert set(WHISPER_CODES) == set(_LANGUAGE_CODES)
    assert "yue" not in find_model("large-v2").languages
    assert find_model("large-v3").languages[-1] == "yue"


def test_english_and_distilled_models_transcribe_english_only() -> None:
    english = [name for name, entry in CATALOGUE.items() if entry.languages == ("en",)]
    assert all(name.endswith(".en") or name.startswith("distil") for name in english)
    assert len(english) == 9


def test_published_word_error_rates_fall_with_size_and_name_their_source() -> None:
    by_size = [CATALOGUE[name].wer for name in ("tiny.en", "base.en", "small.en", "medium.en", "large-v3")]
    rates = [wer.percent for wer in by_size if wer is not None]
    assert len(rates) == 5
    assert rates == sorted(rates, reverse=True)
    assert all(entry.wer.source and entry.wer.test for entry in CATALOGUE.values() if entry.wer is not None)


def test_every_language_converts_to_its_subtag_and_back() -> None:
    assert tuple(whisper_code(subtag(code)) for code in WHISPER_CODES) == tuple(WHISPER_CODES)


def test_javanese_is_called_by_its_subtag() -> None:
    assert (subtag("jw"), whisper_code("jv")) == ("jv", "jw")


def test_the_default_model_is_in_the_catalogue() -> None:
    assert find_model(DEFAULT_MODEL).name == "small"


def test_an_alias_is_the_model_itself() -> None:
    assert find_model("turbo") is CATALOGUE["large-v3-turbo"]


def test_any_repository_is_a_model_of_unknown_size_and_languages() -> None:
    entry = find_model("someone/whisper-tiny-ct2")
    assert (entry.repo, entry.size, entry.languages) == ("someone/whisper-tiny-ct2", None, ())


@pytest.mark.parametrize("name", ["", "smal", "../etc", "a/b/c", "/a", "a/", "a/../b", "-a/b", ".a/b"])
def test_other_names_are_refused_with_the_list_of_names(name: str) -> None:
    assert not is_repo(name)
    with pytest.raises(UsageError, match=r"choose one of tiny, .* or OWNER/NAME"):
        find_model(name)
