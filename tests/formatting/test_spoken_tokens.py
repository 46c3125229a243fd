"""The tokenizer of spoken numbers: tokens, their kinds, and what separates them."""

from __future__ import annotations

import pytest

from caesura.formatting.spoken_tokens import (
    TokenKind,
    digits_of,
    is_month,
    is_ordinal,
    kind_of,
    split_punctuation,
    tokenize,
)
from tests.spoken_words import words_of


def test_a_word_is_split_from_the_punctuation_around_it() -> None:
    assert split_punctuation('("Five.")') == ('("', "Five", '.")')
    assert split_punctuation("$5.50,") == ("", "$5.50", ",")
    assert split_punctuation("end.\n\n") == ("", "end", ".\n\n")


def test_a_token_is_lower_case_and_has_its_separation_from_the_next() -> None:
    found = tokenize(words_of("Twenty, Five. six"))
    assert [token.text for token in found] == ["twenty", "five", "six"]
    assert [(token.comma, token.stop, token.capital) for token in found] == [
        (True, False, True),
        (False, True, True),
        (False, False, False),
    ]


def test_number_words_with_a_hyphen_are_two_tokens_of_one_word() -> None:
    found = tokenize(words_of("twenty-five, well-known"))
    assert [(token.text, token.word, token.begins, token.ends) for token in found] == [
        ("twenty", 0, True, False),
        ("five", 0, False, True),
        ("well-known", 1, True, True),
    ]
    assert [token.comma for token in found] == [False, True, False]


def test_filled_pauses_are_no_tokens() -> None:
    assert [(token.text, token.word) for token in tokenize(words_of("twenty Um, five"))] == [
        ("twenty", 0),
        ("five", 2),
    ]


def test_a_number_ends_where_another_speaker_begins() -> None:
    first, second = tokenize((*words_of("twenty", speaker=0), *words_of("five", start=1, speaker=1)))
    assert (first.stop, second.stop) == (True, False)


def test_the_full_stop_of_an_abbreviation_ends_no_sentence() -> None:
    assert [token.stop for token in tokenize(words_of("p.m. five."))] == [False, True]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("zero", TokenKind.DIGIT),
        ("ten", TokenKind.TEEN),
        ("fourty", TokenKind.TENS),
        ("million", TokenKind.MAGNITUDE),
        ("second", TokenKind.ORDINAL),
        ("oh", TokenKind.ZERO),
        ("treble", TokenKind.REPEAT),
        ("sept", TokenKind.MONTH),
        ("10:30", TokenKind.PRINTED),
        ("１", TokenKind.PRINTED),  # noqa: RUF001
        ("tents", TokenKind.OTHER),
        ("", TokenKind.OTHER),
    ],
)
def test_every_token_has_a_kind(text: str, kind: TokenKind) -> None:
    assert kind_of(text) is kind


@pytest.mark.parametrize(
    ("text", "digits"),
    [("seven", ["7"]), ("nineteen", ["19"]), ("forty-two", ["40", "2"]), ("hundred", [""]), ("5", [""])],
)
def test_cardinals_have_digits(text: str, digits: list[str]) -> None:
    assert [token.digits for token in tokenize(words_of(text))] == digits


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("five-", ["five"]),
        ("*four*", ["four"]),
        ("-two-three-", ["two", "three"]),
        ("one–two", ["one", "two"]),  # noqa: RUF001
        ("no-one", ["no-one"]),
        ("acme.com/", ["acme.com/"]),
    ],
)
def test_number_words_are_known_in_any_signs(text: str, tokens: list[str]) -> None:
    assert [token.text for token in tokenize(words_of(text))] == tokens


@pytest.mark.parametrize("written", ["٤١١١", "\uff14\uff11\uff11\uff11", "४१११", "④①①①", "⁴¹¹¹"])
def test_digits_of_every_script_count(written: str) -> None:
    assert digits_of(written) == "4111"


def test_an_ambiguous_month_needs_its_capital() -> None:
    assert is_month("May,")
    assert is_month("december")
    assert is_month("Sept.")
    assert not is_month("may")
    assert not is_month("Maybe")


def test_an_ordinal_is_known_with_its_tens() -> None:
    assert is_ordinal("fifth,")
    assert is_ordinal("Twenty-first")
    assert not is_ordinal("twenty-one")
    assert not is_ordinal("5th")
