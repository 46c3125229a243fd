from __future__ import annotations

from caesura.formatting.reading import Amount, Reading, Shape, signs, tokens
from tests.saying import say

SPLITS = frozenset({"twenty", "five"})
SKIPS = frozenset({"um"})


def test_a_word_is_parted_from_the_signs_around_it() -> None:
    assert signs('("Five.")') == ('("', "Five", '.")')
    assert signs("$5.50,") == ("", "$5.50", ",")
    assert signs("end.\n\n") == ("", "end", ".\n\n")


def test_a_token_is_small_and_knows_what_parts_it_from_the_next() -> None:
    found = tokens(say("Twenty, Five. six"), SPLITS, SKIPS)
    assert [token.text for token in found] == ["twenty", "five", "six"]
    assert [(token.comma, token.stop, token.capital) for token in found] == [
        (True, False, True),
        (False, True, True),
        (False, False, False),
    ]


def test_number_words_with_a_hyphen_are_two_tokens_of_one_word() -> None:
    found = tokens(say("twenty-five, well-known"), SPLITS, SKIPS)
    assert [(token.text, token.word, token.begins, token.ends) for token in found] == [
        ("twenty", 0, True, False),
        ("five", 0, False, True),
        ("well-known", 1, True, True),
    ]
    assert [token.comma for token in found] == [False, True, False]


def test_hesitations_are_no_tokens() -> None:
    assert [(token.text, token.word) for token in tokens(say("twenty Um, five"), SPLITS, SKIPS)] == [
        ("twenty", 0),
        ("five", 2),
    ]


def test_another_speaker_stops_what_the_first_one_says() -> None:
    first, second = tokens((*say("twenty", speaker=0), *say("five", start=1, speaker=1)), SPLITS, SKIPS)
    assert (first.stop, second.stop) == (True, False)


def test_the_full_stop_of_an_abbreviation_ends_no_sentence() -> None:
    assert [token.stop for token in tokens(say("p.m. five."), SPLITS, SKIPS)] == [False, True]


def test_a_reading_answers_outside_its_tokens_too() -> None:
    found = tokens(say("twenty five."), SPLITS, SKIPS)
    amount = Amount(1, 2, "5", Shape.DIGITS)
    reading = Reading((), found, {1: amount}, {2: amount})
    assert (reading.text(-1), reading.text(0), reading.text(2)) == ("", "twenty", "")
    assert (reading.next(1), reading.previous(2), reading.previous(1)) == (amount, amount, None)
    assert (reading.apart(0), reading.apart(1), reading.apart(2), reading.stopped(2)) == (False, False, True, True)
    assert reading.before(2, 5) == ["five", "twenty"]
    assert (amount.whole, Amount(0, 1, "2.5", Shape.DECIMAL).whole) == (5, -1)
