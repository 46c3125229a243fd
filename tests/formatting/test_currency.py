"""Spoken amounts of money and percentages."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.currency import grouped, money, percent
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("five dollars", "$5"),
        ("one dollar and one cent", "$1.01"),
        ("twelve hundred dollars", "$1,200"),
        ("two point five dollars", "$2.50"),
        ("a hundred dollars", "$100"),
        ("twenty euros", "€20"),
        ("twenty pounds sterling", "£20"),
        ("twenty pounds and five pence", "£20.05"),
        ("$20 and 5 cents", "$20.05"),
        ("$1,200 and fifty cents", "$1,200.50"),
    ],
)
def test_an_amount_of_money_is_written_with_its_sign(spoken: str, written: str) -> None:
    found = money(parse_amounts(words_of(spoken)), 0)
    assert found is not None
    assert (found.written_words[0].text, found.last) == (written, len(spoken.split()))


@pytest.mark.parametrize(
    "spoken",
    ["twenty pounds", "dollars", "a dollar", "five, dollars", "five people", "fifth dollar", "$20", "$20 and 5"],
)
def test_words_that_are_not_money_stay(spoken: str) -> None:
    assert money(parse_amounts(words_of(spoken)), 0) is None


def test_two_numbers_before_a_currency_are_ambiguous() -> None:
    assert money(parse_amounts(words_of("two fifty dollars")), 1) is None


@pytest.mark.parametrize(
    ("spoken", "written"), [("five percent", "5%"), ("five per cent", "5%"), ("1,200.5 percent", "1,200.5%")]
)
def test_a_percentage_is_written_with_its_sign(spoken: str, written: str) -> None:
    found = percent(parse_amounts(words_of(spoken)), 0)
    assert found is not None
    assert found.written_words[0].text == written


def test_words_that_are_not_a_percentage_stay() -> None:
    assert percent(parse_amounts(words_of("five, percent")), 0) is None
    assert percent(parse_amounts(words_of("five per person")), 0) is None


def test_thousands_are_grouped() -> None:
    assert [grouped(digits) for digits in ("1", "1000", "1234567.891", "0.5")] == ["1", "1,000", "1,234,567.891", "0.5"]
