"""Tokens in, dates out: `January 5`, `January 5, 2024`, `April 2024`; and years: `nineteen sixty one` is 1961.

Names of months keep words of their own, with their own times. `may` and `march` are months only where they cannot be
verbs. `the fifth of January` keeps its order.
"""

from __future__ import annotations

from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spans import Kind, Piece, Span
from caesura.formatting.spoken_tokens import AMBIGUOUS_MONTHS, MONTHS, word_set

_SAID_YEARS = range(1100, 2100)
_CENTURIES = range(17, 21)
_LEADS = word_set(
    "on by until till from since of to through before after and between in for is was due this last next early late "
    "every about around dated"
)
_FOLLOWS = word_set("at in on and to through from by for or is was with until if works please the we i")
_PRONOUNS = word_set("i you we they he she it who that this which one")
_DECADES = {
    "twenties": "20",
    "thirties": "30",
    "forties": "40",
    "fifties": "50",
    "sixties": "60",
    "seventies": "70",
    "eighties": "80",
    "nineties": "90",
}
_ADVERBS = frozenset({"first", "second"})


def date(reading: Reading, at: int) -> Span | None:
    """A date that begins with the month there."""
    name = MONTHS.get(reading.text(at))
    if name is None or reading.apart(at + 1):
        return None
    month = Piece(at, at + 1, name)
    day = _day(reading, at + 1)
    with_day = year(reading, day.last) if day is not None and not reading.stopped(day.last) else None
    if day is not None and with_day is not None and _is_day_of(reading, at, day):
        day_piece = Piece(at + 1, day.last, f"{day.whole},")
        return Span(Kind.DATE, (month, day_piece, Piece(day.last, with_day[1], with_day[0])))
    alone = year(reading, at + 1)
    if alone is not None and is_month(reading, at):
        return Span(Kind.DAY, (month, Piece(at + 1, alone[1], alone[0])))
    if day is None or not _is_day_of(reading, at, day) or not (day.ordinal or _ends(reading, day.last)):
        return None
    return Span(Kind.DAY, (month, Piece(at + 1, day.last, str(day.whole))))


def year(reading: Reading, at: int) -> tuple[str, int] | None:
    """The year that begins there and where it ends: `nineteen oh five`, `two thousand nine`, `2024`."""
    first = reading.amounts.get(at)
    if first is None or first.ordinal:
        return None
    if first.shape in (Shape.PRINTED, Shape.LARGE):
        plain = len(first.digits) == 4 and "," not in reading.text(at) and first.whole in _SAID_YEARS
        large = first.shape is Shape.LARGE and not is_year(reading, first)
        return (first.digits, first.last) if plain and not large else None
    second = None if reading.apart(first.last) else reading.amounts.get(first.last)
    if first.shape is not Shape.PAIR or first.whole not in _CENTURIES or second is None or second.ordinal:
        return None
    if second.shape is Shape.PAIR:
        return first.digits + second.digits, second.last
    unit = None if reading.apart(second.last) else reading.amounts.get(second.last)
    if second.shape is Shape.DIGITS and second.digits == "0" and unit is not None and len(unit.digits) == 1:
        return f"{first.digits}0{unit.digits}", unit.last
    return None


def is_year(reading: Reading, amount: Amount) -> bool:
    """Whether a number with hundred or thousand is how one says a year: `two thousand (and) nine`, `in 1900`."""
    said = [token.text for token in reading.tokens[amount.first : amount.last]]
    if said[:2] == ["two", "thousand"] and 2000 < amount.whole < 2100:
        return True
    hundreds = amount.whole % 100 == 0 and 1100 <= amount.whole <= 1900 and said[-1:] == ["hundred"]
    return hundreds and reading.text(amount.first - 1) in {"in", "since", "early", "late", "year", "of", "until"}


def decade(reading: Reading, at: int) -> tuple[str, int] | None:
    """The decade that begins there and where it ends: `nineteen nineties`."""
    century = reading.amounts.get(at)
    if century is None or century.shape is not Shape.PAIR or century.whole not in _CENTURIES or century.ordinal:
        return None
    tens = _DECADES.get(reading.text(century.last))
    return None if tens is None or reading.apart(century.last) else (f"{century.digits}{tens}s", century.last + 1)


def month_of(reading: Reading, at: int) -> bool:
    """Whether `of January` follows from there."""
    return reading.text(at) == "of" and reading.text(at + 1) in MONTHS and not reading.apart(at)


def _day(reading: Reading, at: int) -> Amount | None:
    amount = reading.amounts.get(at)
    if amount is None and reading.text(at) == "the":
        amount = reading.amounts.get(at + 1)
        amount = amount if amount is not None and amount.ordinal else None
    following = None if amount is None else reading.next(amount.last)
    if following is not None and following.bare:
        return None
    return amount if amount is not None and 1 <= amount.whole <= 31 and amount.shape is not Shape.LARGE else None


def _is_day_of(reading: Reading, at: int, day: Amount) -> bool:
    """`you may first want to` is no date, `on may first` is one."""
    if reading.text(at) not in AMBIGUOUS_MONTHS:
        return True
    if reading.text(at - 1) in _PRONOUNS and not reading.tokens[at].capital:
        return False
    if day.ordinal and (day.last - day.first > 1 or reading.text(day.first) not in _ADVERBS):
        return True
    return is_month(reading, at)


def is_month(reading: Reading, at: int) -> bool:
    """Whether a month is named there; one that is a verb as well by what leads to it, or by a capital in a sentence."""
    if reading.text(at) not in AMBIGUOUS_MONTHS:
        return reading.text(at) in MONTHS
    sentence = at == 0 or reading.stopped(at)
    return reading.text(at - 1) in _LEADS or (reading.tokens[at].capital and not sentence)


def _ends(reading: Reading, at: int) -> bool:
    """Whether a day said as a cardinal can end there: `june five people` is no date."""
    return at >= reading.size or reading.apart(at) or reading.text(at) in _FOLLOWS
