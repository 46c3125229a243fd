"""Parsers of single parameter values; their use in a query is tested with the options."""

from __future__ import annotations

import pytest

from caesura.protocol import value_parsers


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("a", 1), ("four", 1), ("fives", 2), ("Mrs. Dashwood", 3), ("a b c", 3)]
)
def test_a_key_term_counts_a_token_for_four_letters(text: str, tokens: int) -> None:
    assert value_parsers.keyterm_tokens(text) == tokens


@pytest.mark.parametrize(
    ("text", "word"),
    [("a", ("a", 1.0)), ("a:2", ("a", 2.0)), ("a:b:0.5", ("a:b", 0.5)), ("new  york:-3", ("new york", -3.0))],
)
def test_a_keyword_has_its_intensifier_behind_the_last_colon(text: str, word: tuple[str, float]) -> None:
    assert value_parsers.keyword(text) == word


def test_a_replacement_may_hold_colons_and_what_is_found_may_not() -> None:
    assert value_parsers.replacement("at:http://x") == ("at", "http://x")
    assert value_parsers.replacement("gone") == ("gone", "")


@pytest.mark.parametrize(
    ("text", "meant"), [("true", True), ("false", False), ("", ""), ("de-CH", "de-CH"), ("True", "True")]
)
def test_detection_is_turned_on_or_off_or_names_a_language(text: str, meant: bool | str) -> None:
    assert value_parsers.detection(text) == meant


@pytest.mark.parametrize("text", ["0", "600", "0.8", "1.25"])
def test_seconds_are_decimal(text: str) -> None:
    assert value_parsers.seconds(0, 600)(text) == float(text)


@pytest.mark.parametrize("text", ["", "-1", "601", "1e2", "nan", ".5", "1."])
def test_other_seconds_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        value_parsers.seconds(0, 600)(text)


@pytest.mark.parametrize(
    ("text", "url"),
    [("", None), ("https://example.com/x", "https://example.com/x"), ("wss://example.com", "wss://example.com")],
)
def test_a_callback_is_a_url_or_none(text: str, url: str | None) -> None:
    assert value_parsers.callback(text) == url
