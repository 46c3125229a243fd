"""Parsed words of a segment: its tokens and the numbers among them, the input of all entity finders."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from caesura.formatting.spoken_tokens import SpokenToken, TokenKind
from caesura.words import Word


class Shape(enum.Enum):
    """Form in which a number was spoken."""

    DIGITS = enum.auto()
    """Digit by digit: `five`, `oh`, `double five`."""
    PAIR = enum.auto()
    """10 to 99."""
    LARGE = enum.auto()
    """With a magnitude: `hundred`, `thousand`, `million`."""
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
    """Whether it is a `hundred` or `thousand` without a number before it."""

    @property
    def value(self) -> int:
        """Value of a whole number; -1 for a decimal."""
        return int(self.digits) if self.digits.isdigit() else -1


@dataclass(frozen=True, slots=True)
class ParsedWords:
    """The tokens of a segment, and the amounts that begin at each of them."""

    words: tuple[Word, ...]
    tokens: tuple[SpokenToken, ...]
    amounts: Mapping[int, Amount]
    ends: Mapping[int, Amount]
    """The amounts by the index of the token after each."""

    def kind(self, at: int) -> TokenKind:
        """Kind of the token at `at`; OTHER if there is none."""
        return self.tokens[at].kind if 0 <= at < len(self.tokens) else TokenKind.OTHER

    def text(self, at: int) -> str:
        """Text of the token at `at`; "" if there is none."""
        return self.tokens[at].text if 0 <= at < len(self.tokens) else ""

    def separated(self, at: int) -> bool:
        """Whether punctuation separates the token at `at` from the one before."""
        before = self.tokens[at - 1] if at > 0 else None
        return before is not None and (before.comma or before.dash or before.stop)

    def break_before(self, at: int) -> bool:
        """Whether a sentence ends, or another speaker begins, before the token at `at`."""
        return at > 0 and self.tokens[at - 1].stop

    def continuation(self, at: int) -> Amount | None:
        """Amount that begins at `at` in the same sentence as the token before."""
        return None if self.break_before(at) else self.amounts.get(at)

    def ending_at(self, at: int) -> Amount | None:
        """Amount that ends before the token at `at`."""
        return self.ends.get(at)

    def preceding(self, at: int, count: int) -> list[str]:
        """Up to `count` tokens before the one at `at`, nearest first."""
        return [self.tokens[k].text for k in range(at - 1, max(-1, at - 1 - count), -1)]

    @property
    def size(self) -> int:
        """Number of tokens."""
        return len(self.tokens)
