"""A reading in, the spans that are written otherwise than they were spoken out, and whether one is still being said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from caesura.formatting.addresses import addresses, unfinished
from caesura.formatting.codes import code
from caesura.formatting.currency import money, percent
from caesura.formatting.dates import date
from caesura.formatting.numbers import Manner, number, plausible
from caesura.formatting.parsed_words import Reading
from caesura.formatting.phones import string
from caesura.formatting.spans import Kind, Span, fits
from caesura.formatting.spoken_tokens import AMBIGUOUS_MONTHS, MONTHS, TokenKind
from caesura.formatting.times import time

_COMPLETE = frozenset({Kind.PERCENT, Kind.TIME, Kind.MONEY, Kind.DATE, Kind.ADDRESS, Kind.PHONE})
"""What is told at once when it ends a segment: it may go on, but seldom does."""
_STARTS = frozenset({TokenKind.ZERO, TokenKind.REPEAT})
"""Kinds of tokens that may begin a number of which no digit has been said yet."""
_LINKS = frozenset({"point", "and", "dash", "hyphen", "of", "the"})


def spans(reading: Reading, manner: Manner) -> tuple[Span, ...]:
    """Everything that is written otherwise, in order and apart; what the manner does not ask for is not `wanted`."""
    found: list[Span] = []
    known = {one.first: one for one in addresses(reading)} if manner.smart else {}
    at = 0
    while at < reading.size:
        here = known.get(at)
        if here is None and _may_begin(reading, at):
            limit = min((first for first in known if first > at), default=reading.size)
            here = _first(reading, at, manner, found[-1] if found else None, limit)
        if here is None:
            at += 1
            continue
        asked = here.wanted and (manner.smart or manner.numerals)
        found.append(here if asked else replace(here, wanted=False))
        at = here.last
    return tuple(found)


def _may_begin(reading: Reading, at: int) -> bool:
    text = reading.text(at)
    return (
        at in reading.amounts
        or text in MONTHS
        or text in {"a", "an", "plus"}
        or len(text) == 1
        or (text[:1] in "$€£¥₹" or ":" in text)
    )


def _first(reading: Reading, at: int, manner: Manner, before: Span | None, limit: int) -> Span | None:
    """The first of the readers that finds something; the more that is said beside a number, the earlier it is asked."""
    readers: list[Callable[[], Span | None]] = [lambda: percent(reading, at)]
    if manner.smart:
        readers += [
            lambda: date(reading, at),
            lambda: time(reading, at, before),
            lambda: money(reading, at),
            lambda: code(reading, at),
        ]
    readers += [lambda: string(reading, at, smart=manner.smart), lambda: number(reading, at, manner)]
    for reader in readers:
        found = reader()
        if found is not None and found.last <= limit and fits(reading, found) and not _crosses(reading, found):
            return found
    return None


def _crosses(reading: Reading, found: Span) -> bool:
    """Whether it would join the words of two speakers."""
    first, last = reading.tokens[found.first].word, reading.tokens[found.last - 1].word
    speaker = reading.words[first].speaker
    return any(word.speaker != speaker for word in reading.words[first : last + 1])


def open_at(reading: Reading, found: tuple[Span, ...], *, complete: bool, guesses: int = 0) -> int:
    """The first word of what may still go on at the end; how many words there are when nothing does.

    `complete` says that what can be whole is taken for whole (a price, a phone number); redaction does not, because
    the first ten digits of a card look like a phone number. An engine ends each segment with a full stop, so that a
    stop at the end says nothing. So many tokens at the end may be `guesses`: what may go on before them counts too.
    """
    size = reading.size
    at = unfinished(reading)
    last = found[-1] if found else None
    if complete and last is not None and last.last == size and last.kind in _COMPLETE:
        return len(reading.words)
    if at == size:
        at = min(_number_open_at(reading, max(0, size - guess), guesses=guesses > 0) for guess in range(guesses + 1))
    for one in found:
        if one.first < at < one.last or (one.first < at and one.last == size):
            at = one.first
    return reading.tokens[at].word if at < size else len(reading.words)


def _number_open_at(reading: Reading, end: int, *, guesses: bool) -> int:
    """Where the number begins that may go on after the token before `end`; the number of tokens when none may.

    With `guesses`, `oh` or `double` alone counts as a beginning: the next word may have been a digit.
    """
    covered = _covered(reading)
    at = end
    while at > 0 and (at == end or not reading.stopped(at)) and _goes_on(reading, at - 1, covered):
        at -= 1
    # What only links is nothing by itself: `and`, `of the`.
    while at < end and at not in covered and _only_links(reading, at, guesses=guesses):
        at += 1
    return at if at < end else reading.size


def _only_links(reading: Reading, at: int, *, guesses: bool) -> bool:
    return reading.text(at) in _LINKS or (reading.kind(at) in _STARTS and not guesses)


def _covered(reading: Reading) -> set[int]:
    """The tokens that are part of a number."""
    return {
        k for amount in reading.amounts.values() if plausible(reading, amount) for k in range(amount.first, amount.last)
    }


def _goes_on(reading: Reading, at: int, covered: set[int]) -> bool:
    text = reading.text(at)
    if at in covered or _month(reading, at) or text in _LINKS or reading.kind(at) in _STARTS:
        return True
    if any(sign.isdigit() for sign in text):
        return True
    beside = at - 1 in covered or at + 1 in covered
    if len(text) == 1 and text.isalpha():
        return beside
    return text == "plus" or (text in {"dollars", "dollar", "euros"} and reading.text(at + 1) == "and" and beside)


def _month(reading: Reading, at: int) -> bool:
    text = reading.text(at)
    if text not in MONTHS:
        return False
    return text not in AMBIGUOUS_MONTHS or (reading.tokens[at].capital and at > 0 and not reading.stopped(at))
