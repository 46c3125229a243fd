"""Tokens in, strings of digits out: phone numbers `(555) 867-5309`, social security and account numbers.

phonenumberslite (Google's libphonenumber, its tables updated with it) says whether digits can be a number and how it is
written; it reads digits only, so what is spoken is gathered here. What a string of digits is, is told by the words
before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers

from caesura.formatting.context import IDS, PLACES, SOCIAL, identifier, street
from caesura.formatting.parsed_words import Amount, Reading, Shape
from caesura.formatting.spans import Kind, Piece, Span, span
from caesura.formatting.spoken_tokens import word_set

_NANP = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_CHUNKS = frozenset({(3, 3, 4), (1, 3, 3, 4), (3, 7), (10,), (1, 10)})
_MOST = 64
"""More numbers than this in a row are not looked at together."""
_UNITS = word_set("percent per dollars dollar euros euro yen rupees pounds cents cent pence am pm a.m p.m o'clock")
_DASHES = frozenset({"dash", "hyphen"})


@dataclass(frozen=True, slots=True)
class _String:
    """Amounts one after another; `ends` says where each ends in `digits` and among the tokens."""

    first: int
    last: int
    digits: str
    parts: tuple[Amount, ...]
    broken: bool
    """A sign stands somewhere inside."""

    @property
    def spelled(self) -> bool:
        return all(part.shape is Shape.DIGITS for part in self.parts)

    def until(self, count: int) -> _String:
        """The first `count` of its parts."""
        parts = self.parts[:count]
        return _String(self.first, parts[-1].last, "".join(part.digits for part in parts), parts, self.broken)


def string(reading: Reading, at: int, *, smart: bool) -> Span | None:
    """The string of digits that begins there; as one writes it when `smart`, else as bare digits."""
    if reading.text(at) == "plus":
        return _abroad(reading, at) if smart else None
    whole = _gather(reading, at)
    if whole is None or _measured(reading, whole.last):
        return None
    cue = identifier(reading, at)
    return _named(reading, whole, cue, smart=smart) or _counted(reading, whole, cue, smart=smart)


def _gather(reading: Reading, at: int) -> _String | None:
    parts: list[Amount] = []
    broken = False
    while len(parts) < _MOST and (amount := reading.amounts.get(at)) is not None and _stringy(reading, amount):
        if parts and reading.apart(at):
            if reading.stopped(at) and not reading.tokens[at - 1].comma and not _goes_on(reading, at):
                break
            broken = True
        parts.append(amount)
        at = amount.last
    if not parts:
        return None
    return _String(parts[0].first, at, "".join(part.digits for part in parts), tuple(parts), broken)


def _measured(reading: Reading, at: int) -> bool:
    """Whether a unit follows, with which the last number has a value."""
    spelled = reading.text(at) in {"a", "p"} and reading.text(at + 1) == "m"
    return (spelled or reading.text(at) in _UNITS) and not reading.apart(at)


def _stringy(reading: Reading, amount: Amount) -> bool:
    if amount.ordinal or amount.shape is Shape.DECIMAL or amount.bare:
        return False
    if amount.shape is Shape.LARGE:
        return amount.last - amount.first == 2 and len(amount.digits) == 3
    return "," not in reading.text(amount.first)


def _goes_on(reading: Reading, at: int) -> bool:
    """An engine ends each segment with a full stop, also between the digits of one number; a speaker is another."""
    before, after = reading.words[reading.tokens[at - 1].word], reading.words[reading.tokens[at].word]
    return before.speaker == after.speaker and before.text.endswith(".") and not before.text.endswith("..")


def _named(reading: Reading, whole: _String, cue: frozenset[str] | None, *, smart: bool) -> Span | None:
    """A string of which the words before it, or its own form, say what it is."""
    length = len(whole.digits)
    if cue is SOCIAL and length == 9:
        return _as(whole, f"{whole.digits[:3]}-{whole.digits[3:5]}-{whole.digits[5:]}" if smart else whole.digits)
    if cue is not IDS and _can_be_phone(whole, cue):
        return (_phone(reading, whole) if smart else None) or _as(whole, whole.digits)
    if cue is IDS and smart and reading.text(whole.last) in _DASHES:
        return _dashed(reading, whole)
    many = len(whole.parts) >= 2
    if many and (13 <= length <= 19 or (cue in (IDS, SOCIAL) and length >= 4)) and not _listed(whole, cue):
        return _as(whole, whole.digits)
    return None


def _dashed(reading: Reading, whole: _String) -> Span | None:
    """`one two three dash four five six`."""
    text, last = whole.digits, whole.last
    while reading.text(last) in _DASHES and not reading.apart(last) and not reading.apart(last + 1):
        following = _gather(reading, last + 1)
        if following is None:
            break
        text, last = f"{text}-{following.digits}", following.last
    return span(Kind.DIGITS, whole.first, last, text) if last > whole.last else None


def _listed(whole: _String, cue: frozenset[str] | None) -> bool:
    """Numbers in years or in hundreds, parted by commas, are a list."""
    return whole.broken and cue is None and not whole.spelled


def _can_be_phone(whole: _String, cue: frozenset[str] | None) -> bool:
    called = cue is not None and cue is not SOCIAL
    if len(whole.digits) == 7:
        return called and len(whole.parts) > 1 and (whole.spelled or _lengths(whole) == (3, 4))
    if len(whole.digits) not in (10, 11) or not _NANP.fullmatch(whole.digits):
        return False
    if len(whole.digits) == 11 and whole.digits[0] != "1":
        return False
    rest = all(part.shape is Shape.DIGITS for part in whole.parts[1:])
    return called or whole.spelled or rest or _lengths(whole) in _CHUNKS


def _lengths(whole: _String) -> tuple[int, ...]:
    return tuple(len(part.digits) for part in whole.parts)


def _phone(reading: Reading, whole: _String) -> Span | None:
    number = phonenumbers.parse(whole.digits, "US")
    if not phonenumbers.is_possible_number(number):
        return None
    form = phonenumbers.PhoneNumberFormat
    text = str(phonenumbers.format_number(number, form.NATIONAL))
    if len(whole.digits) == 7:
        # It may be the beginning of ten.
        return _as(whole, text)
    if len(whole.digits) == 11:
        return _as(whole, "1-" + re.sub(r"\D+", "-", text).strip("-"), Kind.PHONE)
    return _parted(reading, whole, whole.first, text) or _as(whole, re.sub(r"\D+", "-", text).strip("-"), Kind.PHONE)


def _abroad(reading: Reading, at: int) -> Span | None:
    """`plus four four ...`, a number with its country."""
    whole = None if reading.apart(at + 1) else _gather(reading, at + 1)
    if whole is None or len(whole.digits) < 8:
        return None
    try:
        number = phonenumbers.parse("+" + whole.digits, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    text = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    return _parted(reading, whole, at, text) or span(Kind.PHONE, at, whole.last, "+" + whole.digits)


def _parted(reading: Reading, whole: _String, first: int, text: str) -> Span | None:
    """The number in the words its blanks part it into; None when one would begin inside a spoken word."""
    parts, pieces = list(whole.parts), list[Piece]()
    for written in text.split():
        length = sum(character.isdigit() for character in written)
        taken = 0
        while parts and taken < length:
            taken += len(parts[0].digits)
            last = parts.pop(0).last
        if taken != length or not reading.tokens[last - 1].ends:
            return None
        pieces.append(Piece(first, last, written))
        first = last
    return Span(Kind.PHONE, tuple(pieces))


def _counted(reading: Reading, whole: _String, cue: frozenset[str] | None, *, smart: bool) -> Span | None:
    """A string of which nothing says what it is."""
    before = reading.text(whole.first - 1)
    if len(whole.parts) in (2, 3) and not whole.broken and (before in PLACES or street(reading, whole.last)):
        return _as(whole, whole.digits)
    spelled = 0
    for part in whole.parts:
        if part.shape is not Shape.DIGITS or (spelled and reading.apart(part.first)):
            break
        spelled += 1
    if (
        spelled < len(whole.parts)
        and whole.parts[spelled].shape is not Shape.DIGITS
        and not reading.apart(whole.parts[spelled].first)
    ):
        return None
    short = whole.until(spelled) if spelled else whole
    least = 3 if smart and cue not in (IDS, SOCIAL) else 2
    return _as(short, short.digits) if spelled and len(short.digits) >= least and spelled > 1 else None


def _as(whole: _String, text: str, kind: Kind = Kind.DIGITS) -> Span:
    return span(kind, whole.first, whole.last, text)
