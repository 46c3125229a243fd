"""Tokenizer of spoken numbers: splits words into tokens, and classifies each of them.

Inverse text normalization and redaction both start from these tokens and differ only after them: normalization computes
values (`amounts`), where a wrong number is worse than none; redaction joins digits (`digit_runs`), where a missed digit
is worse than one too many.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from caesura.formatting.disfluencies import FILLERS
from caesura.words import Word, raw


class TokenKind(enum.Enum):
    """Role of a token in a number."""

    DIGIT = enum.auto()
    """`zero` to `nine`."""
    TEEN = enum.auto()
    """`ten` to `nineteen`."""
    TENS = enum.auto()
    """`twenty` to `ninety`."""
    MAGNITUDE = enum.auto()
    """`hundred`, `thousand` and so on."""
    ORDINAL = enum.auto()
    ZERO = enum.auto()
    """`oh` and the like: a zero beside other digits, something else anywhere else."""
    REPEAT = enum.auto()
    """`double` and the like: the digit after it counts several times."""
    MONTH = enum.auto()
    PRINTED = enum.auto()
    """Written with digits, alone or among other signs: `5`, `$25`, `10:30`, `1st`."""
    OTHER = enum.auto()


CARDINALS: Final = frozenset({TokenKind.DIGIT, TokenKind.TEEN, TokenKind.TENS})
NUMBER_WORDS: Final = CARDINALS | {TokenKind.MAGNITUDE, TokenKind.ORDINAL}
MONTHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        name.lower(): name
        for name in (
            "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
            "November", "December",
        )
    }
)  # fmt: skip
"""Numbers of the months by their lower-case names."""
AMBIGUOUS_MONTHS: Final = frozenset({"may", "march", "mar"})
"""Names of months that are also other words."""
MAGNITUDES: Final[Mapping[str, int]] = MappingProxyType(
    {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
)
REPEATS: Final[Mapping[str, int]] = MappingProxyType({"double": 2, "triple": 3, "treble": 3, "quadruple": 4})


def word_set(words: str) -> frozenset[str]:
    """The set of words in a line of text."""
    return frozenset(words.split())


_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEENS = ["ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES: Final[Mapping[str, str]] = MappingProxyType(
    {word: str(value) for value, word in enumerate(_DIGITS + _TEENS)}
    | {word: str(value) for value, word in zip(range(20, 100, 10), _TENS, strict=True)}
    | {"fourty": "40"}
)
_ORDINALS = word_set(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth twelth thirteenth fourteenth "
    "fifteenth sixteenth seventeenth eighteenth nineteenth twentieth thirtieth fortieth fiftieth sixtieth "
    "seventieth eightieth ninetieth hundredth thousandth millionth"
)
_MONTH_ABBREVIATIONS = word_set("jan feb mar apr jun jul aug sep sept oct nov dec")
_ZEROS = word_set("oh o nought naught nil")
_LEXICON: Final[Mapping[str, TokenKind]] = MappingProxyType(
    dict.fromkeys(_DIGITS, TokenKind.DIGIT)
    | dict.fromkeys(_TEENS, TokenKind.TEEN)
    | dict.fromkeys([*_TENS, "fourty"], TokenKind.TENS)
    | dict.fromkeys(MAGNITUDES, TokenKind.MAGNITUDE)
    | dict.fromkeys(_ORDINALS, TokenKind.ORDINAL)
    | dict.fromkeys(_ZEROS, TokenKind.ZERO)
    | dict.fromkeys(REPEATS, TokenKind.REPEAT)
    | dict.fromkeys([*MONTHS, *_MONTH_ABBREVIATIONS], TokenKind.MONTH)
)
_IN_COMPOUNDS = NUMBER_WORDS | {TokenKind.ZERO}
_COMPOUND_LINKS = frozenset({"and", "point"})


@dataclass(frozen=True, slots=True)
class SpokenToken:
    """One spoken word without its case and punctuation; a printed `twenty-five` is two tokens."""

    text: str
    kind: TokenKind
    word: int
    """Index of the word that the token belongs to."""
    begins: bool
    """Whether the word begins with this token."""
    ends: bool
    """Whether the word ends with this token."""
    comma: bool
    """Whether a comma follows."""
    dash: bool
    """Whether the word was broken off: `five-`."""
    stop: bool
    """Whether a sentence ends after it, or another speaker begins: no number extends across that."""
    capital: bool

    @property
    def digits(self) -> str:
        """Digits of a cardinal below 100, "" for any other token."""
        return _VALUES.get(self.text, "")


_OPENING = "([{\"'“‘«¿¡\n"  # noqa: RUF001  # typographic on purpose
_CLOSING = ".,;:?!…)]}\"'”’»\n"  # noqa: RUF001  # typographic on purpose
_STOPS = frozenset(".;:?!…")
_DASHES = ("-", "–", "—")  # noqa: RUF001  # typographic on purpose
_ABBREVIATED = frozenset({"a.m", "p.m"})
_HYPHENS = re.compile(r"[-‐‑–]")  # noqa: RUF001  # typographic on purpose


def kind_of(text: str) -> TokenKind:
    """Kind of a token, given in lower case and without surrounding punctuation."""
    known = _LEXICON.get(text)
    if known is not None:
        return known
    return TokenKind.PRINTED if any(char.isdigit() for char in text) else TokenKind.OTHER


def split_punctuation(text: str) -> tuple[str, str, str]:
    """A printed word as the punctuation before it, the word itself, and the punctuation after it."""
    inner = text.lstrip(_OPENING)
    core = inner.rstrip(_CLOSING)
    return text[: len(text) - len(inner)], core, inner[len(core) :]


def tokenize(words: Sequence[Word]) -> tuple[SpokenToken, ...]:
    """Split words into tokens.

    A word with hyphens is split where all its parts belong to numbers. A filled pause is no token: it does not
    separate the digits of a number.
    """
    found: list[SpokenToken] = []
    for index, word in enumerate(words):
        _, core, after = split_punctuation(word.text)
        text = core.lower().replace("’", "'")  # noqa: RUF001
        if raw(text) in FILLERS:
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        stop = (bool(_STOPS.intersection(after)) and text not in _ABBREVIATED) or (
            following is not None and following.speaker != word.speaker
        )
        comma, capital = "," in after, core[:1].isupper()
        dash = core.endswith(_DASHES)
        parts = _parts(text)
        end = len(parts) - 1
        found.extend(
            SpokenToken(
                part,
                kind_of(part),
                index,
                begins=k == 0,
                ends=k == end,
                comma=comma and k == end,
                dash=dash and k == end,
                stop=stop and k == end,
                capital=capital and k == 0,
            )
            for k, part in enumerate(parts)
        )
    return tuple(found)


def _parts(text: str) -> list[str]:
    bare = raw(text)
    if bare != text and bare in _LEXICON:
        return [bare]  # a number word with punctuation that ordinary words may have: `*four*`, `five-`
    parts = [part for part in _HYPHENS.split(bare) if part]
    if len(parts) > 1 and all(_LEXICON.get(part) in _IN_COMPOUNDS or part in _COMPOUND_LINKS for part in parts):
        return parts
    return [text]


def digits_of(text: str) -> str:
    """The digits in `text`, of any script, as `0` to `9`, whatever is between them."""
    if text.isascii():
        return "".join(char for char in text if char.isdigit())
    values = (unicodedata.digit(char, None) for char in unicodedata.normalize("NFKC", text))
    return "".join(str(value) for value in values if value is not None)


def is_month(text: str) -> bool:
    """Whether a printed word is the name of a month; if it is also another word, only when capitalised."""
    bare = raw(text)
    return kind_of(bare) is TokenKind.MONTH and (bare not in AMBIGUOUS_MONTHS or bare != text.lstrip()[: len(bare)])


def is_ordinal(text: str) -> bool:
    """Whether a printed word is an ordinal in letters: `fifth`, `twenty-first`."""
    *tens, last = _parts(raw(text))
    return kind_of(last) is TokenKind.ORDINAL and all(kind_of(part) is TokenKind.TENS for part in tens)
