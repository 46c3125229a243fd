"""Spoken cardinals, ordinals and decimals, and the form in which each was spoken."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.parsed_words import Shape
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("sentence", "digits"),
    [
        ("twenty-five dollars and fifty cents", ["25", "50"]),
        ("five five oh one", ["5", "5", "0", "1"]),
        ("oh five of them", ["5"]),
        ("oh, five five", ["5", "5"]),
        ("five oh oh", ["5", "0", "0"]),
        ("double oh seven", ["00", "7"]),
        ("five triple two", ["5", "222"]),
        ("make it double five", ["5"]),
        ("between one hundred and two hundred", ["100", "200"]),
        ("one hundred and two", ["102"]),
        ("one million and two hundred thousand", ["1200000"]),
        ("between twenty and five", ["20", "5"]),
        ("one thousand, two hundred", ["1200"]),
        ("twenty, five", ["20", "5"]),
        ("eight hundred five five five", ["800", "5", "5", "5"]),
        ("eight hundred five", ["805"]),
        ("nineteen hundred five five one", ["1900", "5", "5", "1"]),
        ("five- five oh one", ["5", "5", "0", "1"]),
        ("twenty- five", ["20", "5"]),
        ("five treble two", ["5", "222"]),
        ("five nought two", ["5", "0", "2"]),
        ("2.5 million", ["2500000"]),
        ("three point five million", ["3500000"]),
        ("3 point 5", ["3.5"]),
        ("one point oh five", ["1.05"]),
        ("at this point five", ["5"]),
        ("point five percent", ["0.5"]),
        ("two thirds", ["2"]),
        ("hundreds of thousands", []),
        ("1,200 and 3.5", ["1200", "3.5"]),
        ("$5 and 10:30 and b2b", []),
        ("zero zero seven", ["0", "0", "7"]),
    ],
)
def test_the_numbers_spoken_in_a_sentence_are_found(sentence: str, digits: list[str]) -> None:
    amounts = parse_amounts(words_of(sentence)).amounts
    assert [amounts[at].digits for at in sorted(amounts)] == digits


@pytest.mark.parametrize(
    ("word", "shape", "ordinal"),
    [
        ("five", Shape.DIGITS, False),
        ("fifth", Shape.DIGITS, True),
        ("fifteen", Shape.PAIR, False),
        ("twenty-first", Shape.PAIR, True),
        ("5", Shape.PRINTED, False),
        ("5th", Shape.PRINTED, True),
        ("5.5", Shape.DECIMAL, False),
    ],
)
def test_an_amount_has_the_form_in_which_it_was_spoken(word: str, shape: Shape, ordinal: bool) -> None:
    (amount,) = parse_amounts(words_of(word)).amounts.values()
    assert (amount.shape, amount.ordinal) == (shape, ordinal)


def test_a_hundred_without_a_number_before_it_is_bare() -> None:
    (bare,) = parse_amounts(words_of("a hundred and ten")).amounts.values()
    (whole,) = parse_amounts(words_of("one hundred and ten")).amounts.values()
    assert (bare.first, bare.digits, bare.bare) == (1, "110", True)
    assert (whole.first, whole.digits, whole.bare) == (0, "110", False)


def test_amounts_do_not_overlap() -> None:
    amounts = parse_amounts(
        words_of("five double five point five oh million one hundred two oh three and twenty-first")
    ).amounts
    ends = 0
    for at in sorted(amounts):
        assert amounts[at].first == at >= ends
        ends = amounts[at].last
