"""Finds spoken amounts of money and percentages and writes them: `$25.50`, `€20`, `25%`.

No suitable library formats spoken English money; the grammar is small enough for tables.
"""

from __future__ import annotations

import re
from decimal import Decimal

from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.rendering import Entity, EntityKind, entity

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


def money(parsed: ParsedWords, at: int) -> Entity | None:
    """Amount of money that begins at `at`; pounds only with `sterling` or pence, since they are a weight too."""
    printed = _PRINTED.fullmatch(parsed.text(at))
    if printed:
        cents = _cents(parsed, at + 1, "cents")
        return None if cents is None else entity(EntityKind.MONEY, at, cents[1], f"{printed[0]}.{cents[0]:02d}")
    amount = leading(parsed, at)
    if amount is None or parsed.separated(amount.last) or (amount.shape is Shape.PAIR and _follows_digit(parsed, at)):
        return None
    sign, end = _currency(parsed, amount.last)
    if not sign:
        return None
    cents = _cents(parsed, end, "pence" if sign == "£" else "cents") if amount.value >= 0 else None
    if cents is not None:
        return entity(EntityKind.MONEY, at, cents[1], f"{sign}{grouped(amount.digits)}.{cents[0]:02d}")
    return entity(EntityKind.MONEY, at, end, sign + _priced(amount))


def percent(parsed: ParsedWords, at: int) -> Entity | None:
    """Percentage that begins at `at`."""
    amount = leading(parsed, at)
    if amount is None or parsed.separated(amount.last):
        return None
    following = parsed.text(amount.last)
    end = amount.last + (1 if following == "percent" else 2)
    if following != "percent" and (following, parsed.text(end - 1)) != ("per", "cent"):
        return None
    return entity(EntityKind.PERCENT, at, end, f"{grouped(amount.digits)}%")


def leading(parsed: ParsedWords, at: int) -> Amount | None:
    """Cardinal that begins at `at`; `a hundred` with its article."""
    amount = parsed.amounts.get(at)
    if amount is not None:
        return None if amount.ordinal or amount.bare else amount
    bare = parsed.continuation(at + 1) if parsed.text(at) in _ARTICLES else None
    return bare if bare is not None and bare.bare and not bare.ordinal else None


def grouped(digits: str) -> str:
    """Digits with commas between thousands."""
    whole, point, rest = digits.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole else digits


def _currency(parsed: ParsedWords, at: int) -> tuple[str, int]:
    word = parsed.text(at)
    if word in _SIGNS:
        return _SIGNS[word], at + 1
    if word in {"pounds", "pound"}:
        if parsed.text(at + 1) == "sterling":
            return "£", at + 2
        if _cents(parsed, at + 1, "pence") is not None:
            return "£", at + 1
    return "", at


def _cents(parsed: ParsedWords, at: int, name: str) -> tuple[int, int] | None:
    """Number of cents spoken from `at` on (`and fifty cents`), and the token after them."""
    begins = at + 1 if parsed.text(at) == "and" else at
    amount = parsed.continuation(begins)
    if amount is None or parsed.break_before(at) or amount.ordinal or not 0 <= amount.value < 100:
        return None
    named = parsed.text(amount.last)
    if parsed.separated(amount.last) or (named != name and not (name == "cents" and named in _CENTS)):
        return None
    return amount.value, amount.last + 1


def _priced(amount: Amount) -> str:
    if amount.shape is not Shape.DECIMAL:
        return grouped(amount.digits)
    value = Decimal(amount.digits)
    return grouped(f"{value:.2f}" if value == value.quantize(Decimal("0.01")) else amount.digits)


def _follows_digit(parsed: ParsedWords, at: int) -> bool:
    """Whether a number precedes directly: `two fifty dollars` may be 250 or 2.50."""
    before = parsed.ending_at(at)
    return before is not None and not parsed.separated(at)
