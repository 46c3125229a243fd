"""Words in, the bare tokens that numbers and entities are read from out, with the amounts that were found in them."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from caesura.words import Word


@dataclass(frozen=True, slots=True)
class Token:
    """One spoken word without its case and signs; a printed `twenty-five` is two."""

    text: str
    word: int
    """Which of the words it belongs to."""
    begins: bool
    ends: bool
    """Whether the word begins, and ends, with this token."""
    comma: bool
    """A comma stands after it."""
    stop: bool
    """A sentence ends after it, or another speaker goes on: nothing is read across."""
    capital: bool


class Shape(enum.Enum):
    """How an amount was said."""

    DIGITS = enum.auto()
    """Digit by digit: `five`, `oh`, `double five`."""
    PAIR = enum.auto()
    """10 to 99."""
    LARGE = enum.auto()
    """With hundred, thousand, million."""
    DECIMAL = enum.auto()
    PRINTED = enum.auto()
    """Already in digits."""


@dataclass(frozen=True, slots=True)
class Amount:
    """One number among the tokens `first`..`last` (exclusive); `digits` has no separators but a decimal point."""

    first: int
    last: int
    digits: str
    shape: Shape
    ordinal: bool = False
    bare: bool = False
    """A `hundred` or `thousand` with nothing before it."""

    @property
    def whole(self) -> int:
        """Its value; -1 for a decimal."""
        return int(self.digits) if self.digits.isdigit() else -1


@dataclass(frozen=True, slots=True)
class Reading:
    """The tokens of a segment, and the amounts that begin at each of them."""

    words: tuple[Word, ...]
    tokens: tuple[Token, ...]
    amounts: Mapping[int, Amount]
    ends: Mapping[int, Amount]
    """The same amounts by the token after each."""

    def text(self, at: int) -> str:
        """The token there, "" outside."""
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def apart(self, at: int) -> bool:
        """Whether a sign separates the token there from the one before."""
        return at > 0 and (self.tokens[at - 1].comma or self.tokens[at - 1].stop)

    def stopped(self, at: int) -> bool:
        """Whether a sentence ends, or another speaker begins, before the token there."""
        return at > 0 and self.tokens[at - 1].stop

    def next(self, at: int) -> Amount | None:
        """The amount that begins there and belongs to what was said just before."""
        return None if self.stopped(at) else self.amounts.get(at)

    def previous(self, at: int) -> Amount | None:
        """The amount that ends before the token there."""
        return self.ends.get(at)

    def before(self, at: int, count: int) -> list[str]:
        """Up to `count` tokens before the one there, nearest first."""
        return [self.tokens[k].text for k in range(at - 1, max(-1, at - 1 - count), -1)]

    @property
    def size(self) -> int:
        """How many tokens there are."""
        return len(self.tokens)


def table(words: str) -> frozenset[str]:
    """The words of a table, which is written as a line of text."""
    return frozenset(words.split())


OPENING = "([{\"'“‘«¿¡\n"  # noqa: RUF001  # typographic on purpose
CLOSING = ".,;:?!…)]}\"'”’»\n"  # noqa: RUF001  # typographic on purpose
_STOPS = frozenset(".;:?!…")
_ABBREVIATED = frozenset({"a.m", "p.m"})
_HYPHENS = re.compile(r"[-‐‑]")  # noqa: RUF001  # typographic on purpose


def signs(text: str) -> tuple[str, str, str]:
    """A printed word as the signs before it, the word itself, and the signs after it."""
    inner = text.lstrip(OPENING)
    core = inner.rstrip(CLOSING)
    return text[: len(text) - len(inner)], core, inner[len(core) :]


def tokens(words: Sequence[Word], splits: frozenset[str], skips: frozenset[str]) -> tuple[Token, ...]:
    """The tokens of `words`; a word with hyphens is taken apart when all its parts are in `splits`.

    What is in `skips` is no token: a hesitation does not part the digits of a number.
    """
    found: list[Token] = []
    for index, word in enumerate(words):
        _, core, after = signs(word.text)
        text = core.lower().replace("’", "'")  # noqa: RUF001
        if text in skips:
            continue
        following = words[index + 1] if index + 1 < len(words) else None
        stop = (bool(_STOPS.intersection(after)) and text not in _ABBREVIATED) or (
            following is not None and following.speaker != word.speaker
        )
        comma = "," in after
        capital = core[:1].isupper()
        parts = _HYPHENS.split(text) if "-" in text or "‑" in text else [text]  # noqa: RUF001
        if len(parts) == 1 or not splits.issuperset(parts):
            found.append(Token(text, index, True, True, comma, stop, capital))
            continue
        end = len(parts) - 1
        found.extend(
            Token(part, index, k == 0, k == end, comma and k == end, stop and k == end, capital and k == 0)
            for k, part in enumerate(parts)
        )
    return tuple(found)
