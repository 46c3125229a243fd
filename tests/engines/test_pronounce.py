"""Pronunciations: found in the dictionary where it has the word, sounded out where it has not."""

from __future__ import annotations

from pathlib import Path

import pocketsphinx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.pronounce import Lexicon, sound_out

CMUDICT = Path(pocketsphinx.get_model_path("en-us/cmudict-en-us.dict"))


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(CMUDICT)


def test_all_pronunciations_of_a_word_come_in_order(lexicon: Lexicon) -> None:
    assert lexicon.lookup("a") == ("AH", "EY")
    assert lexicon.lookup("the") == ("DH AH", "DH IY")


def test_a_word_is_not_taken_for_a_longer_one(lexicon: Lexicon) -> None:
    """`ill` is listed between `il` and `ill's`, and none of them answers for another."""
    assert lexicon.lookup("ill") == ("IH L",)
    assert lexicon.lookup("zzz") == ()
    assert lexicon.lookup("") == ()
    assert lexicon.lookup("hel") == ()


def test_first_and_last_lines_of_a_file_are_found(tmp_path: Path) -> None:
    file = tmp_path / "small.dict"
    file.write_text("ab AE B\nab(2) AH B\nbe B IY", encoding="ascii")
    small = Lexicon(file)
    assert small.lookup("ab") == ("AE B", "AH B")
    assert small.lookup("be") == ("B IY",)
    assert small.lookup("a") == small.lookup("c") == ()


def test_what_is_not_listed_is_sounded_out(lexicon: Lexicon) -> None:
    assert lexicon.lookup("blockbooks") == ()
    assert lexicon.pronunciations("blockbooks") == ("B L AA K B UW K S",)


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("knight", "N AY T"),
        ("nation", "N AE SH AH N"),
        ("phone", "F OW N"),
        ("makes", "M EY K S"),
        ("jumped", "JH AH M P T"),
        ("didn't", "D IH D AH N T"),
        ("zzz", "Z Z"),
        ("", "AH"),
    ],
)
def test_spelling_rules(word: str, phones: str) -> None:
    assert sound_out(word) == phones


def test_rules_agree_with_the_dictionary_on_four_phones_in_five() -> None:
    """The rules are for timing: as many phones as there are, and most of them right."""
    listed = [
        line.split(" ", 1) for line in CMUDICT.read_text().splitlines()[::97] if line[0].isalpha() and "(" not in line
    ]
    wrong = total = guessed = 0
    for word, phones in listed:
        right, guess = phones.split(), sound_out(word).split()
        wrong += _distance(right, guess)
        total += len(right)
        guessed += len(guess)
    assert wrong / total < 0.22
    assert 0.97 < guessed / total < 1.03


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz'", max_size=30))
def test_any_spelling_gets_phones_that_the_acoustic_model_has(word: str) -> None:
    phones = sound_out(word).split()
    assert phones
    assert set(phones) <= _PHONES


def _distance(one: list[str], other: list[str]) -> int:
    row = list(range(len(other) + 1))
    for i, left in enumerate(one, start=1):
        corner, row[0] = row[0], i
        for j, right in enumerate(other, start=1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (left != right))
    return row[-1]


_PHONES = frozenset(sounds for line in CMUDICT.read_text().splitlines()[::50] for sounds in line.split()[1:])
