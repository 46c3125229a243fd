"""The parsed words of a segment answer for every place, also outside of it."""

from __future__ import annotations

from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spoken_tokens import TokenKind, tokenize
from tests.saying import say


def test_a_reading_answers_outside_its_tokens_too() -> None:
    found = tokenize(say("twenty five."))
    amount = Amount(1, 2, "5", Shape.DIGITS)
    reading = Reading((), found, {1: amount}, {2: amount})
    assert (reading.text(-1), reading.text(0), reading.text(2)) == ("", "twenty", "")
    assert (reading.kind(-1), reading.kind(1), reading.kind(2)) == (TokenKind.OTHER, TokenKind.DIGIT, TokenKind.OTHER)
    assert (reading.next(1), reading.previous(2), reading.previous(1)) == (amount, amount, None)
    assert (reading.apart(0), reading.apart(1), reading.apart(2), reading.stopped(2)) == (False, False, True, True)
    assert reading.before(2, 5) == ["five", "twenty"]
    assert (amount.whole, Amount(0, 1, "2.5", Shape.DECIMAL).whole) == (5, -1)
