"""Inverse text normalization and all other formatting of a segment, in the order and style that a client requested.

The order is: filled pauses, spoken punctuation, numbers and entities, redaction, profanity, replacement, search.
Redaction needs digits: with `redact` all numbers are normalised and the secrets among them redacted; numbers that are
not secret, and that the style leaves in words, are then written as they were spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from caesura.events import Search
from caesura.formatting.amounts import parse_amounts
from caesura.formatting.dictation import apply_dictation
from caesura.formatting.disfluencies import remove_fillers
from caesura.formatting.entities import find_entities, incomplete_entity_at
from caesura.formatting.numbers import NumberStyle
from caesura.formatting.parsed_words import ParsedWords
from caesura.formatting.profanity import mask_profanity
from caesura.formatting.redaction import PiiSpan, find_pii, redact
from caesura.formatting.rendering import Entity, FormattedWord, render
from caesura.formatting.replacing import apply_replacements
from caesura.formatting.searching import search_words
from caesura.formatting.style import Style
from caesura.words import Word

_GUESSED = 2
"""Number of words at the end of an interim that may be misrecognised: `for` for `four` hides that a number goes on."""


@dataclass(frozen=True, slots=True)
class FormattedText:
    """Formatted words of a segment, and a `Search` for each query.

    `plain` holds the words with their secrets, for `before` of later segments; empty without redaction.
    """

    words: tuple[Word, ...]
    searches: tuple[Search, ...]
    plain: tuple[Word, ...] = field(default=(), repr=False)


class TextFormatter:
    """Formats segments in one style and language (a BCP 47 tag, of which the primary subtag counts).

    Numbers, entities, filled pauses and spoken punctuation are English; in other languages those words pass as they
    are, and redaction sees the digits that are printed. `multi` counts as English for numbers only: where languages
    mix, `um` may be a word.
    """

    def __init__(self, style: Style, language: str = "en") -> None:
        primary = language.replace("_", "-").split("-")[0].lower()
        self._style = style
        self._english = primary == "en"
        self._reads_numbers = primary in {"en", "multi"}
        self._number_style = NumberStyle(smart=style.smart_format, numerals=style.numerals)

    def format(self, words: Sequence[Word], *, final: bool, before: Sequence[Word] = ()) -> FormattedText:
        """Format the words of a whole segment.

        With redaction an interim omits the words from `incomplete_from` on: the beginning of a number that is still
        being spoken may turn out to be a secret. A final that had to be sent in the middle of a number may reveal its
        first group, of up to six digits; with `before` the rest of it is recognised.

        Args:
            words: Words from the engine.
            final: Whether the segment is a final, not an interim.
            before: `plain` of the finals before, for secrets that are spread over several finals.
        """
        style = self._style
        formatted = tuple(words)
        if style.redact and not final:
            formatted = formatted[: self._complete_words(formatted)]
        if self._english and not style.filler_words:
            formatted = remove_fillers(formatted)
        if self._english and style.dictation:
            formatted = apply_dictation(formatted)
        formatted, plain = self._normalized(formatted, before)
        if style.profanity_filter:
            formatted = mask_profanity(formatted)
        if style.replace:
            formatted = apply_replacements(formatted, style.replace)
        return FormattedText(formatted, search_words(formatted, style.search) if style.search else (), plain)

    def incomplete_from(self, words: Sequence[Word]) -> int:
        """Index of the first word of a number, date or address that may go on after the end, or `len(words)`.

        It is only looked for in styles that wait for the end of a number: smart formatting without `no_delay`, and
        redaction, because a secret that is cut in two is not recognised.
        """
        style = self._style
        if not style.redact and (not style.smart_format or style.no_delay):
            return len(words)
        if not self._reads_numbers:
            return _trailing_digits_at(words) if style.redact else len(words)
        parsed, found = self._parse(words)
        return incomplete_entity_at(parsed, found, complete=not style.redact)

    def is_inside_entity(self, words: Sequence[Word], at: int) -> bool:
        """Whether the words before and at `at` belong to one number, date or address."""
        if not 0 < at < len(words):
            return False
        if not self._reads_numbers:
            return all(any(sign.isdigit() for sign in word.text) for word in words[at - 1 : at + 1])
        parsed, found = self._parse(words)
        places = [(parsed.tokens[one.first].word, parsed.tokens[one.last - 1].word) for one in found]
        return any(first < at <= last for first, last in places)

    def _complete_words(self, words: Sequence[Word]) -> int:
        """Number of words of an interim that can be sent."""
        if not self._reads_numbers:
            return _trailing_digits_at(words)
        parsed, found = self._parse(words)
        return incomplete_entity_at(parsed, found, complete=False, guesses=_GUESSED)

    def _parse(self, words: Sequence[Word]) -> tuple[ParsedWords, tuple[Entity, ...]]:
        parsed = parse_amounts(words)
        return parsed, find_entities(parsed, self._number_style)

    def _normalized(self, words: tuple[Word, ...], before: Sequence[Word]) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """The words with numbers written and secrets redacted, and the same words without redaction."""
        style = self._style
        if not self._reads_numbers:
            if not style.redact:
                return words, ()
            return redact(words, find_pii(words, style.redact, before=before)), words
        if not (style.redact or style.smart_format or style.numerals):
            return words, ()
        parsed, found = self._parse(words)
        if not style.redact:
            return tuple(one.word for one in render(parsed, [one for one in found if one.wanted])), ()
        done = render(parsed, found)
        plain = tuple(one.word for one in done)
        return _redacted(done, find_pii(plain, style.redact, before=before)), plain


def _redacted(done: Sequence[FormattedWord], found: Sequence[PiiSpan]) -> tuple[Word, ...]:
    """Redact the secrets, and restore the spoken words of other numbers where the style does not use digits."""
    secret = {at for one in found for at in range(one.first, one.last)}
    words: list[Word] = []
    places: list[int] = []
    for at, one in enumerate(done):
        places.append(len(words))
        words.extend([one.word] if one.wanted or at in secret else one.spoken)
    places.append(len(words))
    moved = [replace(one, first=places[one.first], last=places[one.last]) for one in found]
    return redact(words, moved)


def _trailing_digits_at(words: Sequence[Word]) -> int:
    at = len(words)
    while at > 0 and any(sign.isdigit() for sign in words[at - 1].text):
        at -= 1
    return at
