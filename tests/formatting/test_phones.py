"""Spoken telephone, social security and account numbers."""

from __future__ import annotations

import pytest

from caesura.formatting.amounts import parse_amounts
from caesura.formatting.phones import string
from caesura.formatting.rendering import EntityKind
from tests.spoken_words import words_of


def written(sentence: str, at: int, *, smart: bool = True) -> str | None:
    found = string(parse_amounts(words_of(sentence)), at, smart=smart)
    return None if found is None else " ".join(piece.text for piece in found.written_words)


@pytest.mark.parametrize(
    ("sentence", "at", "expected"),
    [
        ("five five five eight six seven five three oh nine", 0, "(555) 867-5309"),
        ("555 867 5309", 0, "(555) 867-5309"),
        ("555. 867. 5309", 0, "(555) 867-5309"),
        ("call one eight hundred five five five three two one zero", 1, "1-800-555-3210"),
        ("call eight six seven five three oh nine", 1, "867-5309"),
        ("call six one seventy five fifty five forty nine eighty seven", 1, "617-555-4987"),
        ("plus four four two oh seven nine four six oh nine five eight", 0, "+44 20 7946 0958"),
        ("social is one two three four five six seven eight nine", 2, "123-45-6789"),
        ("reference five five five eight six seven five three oh nine", 1, "5558675309"),
        ("card 4111 1111 1111 1111", 1, "4111111111111111"),
        ("member one two dash three four", 1, "12-34"),
        ("suite twelve thirty four", 1, "1234"),
        ("one fifty five State Street", 0, "155"),
        ("one two three go", 0, "123"),
    ],
)
def test_a_string_of_digits_is_written_according_to_its_kind(sentence: str, at: int, expected: str) -> None:
    assert written(sentence, at) == expected


@pytest.mark.parametrize(
    ("sentence", "at"),
    [
        ("five people", 0),
        ("one two", 0),
        ("one, two, three", 0),
        ("one fifty", 0),
        ("ten eleven twelve", 0),
        ("2015 2016 20", 0),
        ("five five five? eight six seven five three oh nine", 0),
        ("plus five", 0),
        ("3.5 million", 0),
    ],
)
def test_other_numbers_are_no_strings(sentence: str, at: int) -> None:
    assert written(sentence, at) in (None, "555")


def test_numerals_alone_write_bare_digits() -> None:
    assert written("five five five eight six seven five three oh nine", 0, smart=False) == "5558675309"
    assert written("one two", 0, smart=False) == "12"


def test_seven_digits_may_be_the_beginning_of_ten() -> None:
    found = string(parse_amounts(words_of("call five five five one two three four")), 1, smart=True)
    assert found is not None
    assert found.kind is EntityKind.DIGITS


def test_a_number_in_two_words_parts_the_time_where_it_was_spoken() -> None:
    found = string(parse_amounts(words_of("five five five eight six seven five three oh nine")), 0, smart=True)
    assert found is not None
    assert [(piece.first, piece.last) for piece in found.written_words] == [(0, 3), (3, 10)]
