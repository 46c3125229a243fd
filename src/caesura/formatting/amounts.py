"""Tokens in, the numbers said in them out, wherever one begins.

Cardinals, ordinals and decimals are found by text2num (`find_numbers`, 17 us for 30 words): it is kept by the
people who wrote it for speech recognition, knows English number grammar, and works on tokens, so that times survive.
What it does not know is here, as small tables: `oh` as zero, `double five`, numbers already printed, `2.5 million`,
and where its `and` goes too far (`between one hundred and two hundred` is no 102).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from text_to_num import find_numbers

from caesura.formatting.fillers import FILLERS
from caesura.formatting.reading import Amount, Reading, Shape, Token, table, tokens
from caesura.words import Word

DIGITS = {
    "zero": "0",
    "one": "1",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
}
MAGNITUDES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_ORDINALS = table(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth sixtieth "
    "seventieth eightieth ninetieth hundredth thousandth millionth"
)
CARDINALS = frozenset(DIGITS) | table(
    "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen "
    "twenty thirty forty fourty fifty sixty seventy eighty ninety"
)
OHS = frozenset({"oh", "o"})
NUMBER_WORDS = frozenset(MAGNITUDES) | CARDINALS | _ORDINALS
_REPEATS = {"double": 2, "triple": 3}
_SPLITS = NUMBER_WORDS | {"oh", "and", "point"}
_WHOLE = re.compile(r"\d+|\d{1,3}(?:,\d{3})+")
_DECIMAL = re.compile(r"(?:\d+|\d{1,3}(?:,\d{3})+)?\.\d+")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th)")


class _Spoken:
    """A token as text2num asks about it."""

    __slots__ = ("_part", "_separated", "_text")

    def __init__(self, text: str, *, separated: bool, part: bool) -> None:
        self._text, self._separated, self._part = text, separated, part

    def text(self) -> str:
        return self._text

    def nt_separated(self, previous: _Spoken) -> bool:
        return self._separated

    def not_a_number_part(self) -> bool:
        return not self._part


def read(words: Sequence[Word]) -> Reading:
    """The reading of `words`: their tokens and the amounts in them."""
    found = tokens(words, _SPLITS, FILLERS)
    reading = Reading(tuple(words), found, {}, {})
    amounts = _spoken(found) | _printed(found)
    if amounts:
        _put_zeros(reading, amounts)
        _put_repeats(reading, amounts)
        _put_decimals(reading, amounts)
        _put_multiples(reading, amounts)
    return Reading(reading.words, found, amounts, {amount.last: amount for amount in amounts.values()})


def _spoken(found: Sequence[Token]) -> dict[int, Amount]:
    if not any(token.text in NUMBER_WORDS for token in found):
        return {}
    asked = [_as_asked(found, at) for at in range(len(found))]
    amounts: dict[int, Amount] = {}
    for one in find_numbers(asked, "en", threshold=0):
        first, last = int(one.start), int(one.end)
        said = [token.text for token in found[first:last]]
        if all(text in DIGITS for text in said):
            for at, text in enumerate(said, first):
                amounts[at] = Amount(at, at + 1, DIGITS[text], Shape.DIGITS)
        elif said[1:2] == ["hundred"] and len(said) == 3 and said[2] in DIGITS and _digit_at(found, last):
            # `eight hundred five five five` is dialled, no 805.
            amounts[first] = _amount(first, last - 1, DIGITS[said[0]] + "00", said[:2], ordinal=False)
            amounts[last - 1] = Amount(last - 1, last, DIGITS[said[2]], Shape.DIGITS)
        elif not one.text.endswith("ds"):
            amounts[first] = _amount(first, last, str(one.text), said, ordinal=bool(one.is_ordinal))
    return amounts


def _digit_at(found: Sequence[Token], at: int) -> bool:
    follows = at < len(found) and (found[at].text in DIGITS or found[at].text in OHS)
    return follows and not (found[at - 1].stop or found[at - 1].comma)


def _as_asked(found: Sequence[Token], at: int) -> _Spoken:
    token = found[at]
    before = found[at - 1] if at else None
    # After `thousand` a comma belongs to the number; elsewhere it parts two numbers.
    separated = before is not None and (before.stop or (before.comma and before.text not in MAGNITUDES))
    part = token.text in NUMBER_WORDS or token.text == "point"
    if token.text == "and":
        part = before is not None and before.text in MAGNITUDES and _smaller_follows(found, at + 1, before.text)
    return _Spoken(token.text, separated=separated, part=part)


def _smaller_follows(found: Sequence[Token], at: int, magnitude: str) -> bool:
    """Whether what comes after an `and` still belongs to the number with that magnitude."""
    end = at
    while end < len(found) and found[end].text in CARDINALS:
        end += 1
    following = found[end].text if end < len(found) else ""
    return following not in MAGNITUDES or MAGNITUDES[following] < MAGNITUDES[magnitude]


def _amount(first: int, last: int, text: str, said: Sequence[str], *, ordinal: bool) -> Amount:
    digits = text.rstrip("sthndr") if ordinal else text
    large = any(word in MAGNITUDES or word.removesuffix("th") in MAGNITUDES for word in said)
    if "." in digits:
        shape = Shape.DECIMAL
    elif large:
        shape = Shape.LARGE
    else:
        shape = Shape.DIGITS if len(digits) == 1 else Shape.PAIR
    return Amount(first, last, digits, shape, ordinal, bare=said[0].removesuffix("th") in MAGNITUDES)


def _printed(found: Sequence[Token]) -> dict[int, Amount]:
    amounts: dict[int, Amount] = {}
    for at, token in enumerate(found):
        text = token.text
        if not text[-1:].isdigit() and not text[:1].isdigit():
            continue
        if _WHOLE.fullmatch(text):
            amounts[at] = Amount(at, at + 1, text.replace(",", ""), Shape.PRINTED)
        elif _DECIMAL.fullmatch(text):
            amounts[at] = Amount(at, at + 1, text.replace(",", ""), Shape.DECIMAL)
        elif ordinal := _ORDINAL.fullmatch(text):
            amounts[at] = Amount(at, at + 1, ordinal[1], Shape.PRINTED, ordinal=True)
    return amounts


def _put_zeros(reading: Reading, amounts: dict[int, Amount]) -> None:
    """`oh` is a zero between digits, after two of them, and before two; anywhere else it is an exclamation."""
    ends = {amount.last for amount in amounts.values() if not amount.ordinal}
    for at in range(reading.size):
        if reading.text(at) not in OHS:
            continue
        digits, ohs = _run(reading, amounts, at + 1)
        led = at in ends and not reading.apart(at)
        joined = reading.text(at - 1) == "point" or reading.text(at - 1) in _REPEATS
        zero = (led and (digits + ohs >= 1 or _digits_before(amounts, at) >= 2)) or (digits + ohs >= 2 and digits)
        if zero or (joined and digits):
            amounts[at] = Amount(at, at + 1, "0", Shape.DIGITS)
            ends.add(at + 1)


def _run(reading: Reading, amounts: Mapping[int, Amount], at: int) -> tuple[int, int]:
    """How many single digits, and how many that may be zeros, follow from there."""
    digits = ohs = 0
    while at < reading.size and not reading.apart(at):
        amount = amounts.get(at)
        if amount is not None and amount.shape is Shape.DIGITS:
            digits += 1
        elif reading.text(at) in OHS:
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


def _put_repeats(reading: Reading, amounts: dict[int, Amount]) -> None:
    """`double five` among other digits is 55; alone it is a word."""
    for at, token in enumerate(reading.tokens):
        times = _REPEATS.get(token.text)
        amount = amounts.get(at + 1) if times and not reading.apart(at + 1) else None
        if times is None or amount is None or amount.shape is not Shape.DIGITS or amount.ordinal:
            continue
        beside = amounts.get(amount.last)
        follows = any(other.last == at for other in amounts.values())
        if follows or (beside is not None and beside.shape is Shape.DIGITS):
            del amounts[at + 1]
            amounts[at] = replace(amount, first=at, digits=amount.digits * times)


def _put_decimals(reading: Reading, amounts: dict[int, Amount]) -> None:
    """`3 point 5`, `one point oh five`, and `point five` before a percent."""
    for at, token in enumerate(reading.tokens):
        if token.text != "point" or reading.apart(at + 1):
            continue
        whole = next((a for a in amounts.values() if a.last == at and a.digits.isdigit() and not a.ordinal), None)
        digits, end = "", at + 1
        while (part := amounts.get(end)) and part.digits.isdigit() and not part.ordinal:
            if digits and (part.shape is not Shape.DIGITS or reading.apart(end)):
                break
            digits, end = digits + part.digits, part.last
        if not digits or (whole is None and reading.text(end) not in {"percent", "million", "billion"}):
            continue
        first = at if whole is None else whole.first
        for taken in [k for k in amounts if first <= k < end]:
            del amounts[taken]
        amounts[first] = Amount(first, end, f"{whole.digits if whole else '0'}.{digits}", Shape.DECIMAL)


def _put_multiples(reading: Reading, amounts: dict[int, Amount]) -> None:
    """`5 million`, `2.5 million`."""
    for at in sorted(amounts):
        amount = amounts.get(at)
        if amount is None or amount.ordinal or amount.shape not in (Shape.DECIMAL, Shape.PRINTED):
            continue
        times = amounts.get(amount.last)
        if times is None or not times.bare or times.ordinal or reading.apart(amount.last):
            continue
        if times.last != times.first + 1:
            continue
        product = Decimal(amount.digits) * MAGNITUDES[reading.text(times.first)]
        if product == product.to_integral_value():
            del amounts[times.first]
            amounts[at] = Amount(at, times.last, str(int(product)), Shape.LARGE)
