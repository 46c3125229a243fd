"""Flags that name engines and models, into the names that the settings have."""

from __future__ import annotations

import pytest

from caesura.cli.engines import engine_names, model_names
from caesura.errors import UsageError


def test_engines_keep_their_order_and_come_once() -> None:
    assert engine_names(["moonshine", "whisper:small moonshine"], None) == ("moonshine", "whisper:small")


def test_the_model_goes_to_the_whisper_that_names_none() -> None:
    assert engine_names(["whisper"], "small") == ("whisper:small",)
    assert engine_names(["moonshine", "whisper"], "tiny.en") == ("moonshine", "whisper:tiny.en")


@pytest.mark.parametrize("engines", [["moonshine"], ["whisper:small"]])
def test_a_model_that_no_engine_takes_is_refused(engines: list[str]) -> None:
    with pytest.raises(UsageError, match="--model small: it is the model of --engine whisper"):
        engine_names(engines, "small")


def test_no_engine_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="--engine: it is empty"):
        engine_names([" "], None)


def test_names_are_read_from_pairs_with_blanks_or_commas_between() -> None:
    assert model_names(["nova-2=whisper-small,nova-3=moonshine-tiny-en", "base=whisper-small"]) == {
        "nova-2": "whisper-small",
        "nova-3": "moonshine-tiny-en",
        "base": "whisper-small",
    }


@pytest.mark.parametrize("pair", ["nova-2", "nova-2=", "=whisper-small", "="])
def test_a_pair_that_is_none_is_refused(pair: str) -> None:
    with pytest.raises(UsageError, match="give NAME=MODEL"):
        model_names([pair])


def test_a_name_has_one_meaning() -> None:
    assert model_names(["a=b", "a=b"]) == {"a": "b"}
    with pytest.raises(UsageError, match="a is b already"):
        model_names(["a=b", "a=c"])
