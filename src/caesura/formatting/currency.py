"""Tokens in, amounts of money and percentages out: `$25.50`, `€20`, `25%`.

No library in reach writes spoken English money; the grammar is small enough for tables.
"""

from __future__ import annotations

import re
from decimal import Decimal

from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spans import Kind, Span, span

_SIGNS = {
    "dollars": "$",
    "dollar": "$",
    "euros": "€",
    "euro": "€",
    "yen": "¥",
    "rupees": "₹",
}
_CENTS = frozenset({"cents", "cent"})
_PRINTED = re.compile(r"([$€£¥₹])(\d+|\d{1,3}(?:,\d{3})+)")
_ARTICLES = frozenset({"a", "an"})


def money(reading: Reading, at: int) -> Span | None:
    """An amount in a currency that begins there; pounds only with `sterling` or pence, for they are a weight too."""
    printed = _PRINTED.fullmatch(reading.text(at))
    if printed:
        cents = _cents(reading, at + 1, "cents")
        return None if cents is None else span(Kind.MONEY, at, cents[1], f"{printed[0]}.{cents[0]:02d}")
    amount = leading(reading, at)
    if amount is None or reading.apart(amount.last) or (amount.shape is Shape.PAIR and _follows_digit(reading, at)):
        return None
    sign, end = _currency(reading, amount.last)
    if not sign:
        return None
    cents = _cents(reading, end, "pence" if sign == "£" else "cents") if amount.whole >= 0 else None
    if cents is not None:
        return span(Kind.MONEY, at, cents[1], f"{sign}{grouped(amount.digits)}.{cents[0]:02d}")
    return span(Kind.MONEY, at, end, sign + _priced(amount))


def percent(reading: Reading, at: int) -> Span | None:
    """A percentage that begins there."""
    amount = leading(reading, at)
    if amount is None or reading.apart(amount.last):
        return None
    following = reading.text(amount.last)
    end = amount.last + (1 if following == "percent" else 2)
    if following != "percent" and (following, reading.text(end - 1)) != ("per", "cent"):
        return None
    return span(Kind.PERCENT, at, end, f"{grouped(amount.digits)}%")


def leading(reading: Reading, at: int) -> Amount | None:
    """The cardinal that begins there, `a hundred` with its article."""
    amount = reading.amounts.get(at)
    if amount is not None:
        return None if amount.ordinal or amount.bare else amount
    bare = reading.next(at + 1) if reading.text(at) in _ARTICLES else None
    return bare if bare is not None and bare.bare and not bare.ordinal else None


def grouped(digits: str) -> str:
    """Digits with commas between thousands."""
    whole, point, rest = digits.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole else digits


def _currency(reading: Reading, at: int) -> tuple[str, int]:
    word = reading.text(at)
    if word in _SIGNS:
        return _SIGNS[word], at + 1
    if word in {"pounds", "pound"}:
        if reading.text(at + 1) == "sterling":
            return "£", at + 2
        if _cents(reading, at + 1, "pence") is not None:
            return "£", at + 1
    return "", at


def _cents(reading: Reading, at: int, name: str) -> tuple[int, int] | None:
    """`and fifty cents` from there: how many, and where it ends."""
    begins = at + 1 if reading.text(at) == "and" else at
    amount = reading.next(begins)
    if amount is None or reading.stopped(at) or amount.ordinal or not 0 <= amount.whole < 100:
        return None
    named = reading.text(amount.last)
    if reading.apart(amount.last) or (named != name and not (name == "cents" and named in _CENTS)):
        return None
    return amount.whole, amount.last + 1


def _priced(amount: Amount) -> str:
    if amount.shape is not Shape.DECIMAL:
        return grouped(amount.digits)
    value = Decimal(amount.digits)
    return grouped(f"{value:.2f}" if value == value.quantize(Decimal("0.01")) else amount.digits)


def _follows_digit(reading: Reading, at: int) -> bool:
    """`two fifty dollars` is 250 or 2.50: nobody knows."""
    before = reading.previous(at)
    return before is not None and not reading.apart(at)
