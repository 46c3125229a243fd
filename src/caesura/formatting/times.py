"""Finds spoken clock times and writes them: `8:37 PM`, `5 PM`, and after `at` or `by` also `3:30`.

`half past three`, `noon` and `fourteen hundred` stay as spoken.
"""

from __future__ import annotations

import re

from caesura.formatting.context import street
from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.rendering import Entity, EntityKind, EntityWord
from caesura.formatting.spoken_tokens import word_set

_CUES = word_set("at by until till around before after from since between")
_JOINTS = frozenset({"to", "and", "or", "through"})
_CLOCK = re.compile(r"(?:0?[1-9]|1[0-2]):[0-5]\d")
_MERIDIEMS = {"am": "AM", "a.m": "AM", "pm": "PM", "p.m": "PM"}


def time(parsed: ParsedWords, at: int, before: Entity | None) -> Entity | None:
    """Clock time that begins at `at`; `before` is the entity before it, as in `from 2:30 to 3:15`."""
    read = _clock(parsed, at)
    if read is None:
        return None
    clock, end = read
    half, last = _meridiem(parsed, end)
    if half:
        return Entity(EntityKind.TIME, (EntityWord(at, end, clock), EntityWord(end, last, half)))
    if parsed.text(at) == clock:
        return None
    if ":" not in clock:
        on_the_hour = parsed.text(end) == "o'clock" and not parsed.separated(end)
        return (
            Entity(EntityKind.TIME, (EntityWord(at, end, clock), EntityWord(end, end + 1, "o'clock")))
            if on_the_hour
            else None
        )
    if parsed.continuation(end) is not None or street(parsed, end) or not _is_expected(parsed, at, before):
        return None
    if parsed.text(end) in {"dollars", "percent", "cents", "hundred", "thousand", "million"}:
        return None
    return Entity(EntityKind.HOUR, (EntityWord(at, end, clock),))


def _clock(parsed: ParsedWords, at: int) -> tuple[str, int] | None:
    """Hours and minutes from `at` on, and the token after them."""
    if _CLOCK.fullmatch(parsed.text(at)):
        return parsed.text(at), at + 1
    hour = parsed.amounts.get(at)
    if hour is None or hour.ordinal or not 1 <= hour.value <= 12:
        return None
    previous = parsed.ending_at(at)
    if previous is not None and not parsed.separated(at):
        return None
    minute = None if parsed.separated(hour.last) else parsed.amounts.get(hour.last)
    if minute is None:
        return str(hour.value), hour.last
    if _is_minute(minute):
        return f"{hour.value}:{minute.digits}", minute.last
    unit = None if parsed.separated(minute.last) else parsed.amounts.get(minute.last)
    if minute.digits == "0" and unit is not None and unit.shape is Shape.DIGITS and len(unit.digits) == 1:
        return f"{hour.value}:0{unit.digits}", unit.last
    return None


def _is_minute(amount: Amount) -> bool:
    spoken = amount.shape is Shape.PAIR or (amount.shape is Shape.PRINTED and len(amount.digits) == 2)
    return spoken and not amount.ordinal and 10 <= amount.value <= 59


def _meridiem(parsed: ParsedWords, at: int) -> tuple[str, int]:
    """AM or PM at `at`, and the token after it."""
    word = parsed.text(at)
    if parsed.separated(at) or not word:
        return "", at
    if word in _MERIDIEMS:
        return _MERIDIEMS[word], at + 1
    if word in {"a", "p"} and parsed.text(at + 1) == "m" and not parsed.separated(at + 1):
        return f"{word.upper()}M", at + 2
    return "", at


def _is_expected(parsed: ParsedWords, at: int, before: Entity | None) -> bool:
    if parsed.text(at - 1) in _CUES and not parsed.break_before(at):
        return True
    joined = before is not None and before.kind in (EntityKind.TIME, EntityKind.HOUR) and before.last == at - 1
    return joined and parsed.text(at - 1) in _JOINTS
