"""Tokens in, clock times out: `8:37 PM`, `5 PM`, and after `at` or `by` also `3:30`.

`half past three`, `noon` and `fourteen hundred` stay as they were spoken.
"""

from __future__ import annotations

import re

from caesura.formatting.context import street
from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spans import Kind, Piece, Span
from caesura.formatting.spoken_tokens import word_set

_CUES = word_set("at by until till around before after from since between")
_JOINTS = frozenset({"to", "and", "or", "through"})
_CLOCK = re.compile(r"(?:0?[1-9]|1[0-2]):[0-5]\d")
_MERIDIEMS = {"am": "AM", "a.m": "AM", "pm": "PM", "p.m": "PM"}


def time(reading: Reading, at: int, before: Span | None) -> Span | None:
    """A clock time that begins there; `before` is the span before it, for `from 2:30 to 3:15`."""
    read = _clock(reading, at)
    if read is None:
        return None
    clock, end = read
    half, last = _meridiem(reading, end)
    if half:
        return Span(Kind.TIME, (Piece(at, end, clock), Piece(end, last, half)))
    if reading.text(at) == clock:
        return None
    if ":" not in clock:
        on_the_hour = reading.text(end) == "o'clock" and not reading.apart(end)
        return Span(Kind.TIME, (Piece(at, end, clock), Piece(end, end + 1, "o'clock"))) if on_the_hour else None
    if reading.next(end) is not None or street(reading, end) or not _awaited(reading, at, before):
        return None
    if reading.text(end) in {"dollars", "percent", "cents", "hundred", "thousand", "million"}:
        return None
    return Span(Kind.HOUR, (Piece(at, end, clock),))


def _clock(reading: Reading, at: int) -> tuple[str, int] | None:
    """Hours and minutes from there, and where they end."""
    if _CLOCK.fullmatch(reading.text(at)):
        return reading.text(at), at + 1
    hour = reading.amounts.get(at)
    if hour is None or hour.ordinal or not 1 <= hour.whole <= 12:
        return None
    previous = reading.previous(at)
    if previous is not None and not reading.apart(at):
        return None
    minute = None if reading.apart(hour.last) else reading.amounts.get(hour.last)
    if minute is None:
        return str(hour.whole), hour.last
    if _is_minute(minute):
        return f"{hour.whole}:{minute.digits}", minute.last
    unit = None if reading.apart(minute.last) else reading.amounts.get(minute.last)
    if minute.digits == "0" and unit is not None and unit.shape is Shape.DIGITS and len(unit.digits) == 1:
        return f"{hour.whole}:0{unit.digits}", unit.last
    return None


def _is_minute(amount: Amount) -> bool:
    said = amount.shape is Shape.PAIR or (amount.shape is Shape.PRINTED and len(amount.digits) == 2)
    return said and not amount.ordinal and 10 <= amount.whole <= 59


def _meridiem(reading: Reading, at: int) -> tuple[str, int]:
    """AM or PM from there, and where it ends."""
    word = reading.text(at)
    if reading.apart(at) or not word:
        return "", at
    if word in _MERIDIEMS:
        return _MERIDIEMS[word], at + 1
    if word in {"a", "p"} and reading.text(at + 1) == "m" and not reading.apart(at + 1):
        return f"{word.upper()}M", at + 2
    return "", at


def _awaited(reading: Reading, at: int, before: Span | None) -> bool:
    if reading.text(at - 1) in _CUES and not reading.stopped(at):
        return True
    joined = before is not None and before.kind in (Kind.TIME, Kind.HOUR) and before.last == at - 1
    return joined and reading.text(at - 1) in _JOINTS
