"""Entities found among tokens (numbers, dates, addresses ...), and their rendering as written words with times."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, replace

from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.spoken_tokens import split_punctuation
from caesura.words import Word


class EntityKind(enum.Enum):
    """What an entity is."""

    NUMBER = enum.auto()
    DIGITS = enum.auto()
    """Digits without a numeric value, such as an account or card number."""
    PERCENT = enum.auto()
    MONEY = enum.auto()
    DATE = enum.auto()
    """A date with its year."""
    DAY = enum.auto()
    """A date without a year, or a year without its day."""
    TIME = enum.auto()
    """A clock time with am or pm."""
    HOUR = enum.auto()
    """A clock time without am or pm."""
    PHONE = enum.auto()
    ADDRESS = enum.auto()
    """An e-mail or web address."""


@dataclass(frozen=True, slots=True)
class EntityWord:
    """One written word, for the tokens `first`..`last` (exclusive)."""

    first: int
    last: int
    text: str


@dataclass(frozen=True, slots=True)
class Entity:
    """Tokens that are written as one unit; its words follow one another without a gap.

    `wanted` is False if only redaction needs the written form: unless it turns out to be a secret, it stays as spoken.
    """

    kind: EntityKind
    written_words: tuple[EntityWord, ...]
    wanted: bool = True

    @property
    def first(self) -> int:
        """Index of the first token."""
        return self.written_words[0].first

    @property
    def last(self) -> int:
        """Index after the last token."""
        return self.written_words[-1].last


@dataclass(frozen=True, slots=True)
class FormattedWord:
    """A word as it is written, and the spoken words that it stands for."""

    word: Word
    spoken: tuple[Word, ...]
    wanted: bool = True


def entity(kind: EntityKind, first: int, last: int, text: str, *, wanted: bool = True) -> Entity:
    """Entity of one written word."""
    return Entity(kind, (EntityWord(first, last, text),), wanted)


def is_aligned(parsed: ParsedWords, found: Entity) -> bool:
    """Whether every written word begins and ends at the boundaries of the engine's words."""
    return all(parsed.tokens[p.first].begins and parsed.tokens[p.last - 1].ends for p in found.written_words)


def render(parsed: ParsedWords, entities: Sequence[Entity]) -> tuple[FormattedWord, ...]:
    """Render all words, those of `entities` in their written form; the punctuation around an entity stays.

    A written word takes the start of its first spoken word, the end of its last, and the lowest of their
    confidences: a number with one wrong digit is a wrong number.
    """
    words, done, at = parsed.words, list[FormattedWord](), 0
    for found in entities:
        first = parsed.tokens[found.first].word
        done.extend(FormattedWord(word, (word,)) for word in words[at:first])
        for written in found.written_words:
            at = parsed.tokens[written.last - 1].word + 1
            spoken = words[parsed.tokens[written.first].word : at]
            done.append(_written(written, spoken, found, ends=at == len(words)))
    done.extend(FormattedWord(word, (word,)) for word in words[at:])
    return tuple(done)


def _written(written: EntityWord, spoken: tuple[Word, ...], found: Entity, *, ends: bool) -> FormattedWord:
    before = split_punctuation(spoken[0].text)[0] if written is found.written_words[0] else ""
    after = split_punctuation(spoken[-1].text)[2] if written is found.written_words[-1] else ""
    if written.text.startswith("("):
        before = before.removesuffix("(")
    if len(spoken) == 1 and written.text == split_punctuation(spoken[0].text)[1]:
        after = split_punctuation(spoken[0].text)[2]
    if spoken[-1].text.lower().endswith((".m.", ".m.,")) and not ends:
        # The full stop of `p.m.` does not end a sentence.
        after = after.removeprefix(".")
    word = replace(
        spoken[0],
        text=before + written.text + after,
        end=max(word.end for word in spoken),
        confidence=min(word.confidence for word in spoken),
    )
    return FormattedWord(word, spoken, found.wanted)
