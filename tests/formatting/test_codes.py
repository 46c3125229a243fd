"""Spoken codes of letters and digits."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.codes import code
from tests.spoken_words import words_of


@pytest.mark.parametrize(
    ("sentence", "at", "expected"),
    [
        ("tracking number one z five seven a two b", 2, "1Z57A2B"),
        ("code b four seven k two", 1, "B47K2"),
        ("order a b c one two three", 1, "ABC123"),
        ("code b, four, seven, two i think", 1, "B472"),
    ],
)
def test_a_code_is_written_in_one(sentence: str, at: int, expected: str) -> None:
    found = code(parse_amounts(words_of(sentence)), at)
    assert found is not None
    assert found.written_words[0].text == expected


@pytest.mark.parametrize(
    ("sentence", "at"),
    [
        ("plan b four seven k two", 1),
        ("code is a four seven two", 2),
        ("code b. four seven two", 1),
        ("code b four", 1),
        ("code four seven two one", 1),
        ("code b four seven k two", 2),
    ],
)
def test_words_that_are_not_a_code_stay(sentence: str, at: int) -> None:
    assert code(parse_amounts(words_of(sentence)), at) is None
