"""Classification of numbers by the words around them."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.context import IDS, PHONES, SOCIAL, identifier, street
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("before", "cue"),
    [
        ("my account number is", IDS),
        ("call my account", IDS),
        ("my account, call me at", PHONES),
        ("my social security number is", SOCIAL),
        ("I have", None),
        ("my account is something I told you all about yesterday at noon so", None),
    ],
)
def test_the_nearest_word_classifies_a_number(before: str, cue: frozenset[str] | None) -> None:
    parsed = parse_amounts(words_of(f"{before} 5"))
    assert identifier(parsed, parsed.size - 1) is cue


@pytest.mark.parametrize(
    ("after", "expected"),
    [("Main Street", True), ("Southeast Main Street", True), ("Broadway", True), ("people. Main Street", False)],
)
def test_a_street_is_known_by_its_last_word(after: str, expected: bool) -> None:
    assert street(parse_amounts(words_of(f"5 {after}")), 1) is expected
