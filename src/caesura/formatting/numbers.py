"""Finds plain numbers and writes them in digits: cardinals, ordinals, decimals and years.

`numerals` converts all of them except words that are not used as numbers (`no one`, `one of the`, `wait a second`);
smart formatting, like that of the hosted service, leaves one to nine and first to ninth as words.
"""

from __future__ import annotations

from dataclasses import dataclass

from caesura.formatting.context import IDS, PLACES, SOCIAL, identifier, street
from caesura.formatting.currency import grouped, leading
from caesura.formatting.dates import decade, is_month, is_year, month_of, year
from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.rendering import Entity, EntityKind, entity
from caesura.formatting.spoken_tokens import word_set


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """Which numbers become digits: `smart` those of the style rules, `numerals` all, neither of them only secrets."""

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


def number(parsed: ParsedWords, at: int, number_style: NumberStyle) -> Entity | None:
    """Number that begins at `at`; `wanted` says whether the style writes it in digits."""
    amount = parsed.amounts.get(at)
    if amount is None:
        amount = leading(parsed, at)
        if amount is None or amount.last - amount.first < 2:
            return None
    if amount.ordinal:
        return _ordinal(parsed, amount, number_style)
    if amount.shape is Shape.PRINTED or (amount.bare and amount.first == at):
        return None
    spoken_year = _year(parsed, at)
    if spoken_year is not None:
        return spoken_year
    if _no_number(parsed, amount):
        return None
    wanted = number_style.numerals or (number_style.smart and _worth_digits(parsed, amount))
    return entity(EntityKind.NUMBER, at, amount.last, _digits(parsed, amount, number_style), wanted=wanted)


def _year(parsed: ParsedWords, at: int) -> Entity | None:
    found = decade(parsed, at) or year(parsed, at)
    if found is None or parsed.text(at - 1) == "point" or parsed.text(at).isdigit():
        return None
    text, end = found
    before = parsed.ending_at(at)
    crowded = parsed.continuation(end) is not None or (
        before is not None and not before.ordinal and not parsed.separated(at)
    )
    if crowded or parsed.text(end) in _NO_YEAR_BEFORE:
        return None
    return entity(EntityKind.NUMBER, at, end, text)


def plausible(parsed: ParsedWords, amount: Amount) -> bool:
    """Whether an amount is used as a number: those in `no one`, `wait a second` and `at first` are not."""
    return _is_rank(parsed, amount) if amount.ordinal else not _no_number(parsed, amount)


def _no_number(parsed: ParsedWords, amount: Amount) -> bool:
    following = "" if parsed.separated(amount.last) else parsed.text(amount.last)
    if amount.shape is Shape.DIGITS and (following in _FRACTIONS or _and_a_half(parsed, amount.last)):
        return True
    if parsed.text(amount.first) != "one" or amount.last - amount.first > 1:
        return False
    return parsed.text(amount.first - 1) in _ONE_AFTER or following in _ONE_BEFORE


def _and_a_half(parsed: ParsedWords, at: int) -> bool:
    return [parsed.text(at), parsed.text(at + 1)] == ["and", "a"] and parsed.text(at + 2) in _FRACTIONS


def _worth_digits(parsed: ParsedWords, amount: Amount) -> bool:
    if amount.shape is Shape.DIGITS:
        following = parsed.continuation(amount.last + 1) if parsed.text(amount.last) in _RANGES else None
        named = parsed.text(amount.last) == "and" and parsed.text(amount.first - 1) == "between"
        following = parsed.continuation(amount.last + 1) if named else following
        return following is not None and not following.ordinal and following.shape is not Shape.DIGITS
    return not _ambiguous(parsed, amount)


def _ambiguous(parsed: ParsedWords, amount: Amount) -> bool:
    """Whether a number is next to another, so that they may be one number or two: `one fifty five`, `ten eleven`."""
    before = None if parsed.separated(amount.first) else parsed.ending_at(amount.first)
    after = None if parsed.separated(amount.last) else parsed.amounts.get(amount.last)
    return after is not None or (before is not None and not before.ordinal)


def _digits(parsed: ParsedWords, amount: Amount, number_style: NumberStyle) -> str:
    if not number_style.smart or amount.shape is not Shape.LARGE or is_year(parsed, amount):
        return amount.digits
    names = identifier(parsed, amount.first) in (IDS, SOCIAL) or parsed.text(amount.first - 1) in PLACES
    names = names or parsed.text(amount.last) == "hours"
    return amount.digits if names or street(parsed, amount.last) else grouped(amount.digits)


def _ordinal(parsed: ParsedWords, amount: Amount, number_style: NumberStyle) -> Entity | None:
    if amount.shape is Shape.PRINTED or not _is_rank(parsed, amount):
        return None
    wanted = number_style.numerals or (number_style.smart and (amount.value >= 10 or month_of(parsed, amount.last)))
    return entity(EntityKind.NUMBER, amount.first, amount.last, ordinal(amount.digits), wanted=wanted)


def _is_rank(parsed: ParsedWords, amount: Amount) -> bool:
    before, after = parsed.text(amount.first - 1), parsed.text(amount.last)
    if month_of(parsed, amount.last) or is_month(parsed, amount.first - 1) or amount.shape is Shape.PRINTED:
        return True
    cardinal = parsed.ending_at(amount.first)
    if cardinal is not None and not cardinal.ordinal and not parsed.separated(amount.first):
        return False
    spoken = parsed.text(amount.last - 1)
    if amount.last - amount.first == 1 and spoken in {"first", "second"}:
        return before in _DETERMINERS and after not in _NO_RANK
    return before not in {"a", "an"} or amount.value >= 10


def ordinal(digits: str) -> str:
    """Digits with the suffix of an ordinal: `1st`, `12th`, `23rd`."""
    teen = digits[-2:] in {"11", "12", "13"}
    return digits + ("th" if teen else {"1": "st", "2": "nd", "3": "rd"}.get(digits[-1], "th"))
