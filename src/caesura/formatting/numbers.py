"""Tokens in, plain numbers out: cardinals, ordinals, decimals and years in digits.

`numerals` converts all of them but those that are no numbers (`no one`, `one of the`, `wait a second`); smart
formatting, as the hosted service is seen to do, leaves one to nine and first to ninth as words.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.formatting.context import IDS, PLACES, SOCIAL, identifier, street
from caesura.formatting.currency import grouped, leading
from caesura.formatting.dates import decade, is_month, is_year, month_of, year
from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spans import Kind, Span, span
from caesura.formatting.spoken_tokens import word_set


@dataclass(frozen=True, slots=True)
class Manner:
    """Which numbers become digits: `smart` by the rule of style, `numerals` all; neither: only redaction looks."""

    smart: bool
    numerals: bool


_ONE_AFTER = word_set(
    "no the this that which each any every some another good only last next first right wrong big new other same old "
    "loved not just"
)
_ONE_BEFORE = word_set("of another would could should must can may might day thing")
_DETERMINERS = word_set("the my your his her our their this that its")
_NO_RANK = word_set("name names class aid hand lady person place of")
_NO_YEAR_BEFORE = word_set("dollars percent cents hundred thousand million vision hindsight")
_RANGES = frozenset({"to", "through", "or"})
_FRACTIONS = word_set(
    "half halves quarter quarters third thirds fourths fifth fifths sixth sixths seventh sevenths eighth eighths ninth "
    "ninths tenth tenths hundredths"
)


def number(reading: Reading, at: int, manner: Manner) -> Span | None:
    """The number that begins there, unless what is there is none; `wanted` says whether the manner asks for it."""
    amount = reading.amounts.get(at)
    if amount is None:
        amount = leading(reading, at)
        if amount is None or amount.last - amount.first < 2:
            return None
    if amount.ordinal:
        return _ordinal(reading, amount, manner)
    if amount.shape is Shape.PRINTED or (amount.bare and amount.first == at):
        return None
    said_year = _year(reading, at)
    if said_year is not None:
        return said_year
    if _no_number(reading, amount):
        return None
    wanted = manner.numerals or (manner.smart and _worth_digits(reading, amount))
    return span(Kind.NUMBER, at, amount.last, _digits(reading, amount, manner), wanted=wanted)


def _year(reading: Reading, at: int) -> Span | None:
    found = decade(reading, at) or year(reading, at)
    if found is None or reading.text(at - 1) == "point" or reading.text(at).isdigit():
        return None
    text, end = found
    before = reading.previous(at)
    crowded = reading.next(end) is not None or (before is not None and not before.ordinal and not reading.apart(at))
    if crowded or reading.text(end) in _NO_YEAR_BEFORE:
        return None
    return span(Kind.NUMBER, at, end, text)


def plausible(reading: Reading, amount: Amount) -> bool:
    """Whether it is a number at all: `no one`, `wait a second` and `at first` are none."""
    return _is_rank(reading, amount) if amount.ordinal else not _no_number(reading, amount)


def _no_number(reading: Reading, amount: Amount) -> bool:
    following = "" if reading.apart(amount.last) else reading.text(amount.last)
    if amount.shape is Shape.DIGITS and (following in _FRACTIONS or _and_a_half(reading, amount.last)):
        return True
    if reading.text(amount.first) != "one" or amount.last - amount.first > 1:
        return False
    return reading.text(amount.first - 1) in _ONE_AFTER or following in _ONE_BEFORE


def _and_a_half(reading: Reading, at: int) -> bool:
    return [reading.text(at), reading.text(at + 1)] == ["and", "a"] and reading.text(at + 2) in _FRACTIONS


def _worth_digits(reading: Reading, amount: Amount) -> bool:
    if amount.shape is Shape.DIGITS:
        following = reading.next(amount.last + 1) if reading.text(amount.last) in _RANGES else None
        named = reading.text(amount.last) == "and" and reading.text(amount.first - 1) == "between"
        following = reading.next(amount.last + 1) if named else following
        return following is not None and not following.ordinal and following.shape is not Shape.DIGITS
    return not _ambiguous(reading, amount)


def _ambiguous(reading: Reading, amount: Amount) -> bool:
    """`one fifty five`, `ten eleven`: numbers side by side, of which nobody knows whether they are one."""
    before = None if reading.apart(amount.first) else reading.previous(amount.first)
    after = None if reading.apart(amount.last) else reading.amounts.get(amount.last)
    return after is not None or (before is not None and not before.ordinal)


def _digits(reading: Reading, amount: Amount, manner: Manner) -> str:
    if not manner.smart or amount.shape is not Shape.LARGE or is_year(reading, amount):
        return amount.digits
    names = identifier(reading, amount.first) in (IDS, SOCIAL) or reading.text(amount.first - 1) in PLACES
    names = names or reading.text(amount.last) == "hours"
    return amount.digits if names or street(reading, amount.last) else grouped(amount.digits)


def _ordinal(reading: Reading, amount: Amount, manner: Manner) -> Span | None:
    if amount.shape is Shape.PRINTED or not _is_rank(reading, amount):
        return None
    wanted = manner.numerals or (manner.smart and (amount.whole >= 10 or month_of(reading, amount.last)))
    return span(Kind.NUMBER, amount.first, amount.last, ordinal(amount.digits), wanted=wanted)


def _is_rank(reading: Reading, amount: Amount) -> bool:
    before, after = reading.text(amount.first - 1), reading.text(amount.last)
    if month_of(reading, amount.last) or is_month(reading, amount.first - 1) or amount.shape is Shape.PRINTED:
        return True
    cardinal = reading.previous(amount.first)
    if cardinal is not None and not cardinal.ordinal and not reading.apart(amount.first):
        return False
    said = reading.text(amount.last - 1)
    if amount.last - amount.first == 1 and said in {"first", "second"}:
        return before in _DETERMINERS and after not in _NO_RANK
    return before not in {"a", "an"} or amount.whole >= 10


def ordinal(digits: str) -> str:
    """`1st`, `12th`, `23rd`."""
    teen = digits[-2:] in {"11", "12", "13"}
    return digits + ("th" if teen else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th"))
