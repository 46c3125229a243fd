"""Written words in; the figures that they say, gathered into runs of what belongs together, out.

A figure is written (`4111`, `123-45-6789`, `$25`, `٤٢`) or was left as it was spoken (`forty-one`, `double seven`,
`oh`). Spoken ones are English. Digits of every script count, and are handed out as `0`..`9`.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from caesura.words import Word, raw

MOST_JOINERS = 3
"""Words in a row between two figures, beyond which they do not belong together."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The figure that the words `first`..`last` (exclusive) say; one word nearly always."""

    first: int
    last: int
    digits: str


@dataclass(frozen=True, slots=True)
class Run:
    """Figures that were said one after the other; never empty."""

    pieces: tuple[Piece, ...]

    @property
    def first(self) -> int:
        """Index of the first word."""
        return self.pieces[0].first

    @property
    def last(self) -> int:
        """Index after the last word."""
        return self.pieces[-1].last

    @property
    def digits(self) -> str:
        """All digits in their order."""
        return "".join(piece.digits for piece in self.pieces)


def runs(words: Sequence[Word], *, loosely: bool = False) -> tuple[Run, ...]:
    """The runs of figures in `words`, in their order; punctuation does not end one.

    Args:
        words: As written.
        loosely: How somebody dictates: up to `MOST_JOINERS` of `okay`, `and`, `then` and the like may stand between
            two figures, and what sounds like a digit there (`to`, `for`, `ate`) is one. Otherwise hesitations and
            spoken separators (`dash`, `point`) are all that may.
    """
    return _gathered(words, _read(tuple(word.text for word in words)), loosely=loosely)


def both_runs(words: Sequence[Word]) -> tuple[tuple[Run, ...], tuple[Run, ...]]:
    """The runs of figures in `words`, loosely and not."""
    said = _read(tuple(word.text for word in words))
    return _gathered(words, said, loosely=True), _gathered(words, said, loosely=False)


def _gathered(words: Sequence[Word], said: list[tuple[Piece, _Role]], *, loosely: bool) -> tuple[Run, ...]:
    found: list[list[Piece]] = []
    joiners: list[Piece] = []
    near = False  # whether a figure may still be added to the last run
    for piece, role in said:
        if role is _Role.FIGURE:
            alike = [joiner for joiner in joiners if joiner.digits]
            if not near or len(joiners) > MOST_JOINERS or (alike and not _are_plain(words, found[-1][-1], piece)):
                found.append([])
            else:
                found[-1].extend(alike)
            found[-1].append(piece)
            joiners, near = [], True
        elif role is _Role.SEPARATOR or (loosely and role is _Role.JOINER):
            joiners.append(piece)
        else:
            near = False
    return tuple(Run(tuple(pieces)) for pieces in found)


def digits_of(text: str) -> str:
    """The digits written in `text`, as `0`..`9`, whatever stands between them."""
    if text.isascii():
        return "".join(char for char in text if char.isdigit())
    values = (unicodedata.digit(char, None) for char in unicodedata.normalize("NFKC", text))
    return "".join(str(value) for value in values if value is not None)


class _Role(enum.Enum):
    FIGURE = enum.auto()
    SEPARATOR = enum.auto()
    """Stands between the figures of one number, however they are read."""
    JOINER = enum.auto()
    """Stands between them when somebody dictates."""
    OTHER = enum.auto()


def _read(texts: tuple[str, ...]) -> list[tuple[Piece, _Role]]:
    """The words one by one, or by two where two say one figure (`double seven`, `forty one`)."""
    said: list[tuple[Piece, _Role]] = []
    at = 0
    spokens = [raw(text) for text in texts]
    while at < len(texts):
        spoken = spokens[at]
        after = spokens[at + 1] if at + 1 < len(texts) and not _pauses(texts[at]) else ""
        length, digits = _figure(texts[at], spoken, after, follows=_follows(said, texts, at))
        role = _Role.FIGURE
        if spoken in _SCALES and not _follows(said, texts, at):
            digits = "1" + digits
        if not digits:
            digits = _SOUNDS_LIKE.get(spoken, "")
            counts_on = spoken == "and" and at > 0 and raw(texts[at - 1]) in _SCALES
            role = _Role.SEPARATOR if counts_on else _role(spoken)
        said.append((Piece(at, at + length, digits), role))
        at += length
    return said


def _figure(text: str, spoken: str, after: str, *, follows: bool) -> tuple[int, str]:
    """How many words say a figure here, and its digits; none where there is no figure."""
    if text[:1] == "[" and _TAG.match(text):
        return 1, ""
    if spoken in _TIMES:
        next_digits = digits_of(after) or _named(after)
        single = next_digits if len(next_digits) == 1 else _NOUGHTS.get(after, "")
        return (2, single * _TIMES[spoken]) if single else (1, "")
    if spoken in _NOUGHTS:
        next_digits = digits_of(after) or _named(after)
        return (1, _NOUGHTS[spoken]) if follows or len(next_digits) == 1 else (1, "")
    if spoken in _TENS and len(_UNITS.get(after, "")) == 1 and after != "zero":
        return 2, _TENS[spoken][0] + _UNITS[after]
    return 1, digits_of(text) or _named(spoken)


def _follows(said: list[tuple[Piece, _Role]], texts: tuple[str, ...], at: int) -> bool:
    return bool(said) and said[-1][1] is _Role.FIGURE and not _pauses(texts[at - 1])


@lru_cache(maxsize=4096)
def _named(spoken: str) -> str:
    """The digits of a number word, or of several with hyphens (`forty-one`, `one-two-three`); empty for others."""
    parts = [part for part in re.split(r"[-–]", spoken) if part]  # noqa: RUF001  # a dash, as it is written
    if not parts or any(part not in _UNITS and part not in _TENS and part not in _NOUGHTS for part in parts):
        return ""
    if all(part in _NOUGHTS for part in parts):
        return ""
    digits = ""
    for number, part in enumerate(parts):
        unit = _UNITS.get(part) or _TENS.get(part) or _NOUGHTS[part]
        joins = number > 0 and parts[number - 1] in _TENS and len(unit) == 1 and unit != "0"
        digits = digits[:-1] + unit if joins else digits + unit
    return digits


def _role(spoken: str) -> _Role:
    if not spoken or spoken in _SEPARATORS:
        return _Role.SEPARATOR
    return _Role.JOINER if spoken in _JOINERS or spoken in _SOUNDS_LIKE else _Role.OTHER


def _are_plain(words: Sequence[Word], *pieces: Piece) -> bool:
    """Whether these are bare digits or number words: between those a `to` may be a two, in `10:30 to $25` it is not."""
    spoken = [raw(words[at].text) for piece in pieces for at in range(piece.first, piece.last)]
    return all(word.isdigit() or not digits_of(word) for word in spoken)


def _pauses(text: str) -> bool:
    return text[-1:] in ",;:.?!…"


# A tag's number is none that was said.
_TAG = re.compile(r"\[[A-Z_]+_[0-9]{1,3}\]\W*$")
_UNITS = MappingProxyType(
    {
        "zero": "0", "one": "1", "two": "2", "three": "3", "four": "4", "five": "5", "six": "6", "seven": "7",
        "eight": "8", "nine": "9", "ten": "10", "eleven": "11", "twelve": "12", "thirteen": "13", "fourteen": "14",
        "fifteen": "15", "sixteen": "16", "seventeen": "17", "eighteen": "18", "nineteen": "19", "hundred": "00",
        "thousand": "000", "million": "000000", "billion": "000000000", "trillion": "000000000000",
    }
)  # fmt: skip
_SCALES = frozenset({"hundred", "thousand", "million", "billion", "trillion"})
_TENS = MappingProxyType(
    {
        "twenty": "20", "thirty": "30", "forty": "40", "fourty": "40", "fifty": "50", "sixty": "60",
        "seventy": "70", "eighty": "80", "ninety": "90",
    }
)  # fmt: skip
_TIMES = MappingProxyType({"double": 2, "triple": 3, "treble": 3, "quadruple": 4})
# Nothing, but beside a figure.
_NOUGHTS = MappingProxyType({"oh": "0", "o": "0", "nought": "0", "naught": "0", "nil": "0"})
_SOUNDS_LIKE = MappingProxyType({"to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8", "won": "1", "tree": "3"})
_SEPARATORS = frozenset(
    {"uh", "um", "uhm", "umm", "uhh", "er", "erm", "hmm", "dash", "hyphen", "minus", "point", "dot", "slash", "space"}
)
_JOINERS = frozenset(
    {
        "and", "then", "next", "comma", "period", "so", "okay", "ok", "yes", "yeah", "yep", "yup", "right", "mhm",
        "mm-hmm", "uh-huh", "well", "like", "again", "sorry", "also", "now",
    }
)  # fmt: skip
