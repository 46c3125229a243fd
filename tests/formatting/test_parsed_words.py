"""The parsed words of a segment answer for every place, also outside of it."""

from __future__ import annotations

from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.spoken_tokens import TokenKind, tokenize
from tests.spoken_words import words_of


def test_places_outside_of_the_tokens_have_neutral_answers() -> None:
    found = tokenize(words_of("twenty five."))
    amount = Amount(1, 2, "5", Shape.DIGITS)
    parsed = ParsedWords((), found, {1: amount}, {2: amount})
    assert (parsed.text(-1), parsed.text(0), parsed.text(2)) == ("", "twenty", "")
    assert (parsed.kind(-1), parsed.kind(1), parsed.kind(2)) == (TokenKind.OTHER, TokenKind.DIGIT, TokenKind.OTHER)
    assert (parsed.continuation(1), parsed.ending_at(2), parsed.ending_at(1)) == (amount, amount, None)
    assert (parsed.separated(0), parsed.separated(1), parsed.separated(2), parsed.break_before(2)) == (
        False,
        False,
        True,
        True,
    )
    assert parsed.preceding(2, 5) == ["five", "twenty"]
    assert (amount.value, Amount(0, 1, "2.5", Shape.DECIMAL).value) == (5, -1)
