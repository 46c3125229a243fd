"""Where something is written otherwise than it was spoken: places among tokens in, written words with times out."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from caesura.formatting.parsed_words import Reading
from caesura.formatting.spoken_tokens import split_punctuation
from caesura.words import Word


class Kind(enum.Enum):
    """What a span is."""

    NUMBER = enum.auto()
    DIGITS = enum.auto()
    """An account number, a card number: digits without a value."""
    PERCENT = enum.auto()
    MONEY = enum.auto()
    DATE = enum.auto()
    """With its year."""
    DAY = enum.auto()
    """A date without a year, or a year without its day."""
    TIME = enum.auto()
    """With am or pm."""
    HOUR = enum.auto()
    """Without."""
    PHONE = enum.auto()
    ADDRESS = enum.auto()
    """An e-mail or web address."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One written word, for the tokens `first`..`last` (exclusive)."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens that are written as one thing; its pieces follow one another without a gap.

    `wanted` is False when only redaction has to see it so: what is no secret goes back to how it was spoken.
    """

    kind: Kind
    pieces: tuple[Piece, ...]
    wanted: bool = True

    @property
    def first(self) -> int:
        """Its first token."""
        return self.pieces[0].first

    @property
    def last(self) -> int:
        """The token after its last."""
        return self.pieces[-1].last


@dataclass(frozen=True, slots=True)
class Written:
    """A word as it is written, and the words that were spoken for it."""

    word: Word
    spoken: tuple[Word, ...]
    wanted: bool = True


def span(kind: Kind, first: int, last: int, text: str, *, wanted: bool = True) -> Span:
    """A span of one written word."""
    return Span(kind, (Piece(first, last, text),), wanted)


def fits(reading: Reading, found: Span) -> bool:
    """Whether every piece begins and ends where a printed word does."""
    return all(reading.tokens[p.first].begins and reading.tokens[p.last - 1].ends for p in found.pieces)


def written(reading: Reading, spans: Sequence[Span]) -> tuple[Written, ...]:
    """All the words, those in `spans` as written; the signs around a span stay.

    A written word takes the start of its first spoken word, the end of its last, and the lowest of their
    confidences: a number with one digit wrong is a wrong number.
    """
    words, done, at = reading.words, list[Written](), 0
    for found in spans:
        first = reading.tokens[found.first].word
        done.extend(Written(word, (word,)) for word in words[at:first])
        for piece in found.pieces:
            at = reading.tokens[piece.last - 1].word + 1
            spoken = words[reading.tokens[piece.first].word : at]
            done.append(_written(piece, spoken, found, ends=at == len(words)))
    done.extend(Written(word, (word,)) for word in words[at:])
    return tuple(done)


def _written(piece: Piece, spoken: tuple[Word, ...], found: Span, *, ends: bool) -> Written:
    before = split_punctuation(spoken[0].text)[0] if piece is found.pieces[0] else ""
    after = split_punctuation(spoken[-1].text)[2] if piece is found.pieces[-1] else ""
    if piece.text.startswith("("):
        before = before.removesuffix("(")
    if len(spoken) == 1 and piece.text == split_punctuation(spoken[0].text)[1]:
        after = split_punctuation(spoken[0].text)[2]
    if spoken[-1].text.lower().endswith((".m.", ".m.,")) and not ends:
        # The full stop of `p.m.` is none.
        after = after.removeprefix(".")
    word = replace(
        spoken[0],
        text=before + piece.text + after,
        end=max(word.end for word in spoken),
        confidence=min(word.confidence for word in spoken),
    )
    return Written(word, spoken, found.wanted)
