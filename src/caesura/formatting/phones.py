"""Finds strings of digits and writes them: phone numbers `(555) 867-5309`, social security and account numbers.

phonenumberslite (Google's libphonenumber, its tables updated with it) says whether digits can be a number and how it is
written; it reads digits only, so spoken ones are joined here. The words before a string of digits classify it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import phonenumbers

from caesura.formatting.context import IDS, PLACES, SOCIAL, identifier, street
from caesura.formatting.parsed_words import Amount, ParsedWords, Shape
from caesura.formatting.rendering import Entity, EntityKind, EntityWord, entity
from caesura.formatting.spoken_tokens import word_set

_NANP = re.compile(r"1?[2-9]\d{2}[2-9]\d{6}")
_CHUNKS = frozenset({(3, 3, 4), (1, 3, 3, 4), (3, 7), (10,), (1, 10)})
_MOST = 64
"""Most numbers in a row that are considered together."""
_UNITS = word_set("percent per dollars dollar euros euro yen rupees pounds cents cent pence am pm a.m p.m o'clock")
_DASHES = frozenset({"dash", "hyphen"})


@dataclass(frozen=True, slots=True)
class _DigitString:
    """Consecutive amounts whose digits form one string."""

    first: int
    last: int
    digits: str
    parts: tuple[Amount, ...]
    broken: bool
    """Whether there is punctuation inside."""

    @property
    def spelled(self) -> bool:
        return all(part.shape is Shape.DIGITS for part in self.parts)

    def until(self, count: int) -> _DigitString:
        """The digit string of the first `count` parts."""
        parts = self.parts[:count]
        return _DigitString(self.first, parts[-1].last, "".join(part.digits for part in parts), parts, self.broken)


def string(parsed: ParsedWords, at: int, *, smart: bool) -> Entity | None:
    """String of digits that begins at `at`: with `smart` in its usual written form, otherwise as bare digits."""
    if parsed.text(at) == "plus":
        return _abroad(parsed, at) if smart else None
    whole = _gather(parsed, at)
    if whole is None or _measured(parsed, whole.last):
        return None
    context = identifier(parsed, at)
    return _named(parsed, whole, context, smart=smart) or _counted(parsed, whole, context, smart=smart)


def _gather(parsed: ParsedWords, at: int) -> _DigitString | None:
    parts: list[Amount] = []
    broken = False
    while len(parts) < _MOST and (amount := parsed.amounts.get(at)) is not None and _stringy(parsed, amount):
        if parts and parsed.separated(at):
            if parsed.break_before(at) and not parsed.tokens[at - 1].comma and not _goes_on(parsed, at):
                break
            broken = True
        parts.append(amount)
        at = amount.last
    if not parts:
        return None
    return _DigitString(parts[0].first, at, "".join(part.digits for part in parts), tuple(parts), broken)


def _measured(parsed: ParsedWords, at: int) -> bool:
    """Whether there is a unit at `at`, so that the number before it has a value."""
    spelled = parsed.text(at) in {"a", "p"} and parsed.text(at + 1) == "m"
    return (spelled or parsed.text(at) in _UNITS) and not parsed.separated(at)


def _stringy(parsed: ParsedWords, amount: Amount) -> bool:
    if amount.ordinal or amount.shape is Shape.DECIMAL or amount.bare:
        return False
    if amount.shape is Shape.LARGE:
        return amount.last - amount.first == 2 and len(amount.digits) == 3
    return "," not in parsed.text(amount.first)


def _goes_on(parsed: ParsedWords, at: int) -> bool:
    """Whether a full stop is only the one with which the engine ends each segment, not the end of a sentence."""
    before, after = parsed.words[parsed.tokens[at - 1].word], parsed.words[parsed.tokens[at].word]
    return before.speaker == after.speaker and before.text.endswith(".") and not before.text.endswith("..")


def _named(parsed: ParsedWords, whole: _DigitString, context: frozenset[str] | None, *, smart: bool) -> Entity | None:
    """String that is identified by the words before it, or by its own form."""
    length = len(whole.digits)
    if context is SOCIAL and length == 9:
        return _as(whole, f"{whole.digits[:3]}-{whole.digits[3:5]}-{whole.digits[5:]}" if smart else whole.digits)
    if context is not IDS and _can_be_phone(whole, context):
        return (_phone(parsed, whole) if smart else None) or _as(whole, whole.digits)
    if context is IDS and smart and parsed.text(whole.last) in _DASHES:
        return _dashed(parsed, whole)
    many = len(whole.parts) >= 2
    if many and (13 <= length <= 19 or (context in (IDS, SOCIAL) and length >= 4)) and not _listed(whole, context):
        return _as(whole, whole.digits)
    return None


def _dashed(parsed: ParsedWords, whole: _DigitString) -> Entity | None:
    """String with spoken dashes: `one two three dash four five six`."""
    text, last = whole.digits, whole.last
    while parsed.text(last) in _DASHES and not parsed.separated(last) and not parsed.separated(last + 1):
        following = _gather(parsed, last + 1)
        if following is None:
            break
        text, last = f"{text}-{following.digits}", following.last
    return entity(EntityKind.DIGITS, whole.first, last, text) if last > whole.last else None


def _listed(whole: _DigitString, context: frozenset[str] | None) -> bool:
    """Whether numbers separated by commas are a list and not one string."""
    return whole.broken and context is None and not whole.spelled


def _can_be_phone(whole: _DigitString, context: frozenset[str] | None) -> bool:
    called = context is not None and context is not SOCIAL
    if len(whole.digits) == 7:
        return called and len(whole.parts) > 1 and (whole.spelled or _lengths(whole) == (3, 4))
    if len(whole.digits) not in (10, 11) or not _NANP.fullmatch(whole.digits):
        return False
    if len(whole.digits) == 11 and whole.digits[0] != "1":
        return False
    rest = all(part.shape is Shape.DIGITS for part in whole.parts[1:])
    return called or whole.spelled or rest or _lengths(whole) in _CHUNKS


def _lengths(whole: _DigitString) -> tuple[int, ...]:
    return tuple(len(part.digits) for part in whole.parts)


def _phone(parsed: ParsedWords, whole: _DigitString) -> Entity | None:
    number = phonenumbers.parse(whole.digits, "US")
    if not phonenumbers.is_possible_number(number):
        return None
    form = phonenumbers.PhoneNumberFormat
    text = str(phonenumbers.format_number(number, form.NATIONAL))
    if len(whole.digits) == 7:
        # It may be the first digits of ten.
        return _as(whole, text)
    if len(whole.digits) == 11:
        return _as(whole, "1-" + re.sub(r"\D+", "-", text).strip("-"), EntityKind.PHONE)
    return _parted(parsed, whole, whole.first, text) or _as(
        whole, re.sub(r"\D+", "-", text).strip("-"), EntityKind.PHONE
    )


def _abroad(parsed: ParsedWords, at: int) -> Entity | None:
    """Phone number with its country code: `plus four four ...`."""
    whole = None if parsed.separated(at + 1) else _gather(parsed, at + 1)
    if whole is None or len(whole.digits) < 8:
        return None
    try:
        number = phonenumbers.parse("+" + whole.digits, None)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    text = str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL))
    return _parted(parsed, whole, at, text) or entity(EntityKind.PHONE, at, whole.last, "+" + whole.digits)


def _parted(parsed: ParsedWords, whole: _DigitString, first: int, text: str) -> Entity | None:
    """Phone number split into words at its blanks; None if a part would begin inside a spoken word."""
    parts, pieces = list(whole.parts), list[EntityWord]()
    for written in text.split():
        length = sum(character.isdigit() for character in written)
        taken = 0
        while parts and taken < length:
            taken += len(parts[0].digits)
            last = parts.pop(0).last
        if taken != length or not parsed.tokens[last - 1].ends:
            return None
        pieces.append(EntityWord(first, last, written))
        first = last
    return Entity(EntityKind.PHONE, tuple(pieces))


def _counted(parsed: ParsedWords, whole: _DigitString, context: frozenset[str] | None, *, smart: bool) -> Entity | None:
    """String of digits that nothing identifies, judged by its length."""
    before = parsed.text(whole.first - 1)
    if len(whole.parts) in (2, 3) and not whole.broken and (before in PLACES or street(parsed, whole.last)):
        return _as(whole, whole.digits)
    spelled = 0
    for part in whole.parts:
        if part.shape is not Shape.DIGITS or (spelled and parsed.separated(part.first)):
            break
        spelled += 1
    if (
        spelled < len(whole.parts)
        and whole.parts[spelled].shape is not Shape.DIGITS
        and not parsed.separated(whole.parts[spelled].first)
    ):
        return None
    short = whole.until(spelled) if spelled else whole
    least = 3 if smart and context not in (IDS, SOCIAL) else 2
    return _as(short, short.digits) if spelled and len(short.digits) >= least and spelled > 1 else None


def _as(whole: _DigitString, text: str, kind: EntityKind = EntityKind.DIGITS) -> Entity:
    return entity(kind, whole.first, whole.last, text)
