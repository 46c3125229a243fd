"""Words in, the bare tokens that numbers and entities are read from out, with the amounts that were found in them."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from caesura.formatting.spoken_tokens import SpokenToken, TokenKind
from caesura.words import Word


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
    tokens: tuple[SpokenToken, ...]
    amounts: Mapping[int, Amount]
    ends: Mapping[int, Amount]
    """The same amounts by the token after each."""

    def kind(self, at: int) -> TokenKind:
        """Kind of the token at `at`; OTHER outside."""
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else TokenKind.OTHER

    def text(self, at: int) -> str:
        """The token there, "" outside."""
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def apart(self, at: int) -> bool:
        """Whether a sign separates the token there from the one before."""
        before = self.tokens[at - 1] if at > 0 else None
        return before is not None and (before.comma or before.dash or before.stop)

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
