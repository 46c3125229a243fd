"""Printed English words in (`$5`, `10:30`, `ill-disposed`), the ways in which they may be said out."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from types import MappingProxyType

from num2words import num2words

Reading = tuple[str, ...]
"""Spoken words: lower-case a to z and apostrophes, at least one letter each."""

Part = tuple[Reading, ...]
"""One stretch of a printed word with all the ways to say it, likelier ones first; never empty."""

MOST_DIGITS = 15
"""A longer run of digits is said digit by digit."""

_LONGEST_TEXT = 64

_SYMBOLS = MappingProxyType(
    {
        "%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "#": "number", "°": "degrees",
        "$": "dollars", "£": "pounds", "€": "euros", "¥": "yen", "¢": "cents", "\u00d7": "times", "÷": "over",
    }
)  # fmt: skip
_PIECE = re.compile(
    r"(?P<clock>\d{1,2}:\d{2})(?!\d)"
    r"|(?P<money>[$£€¥]\d[\d,]*(?:\.\d+)?)"
    r"|(?P<ordinal>\d[\d,]*(?:st|nd|rd|th))(?![a-z])"
    r"|(?P<decade>\d+'?s)(?![a-z])"
    r"|(?P<decimal>\d[\d,]*\.\d+)"
    r"|(?P<integer>\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
    r"|(?P<initials>[a-z](?:\.[a-z])+)(?![a-z])"
    r"|(?P<letters>'?[a-z]+(?:'[a-z]+)*)"
    "|(?P<symbol>[%&+=@#°$£€¥¢\u00d7÷])",
    re.ASCII,
)
_ACRONYM = re.compile("[A-Z]{2,6}")
_TITLES = MappingProxyType(
    {"mr": "mister", "mrs": "missus", "dr": "doctor", "st": "saint", "vs": "versus", "no": "no", "etc": "etcetera"}
)


def spoken_parts(printed: str) -> tuple[Part, ...]:
    """What one printed word sounds like: its parts in order, each said in one of its ways.

    `A1` has two parts with one way each, `1961` one part with several. Empty where nothing in it can be
    said (`--`, another script). Takes any text at all and raises nothing; what stands behind the first 64
    characters is not looked at.
    """
    letters = printed.strip(".,;:!?\"'()[]")
    if _ACRONYM.fullmatch(letters):
        # `NASA` is a word and `BBC` is not; which of the two was said is heard, not seen.
        return (((letters.lower(),), tuple(letters.lower())),)
    matches = _PIECE.finditer(_folded(printed[:_LONGEST_TEXT]))
    return tuple(
        tuple(dict.fromkeys(_SAY[kind](match[0]))) for match in matches if (kind := match.lastgroup) is not None
    )


def _folded(printed: str) -> str:
    apostrophes = printed.replace("\u2019", "'").replace("\u2018", "'").replace("`", "'")
    decomposed = unicodedata.normalize("NFKD", apostrophes.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _say_letters(text: str) -> list[Reading]:
    if text.endswith("in'"):
        text = text[:-1] + "g"
    if text in _TITLES:
        return [(_TITLES[text],), (text,)]
    if len(text) <= 5 and not re.search("[aeiouy]", text):
        return [(text,), tuple(text.replace("'", ""))] if len(text) > 1 else [(text,)]
    return [(text,)]


def _say_integer(text: str) -> list[Reading]:
    digits = text.replace(",", "")
    if len(digits) > MOST_DIGITS:
        return [_one_by_one(digits)]
    ways = [_cardinal(digits)]
    if len(digits) == 4 and "," not in text and digits[0] != "0":
        ways.insert(0, _pairs(digits))
    if len(digits) == 3 and digits[0] != "0":
        ways.append(_words(int(digits[0])) + _two_digits(digits[1:]))
    if len(digits) > 1:
        # A digit by digit reading of a zero is as often "oh".
        ways += [_one_by_one(digits), _one_by_one(digits, zero="oh")]
    if digits[0] == "0" and len(digits) > 1:
        ways.append(ways.pop(0))
    return ways + [tuple(word for word in way if word != "and") for way in ways if "and" in way]


def _say_decimal(text: str) -> list[Reading]:
    whole, _, fraction = text.partition(".")
    return [
        (*way, "point", *_one_by_one(fraction, zero=zero)) for zero in ("zero", "oh") for way in _say_integer(whole)[:2]
    ]


def _say_ordinal(text: str) -> list[Reading]:
    digits = re.sub("[^0-9]", "", text)
    if len(digits) > MOST_DIGITS:
        return [_one_by_one(digits)]
    whole = _split(num2words(int(digits), to="ordinal"))
    return [whole, tuple(word for word in whole if word != "and")]


def _say_decade(text: str) -> list[Reading]:
    digits = re.sub("[^0-9]", "", text)
    return [(*way[:-1], _plural(way[-1])) for way in _say_integer(digits)[:3]]


def _say_clock(text: str) -> list[Reading]:
    hours, minutes = text.split(":")
    hour = _words(int(hours))
    if minutes == "00":
        return [hour, (*hour, "o'clock"), (*hour, "hundred")]
    return [(*hour, *_two_digits(minutes)), (*hour, *_words(int(minutes)))]


def _say_money(text: str) -> list[Reading]:
    unit, (whole, _, cents) = _SYMBOLS[text[0]], text[1:].partition(".")
    one = unit.removesuffix("s") if whole == "1" else unit
    amounts = _say_integer(whole)
    if not cents:
        return [(*way, one) for way in amounts]
    if len(cents) != 2:
        return [(*way, unit) for way in _say_decimal(text[1:])]
    small = _words(int(cents))
    return [
        (*amounts[0], one, "and", *small, "cents"),
        (*amounts[0], one, *small),
        (*amounts[0], *small),
        (*amounts[0], one, "and", *small),
    ]


def _say_initials(text: str) -> list[Reading]:
    return [tuple(text.replace(".", ""))]


def _say_symbol(text: str) -> list[Reading]:
    return [(_SYMBOLS[text],)]


_SAY: MappingProxyType[str, Callable[[str], list[Reading]]] = MappingProxyType(
    {
        "clock": _say_clock,
        "money": _say_money,
        "ordinal": _say_ordinal,
        "decade": _say_decade,
        "decimal": _say_decimal,
        "integer": _say_integer,
        "initials": _say_initials,
        "letters": _say_letters,
        "symbol": _say_symbol,
    }
)


def _split(text: str) -> Reading:
    return tuple(re.findall("[a-z]+", text))


def _words(number: int) -> Reading:
    return _split(num2words(number))


def _cardinal(digits: str) -> Reading:
    return _words(int(digits))


def _one_by_one(digits: str, zero: str = "zero") -> Reading:
    return tuple(zero if digit == "0" else _words(int(digit))[0] for digit in digits)


def _two_digits(digits: str) -> Reading:
    if digits == "00":
        return ("hundred",)
    return ("oh", *_words(int(digits))) if digits[0] == "0" else _words(int(digits))


def _pairs(digits: str) -> Reading:
    # 1961 as nineteen sixty one, 1900 as nineteen hundred, but 2003 as two thousand three.
    if digits[1:3] == "00":
        return tuple(word for word in _cardinal(digits) if word != "and")
    return _words(int(digits[:2])) + _two_digits(digits[2:])


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")
