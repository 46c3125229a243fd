"""Parser of spoken numbers: finds cardinals, ordinals and decimals among tokens, with their values.

Cardinals, ordinals and decimals are found by text2num (`find_numbers`, 17 us for 30 words): it is maintained for speech
recognition, covers English number grammar, and works on tokens, so that times are kept. This module adds small rules
for what it does not cover: `oh` as zero, `double five`, numbers already printed, `2.5 million`, and an `and` that does
not join (`between one hundred and two hundred` is not 102).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from text_to_num import find_numbers

from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.spoken_tokens import (
    CARDINALS,
    MAGNITUDES,
    NUMBER_WORDS,
    REPEATS,
    SpokenToken,
    TokenKind,
    tokenize,
)
from caesura.words import Word

_WHOLE = re.compile(r"\d+|\d{1,3}(?:,\d{3})+")
_DECIMAL = re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)?\.\d+")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


class _Spoken:
    """A token with the interface that text2num expects."""

    __slots__ = ("_part", "_separated", "_text")

    def __init__(self, text: str, *, separated: bool, part: bool) -> None:
        self._text, self._separated, self._part = text, separated, part

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Spoken) -> bool:
        return self._separated

    def not_a_number_part(self) -> bool:
        return not self._part


def parse_amounts(words: Sequence[Word]) -> ParsedWords:
    """Parse words into tokens and the amounts in them."""
    found = tokenize(words)
    parsed = ParsedWords(tuple(words), found, {}, {})
    amounts = _spoken(found) | _printed(found)
    if amounts:
        _add_zeros(parsed, amounts)
        _add_repeats(parsed, amounts)
        _add_decimals(parsed, amounts)
        _add_multiples(parsed, amounts)
    return ParsedWords(parsed.words, found, amounts, {amount.last: amount for amount in amounts.values()})


def _spoken(found: Sequence[SpokenToken]) -> dict[int, Amount]:
    if not any(token.kind in NUMBER_WORDS for token in found):
        return {}
    spoken_tokens = [_as_spoken(found, at) for at in range(len(found))]
    amounts: dict[int, Amount] = {}
    for one in find_numbers(spoken_tokens, "en", threshold=0):
        first, last = int(one.start), int(one.end)
        spoken = found[first:last]
        if all(token.kind is TokenKind.DIGIT for token in spoken):
            for at, token in enumerate(spoken, first):
                amounts[at] = Amount(at, at + 1, token.digits, Shape.DIGITS)
        elif _is_hundred_and_digit(spoken) and _digit_at(found, last):
            # `eight hundred five five five` is a dialled number, not 805.
            amounts[first] = _amount(first, last - 1, spoken[0].digits + "00", spoken[:2], ordinal=False)
            amounts[last - 1] = Amount(last - 1, last, spoken[2].digits, Shape.DIGITS)
        elif not one.text.endswith("ds"):
            amounts[first] = _amount(first, last, str(one.text), spoken, ordinal=bool(one.is_ordinal))
    return amounts


def _is_hundred_and_digit(spoken: Sequence[SpokenToken]) -> bool:
    return len(spoken) == 3 and spoken[1].text == "hundred" and spoken[2].kind is TokenKind.DIGIT


def _digit_at(found: Sequence[SpokenToken], at: int) -> bool:
    follows = at < len(found) and found[at].kind in (TokenKind.DIGIT, TokenKind.ZERO)
    return follows and not (found[at - 1].stop or found[at - 1].comma)


def _as_spoken(found: Sequence[SpokenToken], at: int) -> _Spoken:
    token = found[at]
    before = found[at - 1] if at else None
    # After `thousand` a comma belongs to the number; elsewhere it separates two numbers.
    separated = before is not None and (
        before.stop or before.dash or (before.comma and before.kind is not TokenKind.MAGNITUDE)
    )
    part = token.kind in NUMBER_WORDS or token.text == "point"
    if token.text == "and":
        magnitude = before.text if before is not None and before.kind is TokenKind.MAGNITUDE else ""
        part = bool(magnitude) and _smaller_follows(found, at + 1, magnitude)
    return _Spoken(token.text, separated=separated, part=part)


def _smaller_follows(found: Sequence[SpokenToken], at: int, magnitude: str) -> bool:
    """Whether the cardinal after an `and` still belongs to the number with that magnitude."""
    end = at
    while end < len(found) and found[end].kind in CARDINALS:
        end += 1
    following = found[end].text if end < len(found) else ""
    return following not in MAGNITUDES or MAGNITUDES[following] < MAGNITUDES[magnitude]


def _amount(first: int, last: int, text: str, spoken: Sequence[SpokenToken], *, ordinal: bool) -> Amount:
    digits = text.rstrip("sthndr") if ordinal else text
    large = any(token.text.removesuffix("th") in MAGNITUDES for token in spoken)
    if "." in digits:
        shape = Shape.DECIMAL
    elif large:
        shape = Shape.LARGE
    else:
        shape = Shape.DIGITS if len(digits) == 1 else Shape.PAIR
    return Amount(first, last, digits, shape, ordinal, bare=spoken[0].text.removesuffix("th") in MAGNITUDES)


def _printed(found: Sequence[SpokenToken]) -> dict[int, Amount]:
    amounts: dict[int, Amount] = {}
    for at, token in enumerate(found):
        text = token.text
        if token.kind is not TokenKind.PRINTED:
            continue
        if _WHOLE.fullmatch(text):
            amounts[at] = Amount(at, at + 1, text.replace(",", ""), Shape.PRINTED)
        elif _DECIMAL.fullmatch(text):
            amounts[at] = Amount(at, at + 1, text.replace(",", ""), Shape.DECIMAL)
        elif ordinal := _ORDINAL.fullmatch(text):
            amounts[at] = Amount(at, at + 1, ordinal[1], Shape.PRINTED, ordinal=True)
    return amounts


def _add_zeros(parsed: ParsedWords, amounts: dict[int, Amount]) -> None:
    """Add `oh` as a zero between digits, after two digits, and before two; elsewhere it is an exclamation."""
    ends = {amount.last for amount in amounts.values() if not amount.ordinal}
    for at in range(parsed.size):
        if parsed.kind(at) is not TokenKind.ZERO:
            continue
        digits, ohs = _run(parsed, amounts, at + 1)
        led = at in ends and not parsed.separated(at)
        joined = parsed.text(at - 1) == "point" or parsed.kind(at - 1) is TokenKind.REPEAT
        zero = (led and (digits + ohs >= 1 or _digits_before(amounts, at) >= 2)) or (digits + ohs >= 2 and digits)
        if zero or (joined and digits):
            amounts[at] = Amount(at, at + 1, "0", Shape.DIGITS)
            ends.add(at + 1)


def _run(parsed: ParsedWords, amounts: Mapping[int, Amount], at: int) -> tuple[int, int]:
    """Number of single digits, and of tokens that may be zeros, in a row from `at` on."""
    digits = ohs = 0
    while at < parsed.size and not parsed.separated(at):
        amount = amounts.get(at)
        if amount is not None and amount.shape is Shape.DIGITS:
            digits += 1
        elif parsed.kind(at) is TokenKind.ZERO:
            ohs += 1
        else:
            break
        at += 1
    return digits, ohs


def _digits_before(amounts: Mapping[int, Amount], at: int) -> int:
    count = 0
    while (amount := amounts.get(at - 1)) and amount.shape is Shape.DIGITS:
        count, at = count + 1, at - 1
    return count


def _add_repeats(parsed: ParsedWords, amounts: dict[int, Amount]) -> None:
    """Repeat the digit after `double` and the like among other digits; alone it is a word."""
    for at, token in enumerate(parsed.tokens):
        times = REPEATS.get(token.text)
        amount = amounts.get(at + 1) if times and not parsed.separated(at + 1) else None
        if times is None or amount is None or amount.shape is not Shape.DIGITS or amount.ordinal:
            continue
        beside = amounts.get(amount.last)
        follows = any(other.last == at for other in amounts.values())
        if follows or (beside is not None and beside.shape is Shape.DIGITS):
            del amounts[at + 1]
            amounts[at] = replace(amount, first=at, digits=amount.digits * times)


def _add_decimals(parsed: ParsedWords, amounts: dict[int, Amount]) -> None:
    """Join decimals: `3 point 5`, `one point oh five`, and `point five` before `percent`."""
    for at, token in enumerate(parsed.tokens):
        if token.text != "point" or parsed.separated(at + 1):
            continue
        whole = next((a for a in amounts.values() if a.last == at and a.digits.isdigit() and not a.ordinal), None)
        digits, end = "", at + 1
        while (part := amounts.get(end)) and part.digits.isdigit() and not part.ordinal:
            if digits and (part.shape is not Shape.DIGITS or parsed.separated(end)):
                break
            digits, end = digits + part.digits, part.last
        if not digits or (whole is None and parsed.text(end) not in {"percent", "million", "billion"}):
            continue
        first = at if whole is None else whole.first
        for taken in [k for k in amounts if first <= k < end]:
            del amounts[taken]
        amounts[first] = Amount(first, end, f"{whole.digits if whole else '0'}.{digits}", Shape.DECIMAL)


def _add_multiples(parsed: ParsedWords, amounts: dict[int, Amount]) -> None:
    """Multiply printed numbers by the magnitude after them: `5 million`, `2.5 million`."""
    for at in sorted(amounts):
        amount = amounts.get(at)
        if amount is None or amount.ordinal or amount.shape not in (Shape.DECIMAL, Shape.PRINTED):
            continue
        times = amounts.get(amount.last)
        if times is None or not times.bare or times.ordinal or parsed.separated(amount.last):
            continue
        if times.last != times.first + 1:
            continue
        product = Decimal(amount.digits) * MAGNITUDES[parsed.text(times.first)]
        if product == product.to_integral_value():
            del amounts[times.first]
            amounts[at] = Amount(at, times.last, str(int(product)), Shape.LARGE)
