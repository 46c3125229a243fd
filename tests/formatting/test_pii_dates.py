"""Dates are found by the name of their month, or by three numbers in one word."""

from __future__ import annotations

import pytest

from caesura.formatting.digit_runs import digit_runs
from caesura.formatting.pii_dates import dates, is_month_and_year
from tests.formatting.spoken import words


def found(sentence: str) -> list[str]:
    said = words(sentence)
    return [" ".join(word.text for word in said[first:last]) for first, last in dates(said, digit_runs(said))]


@pytest.mark.parametrize(
    ("sentence", "date"),
    [
        ("on January 5, 2024 at", "January 5, 2024"),
        ("on January 5th we", "January 5th"),
        ("the 5th of January, 2024.", "5th of January, 2024."),
        ("since May 2024 we", "May 2024"),
        ("the fifth of May we", "fifth of May"),
        ("July twelfth nineteen seventy six", "July twelfth nineteen seventy six"),
        ("July the twelfth", "July the twelfth"),
        ("in December 27 or", "December 27"),
        ("born 1/5/2024.", "1/5/2024."),
        ("on 2024-01-05", "2024-01-05"),
    ],
)
def test_a_date_is_its_month_with_what_belongs_to_it(sentence: str, date: str) -> None:
    assert found(sentence) == [date]


@pytest.mark.parametrize("sentence", ["in January we", "you may 5", "a march of 20 miles", "123-45-6789", ""])
def test_lookalikes_are_no_dates(sentence: str) -> None:
    assert found(sentence) == []


@pytest.mark.parametrize(
    ("digits", "fits"),
    [
        ("1227", True),
        ("127", True),
        ("122027", True),
        ("1327", False),
        ("0027", False),
        ("121927", False),
        ("1", False),
    ],
)
def test_cards_end_with_a_month_and_a_year(digits: str, fits: bool) -> None:
    assert is_month_and_year(digits) is fits
