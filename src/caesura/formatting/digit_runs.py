"""Finds digit runs: sequences of digits that were written or spoken one after the other.

A group of digits is written (`4111`, `123-45-6789`, `$25`, `٤٢`) or spoken (`forty-one`, `double seven`, `oh`); spoken
ones are English. Digits of every script are recognised, and returned as `0` to `9`.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from caesura.formatting.spoken_tokens import (
    CARDINALS,
    MAGNITUDES,
    REPEATS,
    SpokenToken,
    TokenKind,
    digits_of,
    tokenize,
    word_set,
)
from caesura.words import Word, raw

MOST_JOINERS: Final = 3
"""Most words in a row between two groups of digits of one run."""


@dataclass(frozen=True, slots=True)
class DigitGroup:
    """Digits in the words `first`..`last` (exclusive), which are nearly always one word."""

    first: int
    last: int
    digits: str


@dataclass(frozen=True, slots=True)
class DigitRun:
    """Groups of digits that follow one another; never empty."""

    groups: tuple[DigitGroup, ...]

    @property
    def first(self) -> int:
        """Index of the first word."""
        return self.groups[0].first

    @property
    def last(self) -> int:
        """Index after the last word."""
        return self.groups[-1].last

    @property
    def digits(self) -> str:
        """All digits in their order."""
        return "".join(group.digits for group in self.groups)


def digit_runs(words: Sequence[Word], *, loosely: bool = False) -> tuple[DigitRun, ...]:
    """Find the runs of digits in words, in their order; punctuation does not end one.

    Args:
        words: Words of a message, as written.
        loosely: Expect dictation: up to `MOST_JOINERS` of `okay`, `and`, `then` and the like may stand between two
            groups, and words there that sound like a digit (`to`, `for`, `ate`) are one. Otherwise only hesitations and
            spoken separators (`dash`, `point`) may stand between groups.
    """
    return _joined(words, _classified(words), loosely=loosely)


def both_digit_runs(words: Sequence[Word]) -> tuple[tuple[DigitRun, ...], tuple[DigitRun, ...]]:
    """Find both the loose runs of digits in words, and those with nothing between their groups."""
    classified = _classified(words)
    return _joined(words, classified, loosely=True), _joined(words, classified, loosely=False)


class _Role(enum.Enum):
    DIGITS = enum.auto()
    SEPARATOR = enum.auto()
    """May stand between the groups of one number in every reading."""
    JOINER = enum.auto()
    """May stand between the groups of one number in dictation."""
    OTHER = enum.auto()


def _joined(
    words: Sequence[Word], classified: Sequence[tuple[DigitGroup, _Role]], *, loosely: bool
) -> tuple[DigitRun, ...]:
    found: list[list[DigitGroup]] = []
    joiners: list[DigitGroup] = []
    near = False  # whether a group may still be added to the last run
    for group, role in classified:
        if role is _Role.DIGITS:
            homophones = [joiner for joiner in joiners if joiner.digits]
            if not near or len(joiners) > MOST_JOINERS or (homophones and not _are_plain(words, found[-1][-1], group)):
                found.append([])
            else:
                found[-1].extend(homophones)
            found[-1].append(group)
            joiners, near = [], True
        elif role is _Role.SEPARATOR or (loosely and role is _Role.JOINER):
            joiners.append(group)
        else:
            near = False
    return tuple(DigitRun(tuple(groups)) for groups in found)


def _classified(words: Sequence[Word]) -> list[tuple[DigitGroup, _Role]]:
    """The words one by one, or two together if they are one group (`double seven`, `forty one`), each with its role."""
    tokens = tokenize(words)
    found: list[tuple[DigitGroup, _Role]] = []
    at = 0
    while at < len(tokens):
        first = tokens[at].word
        follows = at > 0 and found[-1][1] is _Role.DIGITS and not _pauses(tokens[at - 1])
        count, digits = _digits(words, tokens, at, follows=follows)
        last = tokens[at + count - 1].word + 1
        at += count
        before = found[-1] if found else None
        if before is not None and before[1] is _Role.DIGITS and before[0].last > first:
            # Parts of one word, `one-two-three`, are one group.
            found[-1] = DigitGroup(before[0].first, last, before[0].digits + digits), _Role.DIGITS
        elif digits:
            found.append((DigitGroup(first, last, digits), _Role.DIGITS))
        else:
            found.append(_between(tokens, at - 1))
    return found


def _digits(words: Sequence[Word], tokens: Sequence[SpokenToken], at: int, *, follows: bool) -> tuple[int, str]:
    """Number of tokens from `at` on that are a group of digits, and the digits; "" if there are none."""
    token = tokens[at]
    after = tokens[at + 1] if at + 1 < len(tokens) and not _pauses(token) else None
    match token.kind:
        case TokenKind.REPEAT:
            single = "0" if after is not None and after.kind is TokenKind.ZERO else _single_digit(words, after)
            return (2, single * REPEATS[token.text]) if single else (1, "")
        case TokenKind.ZERO:
            return 1, "0" if follows or _single_digit(words, after) else ""
        case TokenKind.MAGNITUDE:
            noughts = str(MAGNITUDES[token.text])[1:]
            return 1, noughts if follows else "1" + noughts
        case TokenKind.TENS if after is not None and after.kind is TokenKind.ORDINAL and not token.ends:
            return 2, ""  # `twenty-first`, an ordinal like any other
        case TokenKind.TENS if after is not None and after.kind is TokenKind.DIGIT and after.digits != "0":
            return 2, token.digits[0] + after.digits
        case kind if kind in CARDINALS:
            return 1, token.digits
        case _:
            return 1, _written_digits(words[token.word].text)


def _single_digit(words: Sequence[Word], token: SpokenToken | None) -> str:
    if token is None:
        return ""
    digits = token.digits if token.kind in CARDINALS else _written_digits(words[token.word].text)
    return digits if len(digits) == 1 else ""


def _written_digits(text: str) -> str:
    # The index in a redaction tag was not spoken.
    return "" if text.startswith("[") and _TAG.match(text) else digits_of(text)


def _between(tokens: Sequence[SpokenToken], at: int) -> tuple[DigitGroup, _Role]:
    """A token that is not a digit, with its role, and the digit that it sounds like."""
    token, text = tokens[at], raw(tokens[at].text)
    group = DigitGroup(token.word, token.word + 1, _HOMOPHONES.get(text, ""))
    counts_on = text == "and" and at > 0 and tokens[at - 1].kind is TokenKind.MAGNITUDE
    if not text or counts_on or text in _SEPARATORS:
        return group, _Role.SEPARATOR
    return group, _Role.JOINER if text in _JOINERS or text in _HOMOPHONES else _Role.OTHER


def _are_plain(words: Sequence[Word], *groups: DigitGroup) -> bool:
    """Whether these are bare digits or number words, between which `to` may be a two; in `10:30 to $25` it is not."""
    texts = [raw(words[at].text) for group in groups for at in range(group.first, group.last)]
    return all(text.isdigit() or not digits_of(text) for text in texts)


def _pauses(token: SpokenToken) -> bool:
    return token.comma or token.stop


_TAG = re.compile(r"\[[A-Z_]+_[0-9]{1,3}\]\W*$")
_HOMOPHONES = MappingProxyType({"to": "2", "too": "2", "for": "4", "fore": "4", "ate": "8", "won": "1", "tree": "3"})
_SEPARATORS = word_set("er erm hmm dash hyphen minus point dot slash space")
_JOINERS = word_set(
    "and then next comma period so okay ok yes yeah yep yup right mhm mm-hmm uh-huh well like again sorry also now"
)
