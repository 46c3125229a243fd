"""Finds spoken dates and years and writes them: `January 5, 2024`, `April 2024`, `1961` for `nineteen sixty one`.

The month stays a word of its own, with its own times. `may` and `march` are months only where they cannot be verbs.
`the fifth of January` keeps its order.
"""

from __future__ import annotations

from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.rendering import Entity, EntityKind, EntityWord
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


def date(parsed: ParsedWords, at: int) -> Entity | None:
    """Date that begins with the month at `at`."""
    name = MONTHS.get(parsed.text(at))
    if name is None or parsed.separated(at + 1):
        return None
    month = EntityWord(at, at + 1, name)
    day = _day(parsed, at + 1)
    with_day = year(parsed, day.last) if day is not None and not parsed.break_before(day.last) else None
    if day is not None and with_day is not None and _is_day_of(parsed, at, day):
        day_piece = EntityWord(at + 1, day.last, f"{day.value},")
        return Entity(EntityKind.DATE, (month, day_piece, EntityWord(day.last, with_day[1], with_day[0])))
    alone = year(parsed, at + 1)
    if alone is not None and is_month(parsed, at):
        return Entity(EntityKind.DAY, (month, EntityWord(at + 1, alone[1], alone[0])))
    if day is None or not _is_day_of(parsed, at, day) or not (day.ordinal or _ends(parsed, day.last)):
        return None
    return Entity(EntityKind.DAY, (month, EntityWord(at + 1, day.last, str(day.value))))


def year(parsed: ParsedWords, at: int) -> tuple[str, int] | None:
    """Year that begins at `at` and the token after it: `nineteen oh five`, `two thousand nine`, `2024`."""
    first = parsed.amounts.get(at)
    if first is None or first.ordinal:
        return None
    if first.shape in (Shape.PRINTED, Shape.LARGE):
        plain = len(first.digits) == 4 and "," not in parsed.text(at) and first.value in _SAID_YEARS
        large = first.shape is Shape.LARGE and not is_year(parsed, first)
        return (first.digits, first.last) if plain and not large else None
    second = None if parsed.separated(first.last) else parsed.amounts.get(first.last)
    if first.shape is not Shape.PAIR or first.value not in _CENTURIES or second is None or second.ordinal:
        return None
    if second.shape is Shape.PAIR:
        return first.digits + second.digits, second.last
    unit = None if parsed.separated(second.last) else parsed.amounts.get(second.last)
    if second.shape is Shape.DIGITS and second.digits == "0" and unit is not None and len(unit.digits) == 1:
        return f"{first.digits}0{unit.digits}", unit.last
    return None


def is_year(parsed: ParsedWords, amount: Amount) -> bool:
    """Whether a number with hundred or thousand is a spoken year: `two thousand (and) nine`, `in nineteen hundred`."""
    spoken = [token.text for token in parsed.tokens[amount.first : amount.last]]
    if spoken[:2] == ["two", "thousand"] and 2000 < amount.value < 2100:
        return True
    hundreds = amount.value % 100 == 0 and 1100 <= amount.value <= 1900 and spoken[-1:] == ["hundred"]
    return hundreds and parsed.text(amount.first - 1) in {"in", "since", "early", "late", "year", "of", "until"}


def decade(parsed: ParsedWords, at: int) -> tuple[str, int] | None:
    """Decade that begins at `at` and the token after it: `nineteen nineties`."""
    century = parsed.amounts.get(at)
    if century is None or century.shape is not Shape.PAIR or century.value not in _CENTURIES or century.ordinal:
        return None
    tens = _DECADES.get(parsed.text(century.last))
    return None if tens is None or parsed.separated(century.last) else (f"{century.digits}{tens}s", century.last + 1)


def month_of(parsed: ParsedWords, at: int) -> bool:
    """Whether `of` and a month stand at `at`: `of January`."""
    return parsed.text(at) == "of" and parsed.text(at + 1) in MONTHS and not parsed.separated(at)


def _day(parsed: ParsedWords, at: int) -> Amount | None:
    amount = parsed.amounts.get(at)
    if amount is None and parsed.text(at) == "the":
        amount = parsed.amounts.get(at + 1)
        amount = amount if amount is not None and amount.ordinal else None
    following = None if amount is None else parsed.continuation(amount.last)
    if following is not None and following.bare:
        return None
    return amount if amount is not None and 1 <= amount.value <= 31 and amount.shape is not Shape.LARGE else None


def _is_day_of(parsed: ParsedWords, at: int, day: Amount) -> bool:
    """Whether a day after a month makes a date: `on may first` does, `you may first want to` does not."""
    if parsed.text(at) not in AMBIGUOUS_MONTHS:
        return True
    if parsed.text(at - 1) in _PRONOUNS and not parsed.tokens[at].capital:
        return False
    if day.ordinal and (day.last - day.first > 1 or parsed.text(day.first) not in _ADVERBS):
        return True
    return is_month(parsed, at)


def is_month(parsed: ParsedWords, at: int) -> bool:
    """Whether a month is named at `at`; an ambiguous one needs a preposition before it, or a capital in a sentence."""
    if parsed.text(at) not in AMBIGUOUS_MONTHS:
        return parsed.text(at) in MONTHS
    sentence = at == 0 or parsed.break_before(at)
    return parsed.text(at - 1) in _LEADS or (parsed.tokens[at].capital and not sentence)


def _ends(parsed: ParsedWords, at: int) -> bool:
    """Whether a day spoken as a cardinal can end before `at`: `june five people` is not a date."""
    return at >= parsed.size or parsed.separated(at) or parsed.text(at) in _FOLLOWS
