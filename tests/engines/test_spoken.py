"""How printed words are said: each part of a word with the ways to say it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.spoken import spoken_parts


def said(printed: str) -> list[list[str]]:
    return [[" ".join(way) for way in ways] for ways in spoken_parts(printed)]


@pytest.mark.parametrize(
    ("printed", "parts"),
    [
        ("Hello,", [["hello"]]),
        ("ill-disposed", [["ill"], ["disposed"]]),
        ("don\u2019t", [["don't"]]),
        ("café", [["cafe"]]),
        ("Mr.", [["mister", "mr"]]),
        ("U.S.", [["u s"]]),
        ("NASA", [["nasa", "n a s a"]]),
        ("$5", [["five dollars"]]),
        ("$1", [["one dollar"]]),
        ("3.5", [["three point five"]]),
        ("20%", [["twenty", "two zero", "two oh"], ["percent"]]),
        ("7th", [["seventh"]]),
        ("21st,", [["twenty first"]]),
        ("10:30", [["ten thirty"]]),
        ("10:00", [["ten", "ten o'clock", "ten hundred"]]),
        ("9:05", [["nine oh five", "nine five"]]),
        ("5-4", [["five"], ["four"]]),
        ("A1", [["a"], ["one"]]),
        ("AT&T", [["at"], ["and"], ["t"]]),
        ("x\u00b2", [["x"], ["two"]]),
    ],
)
def test_one_word_as_it_is_said(printed: str, parts: list[list[str]]) -> None:
    assert said(printed) == parts


@pytest.mark.parametrize(
    ("printed", "way"),
    [
        ("1961", "nineteen sixty one"),
        ("1961", "one thousand nine hundred sixty one"),
        ("1961", "one nine six one"),
        ("1900", "nineteen hundred"),
        ("1905", "nineteen oh five"),
        ("2003", "two thousand three"),
        ("1,000", "one thousand"),
        ("007", "oh oh seven"),
        ("101", "one oh one"),
        ("$5.50", "five fifty"),
        ("$5.50", "five dollars and fifty cents"),
        ("1960s", "nineteen sixties"),
        ("'60s", "sixties"),
        ("1.05", "one point oh five"),
    ],
)
def test_a_number_can_be_said_in_this_way(printed: str, way: str) -> None:
    (ways,) = said(printed)
    assert way in ways


@pytest.mark.parametrize("printed", ["", "--", "\u2014", "...", "\u266a", "\u0e15\u0e27", "\u4f60\u597d", "'"])
def test_what_nobody_can_say_has_no_parts(printed: str) -> None:
    assert spoken_parts(printed) == ()


def test_endless_digits_are_said_one_by_one_up_to_the_limit() -> None:
    (ways,) = spoken_parts("9" * 500)
    assert ways == (("nine",) * 64,)


@given(st.text(max_size=80) | st.text(alphabet="0123456789.,:-$%'stndrh A", max_size=40))
def test_any_text_gives_spoken_words_of_letters(printed: str) -> None:
    for ways in spoken_parts(printed):
        assert ways
        assert all(
            way and all(set(word) <= set("abcdefghijklmnopqrstuvwxyz'") and word for word in way) for way in ways
        )
