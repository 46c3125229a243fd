"""Finds all entities whose written form differs from the spoken one, and whether one is incomplete at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from caesura.formatting.addresses import addresses, incomplete_address_at
from caesura.formatting.codes import code
from caesura.formatting.currency import money, percent
from caesura.formatting.dates import date
from caesura.formatting.numbers import NumberStyle, number, plausible
from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.phones import string
from caesura.formatting.rendering import Entity, EntityKind, is_aligned
from caesura.formatting.spoken_tokens import AMBIGUOUS_MONTHS, MONTHS, TokenKind
from caesura.formatting.times import time

_COMPLETE = frozenset(
    {EntityKind.PERCENT, EntityKind.TIME, EntityKind.MONEY, EntityKind.DATE, EntityKind.ADDRESS, EntityKind.PHONE}
)
"""Kinds that count as complete at the end of a segment: they may continue, but seldom do."""
_STARTS = frozenset({TokenKind.ZERO, TokenKind.REPEAT})
"""Kinds of tokens that may begin a number before its first digit."""
_LINKS = frozenset({"point", "and", "dash", "hyphen", "of", "the"})


def find_entities(parsed: ParsedWords, number_style: NumberStyle) -> tuple[Entity, ...]:
    """Find all entities, in order, without overlap. Those that the style leaves as spoken have `wanted` False."""
    found: list[Entity] = []
    known = {one.first: one for one in addresses(parsed)} if number_style.smart else {}
    at = 0
    while at < parsed.size:
        here = known.get(at)
        if here is None and _may_begin(parsed, at):
            limit = min((first for first in known if first > at), default=parsed.size)
            here = _first(parsed, at, number_style, found[-1] if found else None, limit)
        if here is None:
            at += 1
            continue
        wanted = here.wanted and (number_style.smart or number_style.numerals)
        found.append(here if wanted else replace(here, wanted=False))
        at = here.last
    return tuple(found)


def _may_begin(parsed: ParsedWords, at: int) -> bool:
    text = parsed.text(at)
    return (
        at in parsed.amounts
        or text in MONTHS
        or text in {"a", "an", "plus"}
        or len(text) == 1
        or (text[:1] in "$€£¥₹" or ":" in text)
    )


def _first(parsed: ParsedWords, at: int, number_style: NumberStyle, before: Entity | None, limit: int) -> Entity | None:
    """First entity that a finder recognises at `at`; finders that need more words around a number come first."""
    finders: list[Callable[[], Entity | None]] = [lambda: percent(parsed, at)]
    if number_style.smart:
        finders += [
            lambda: date(parsed, at),
            lambda: time(parsed, at, before),
            lambda: money(parsed, at),
            lambda: code(parsed, at),
        ]
    finders += [lambda: string(parsed, at, smart=number_style.smart), lambda: number(parsed, at, number_style)]
    for finder in finders:
        found = finder()
        if found is not None and found.last <= limit and is_aligned(parsed, found) and not _crosses(parsed, found):
            return found
    return None


def _crosses(parsed: ParsedWords, found: Entity) -> bool:
    """Whether an entity would join the words of two speakers."""
    first, last = parsed.tokens[found.first].word, parsed.tokens[found.last - 1].word
    speaker = parsed.words[first].speaker
    return any(word.speaker != speaker for word in parsed.words[first : last + 1])


def incomplete_entity_at(parsed: ParsedWords, found: tuple[Entity, ...], *, complete: bool, guesses: int = 0) -> int:
    """Index of the first word of an entity that may go on after the end; the number of words when none may.

    With `complete`, an entity that can be complete counts as complete (a price, a phone number); redaction does not use
    it, because the first ten digits of a card look like a phone number. Engines end each segment with a full stop, so a
    full stop at the end is ignored. The last `guesses` tokens may be misrecognised, so an entity that may continue
    before them counts too.
    """
    size = parsed.size
    at = incomplete_address_at(parsed)
    last = found[-1] if found else None
    if complete and last is not None and last.last == size and last.kind in _COMPLETE:
        return len(parsed.words)
    if at == size:
        at = min(_number_open_at(parsed, max(0, size - guess), guesses=guesses > 0) for guess in range(guesses + 1))
    for one in found:
        if one.first < at < one.last or (one.first < at and one.last == size):
            at = one.first
    return parsed.tokens[at].word if at < size else len(parsed.words)


def _number_open_at(parsed: ParsedWords, end: int, *, guesses: bool) -> int:
    """First token of a number that may go on after the token before `end`; the number of tokens when none may.

    With `guesses`, `oh` or `double` alone counts as a beginning: the next word may have been a digit.
    """
    covered = _covered(parsed)
    at = end
    while at > 0 and (at == end or not parsed.break_before(at)) and _continues(parsed, at - 1, covered):
        at -= 1
    # Linking words (`and`, `of the`) are no beginning of a number.
    while at < end and at not in covered and _only_links(parsed, at, guesses=guesses):
        at += 1
    return at if at < end else parsed.size


def _only_links(parsed: ParsedWords, at: int, *, guesses: bool) -> bool:
    return parsed.text(at) in _LINKS or (parsed.kind(at) in _STARTS and not guesses)


def _covered(parsed: ParsedWords) -> set[int]:
    """Tokens that are part of a number."""
    return {
        k for amount in parsed.amounts.values() if plausible(parsed, amount) for k in range(amount.first, amount.last)
    }


def _continues(parsed: ParsedWords, at: int, covered: set[int]) -> bool:
    text = parsed.text(at)
    if at in covered or _month(parsed, at) or text in _LINKS or parsed.kind(at) in _STARTS:
        return True
    if any(sign.isdigit() for sign in text):
        return True
    beside = at - 1 in covered or at + 1 in covered
    if len(text) == 1 and text.isalpha():
        return beside
    return text == "plus" or (text in {"dollars", "dollar", "euros"} and parsed.text(at + 1) == "and" and beside)


def _month(parsed: ParsedWords, at: int) -> bool:
    text = parsed.text(at)
    if text not in MONTHS:
        return False
    return text not in AMBIGUOUS_MONTHS or (parsed.tokens[at].capital and at > 0 and not parsed.break_before(at))
