"""Spoken dates, years and decades."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.dates import date, decade, is_month, month_of, year
from caesura.formatting.rendering import EntityKind
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("sentence", "written", "kind"),
    [
        ("january fifth", "January 5", EntityKind.DAY),
        ("january the fifth", "January 5", EntityKind.DAY),
        ("january fifth twenty twenty four", "January 5, 2024", EntityKind.DATE),
        ("january fifth, nineteen oh five", "January 5, 1905", EntityKind.DATE),
        ("january twenty twenty twenty four", "January 20, 2024", EntityKind.DATE),
        ("january twenty twenty four", "January 2024", EntityKind.DAY),
        ("January 5th, 2024", "January 5, 2024", EntityKind.DATE),
        ("June third two thousand nine", "June 3, 2009", EntityKind.DATE),
        ("march thirty first", "March 31", EntityKind.DAY),
        ("october five", "October 5", EntityKind.DAY),
        ("october five at noon", "October 5", EntityKind.DAY),
    ],
)
def test_a_date_is_written(sentence: str, written: str, kind: EntityKind) -> None:
    found = date(parse_amounts(words_of(sentence)), 0)
    assert found is not None
    assert (" ".join(piece.text for piece in found.written_words), found.kind) == (written, kind)


@pytest.mark.parametrize(
    "sentence",
    ["october five people", "may first want", "march five miles", "june thirty second", "may", "june.", "june. fifth"],
)
def test_words_that_are_not_a_date_stay(sentence: str) -> None:
    assert date(parse_amounts(words_of(sentence)), 0) is None


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [("by may", True), ("you may", False), ("in March", True), ("they March", True), ("March", False), ("June", True)],
)
def test_a_month_that_is_a_verb_needs_a_lead_or_a_capital(sentence: str, expected: bool) -> None:
    parsed = parse_amounts(words_of(sentence))
    assert is_month(parsed, parsed.size - 1) is expected


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("nineteen sixty one", ("1961", 3)),
        ("twenty oh nine", ("2009", 3)),
        ("two thousand and nine", ("2009", 4)),
        ("2024", ("2024", 1)),
        ("two thousand five hundred", None),
        ("twelve thirty four", None),
        ("nineteen, sixty", None),
        ("3024", None),
    ],
)
def test_a_year_is_read(sentence: str, expected: tuple[str, int] | None) -> None:
    assert year(parse_amounts(words_of(sentence)), 0) == expected


def test_a_decade_is_read() -> None:
    assert decade(parse_amounts(words_of("nineteen nineties")), 0) == ("1990s", 2)
    assert decade(parse_amounts(words_of("five nineties")), 0) is None


def test_the_month_after_of_is_seen() -> None:
    assert month_of(parse_amounts(words_of("fifth of may")), 1)
    assert not month_of(parse_amounts(words_of("fifth of them")), 1)
