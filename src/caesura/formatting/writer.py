"""Words as an engine prints them in, words as the style asks for them and what was search_words for out.

The order: hesitations, spoken punctuation, numbers and entities, redaction, profanity, replacement, search. Redaction
has to see digits: with `redact` all numbers are read, the secrets among them redacted, and what was no secret and the
style wants in words goes back to how it was spoken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from caesura.events import Search
from caesura.formatting.amounts import parse_amounts
from caesura.formatting.dictation import apply_dictation
from caesura.formatting.disfluencies import remove_fillers
from caesura.formatting.entities import find_entities, incomplete_from
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
"""The last words of an interim are guesses: `four` may have been heard as `for`, and hide that a number goes on."""


@dataclass(frozen=True, slots=True)
class Writing:
    """The words as they are written, and one search for each thing search_words for.

    `plain` is what was written with its secrets still in it, for `before` of what follows; empty without redaction.
    """

    words: tuple[Word, ...]
    searches: tuple[Search, ...]
    plain: tuple[Word, ...] = field(default=(), repr=False)


class Writer:
    """Writes segments in one style and language (a BCP 47 tag, of which the primary subtag counts).

    Numbers, entities, hesitations and spoken punctuation are English; in other languages those words pass as they
    are, and redaction sees the digits that are printed. `multi` is read as English for numbers only: where languages
    mix, `um` may be a word.
    """

    def __init__(self, style: Style, language: str = "en") -> None:
        primary = language.replace("_", "-").split("-")[0].lower()
        self._style = style
        self._english = primary == "en"
        self._reads = primary in {"en", "multi"}
        self._number_style = NumberStyle(smart=style.smart_format, numerals=style.numerals)

    def write(self, words: Sequence[Word], *, final: bool, before: Sequence[Word] = ()) -> Writing:
        """The words of a whole segment; `final` False: of an interim.

        With redaction an interim keeps back the words from `open_from` on: the beginning of a number that is still
        being spoken would tell what its end makes a secret. A final that had to be told in the middle of a number may
        tell its first group, of up to six digits; with `before` the rest of it is known for what it is.

        Args:
            words: As they were heard.
            final: Whether they will not be revised.
            before: The `plain` of the finals before, for secrets that are spread over several of them.
        """
        style = self._style
        told = tuple(words)
        if style.redact and not final:
            told = told[: self._certain(told)]
        if self._english and not style.filler_words:
            told = remove_fillers(told)
        if self._english and style.dictation:
            told = apply_dictation(told)
        told, plain = self._formatted(told, before)
        if style.profanity_filter:
            told = mask_profanity(told)
        if style.replace:
            told = apply_replacements(told, style.replace)
        return Writing(told, search_words(told, style.search) if style.search else (), plain)

    def open_from(self, words: Sequence[Word]) -> int:
        """The first word of a number, date, address that may still go on at the end; `len(words)` when none may.

        Only where the style waits for it: with smart formatting unless `no_delay`, and with redaction always, because
        a secret cut in two is not recognised.
        """
        style = self._style
        if not style.redact and (not style.smart_format or style.no_delay):
            return len(words)
        if not self._reads:
            return _digits_open_at(words) if style.redact else len(words)
        parsed, found = self._read(words)
        return incomplete_from(parsed, found, complete=not style.redact)

    def joins(self, words: Sequence[Word], at: int) -> bool:
        """Whether the words before and from `at` on are parts of one number, date, address."""
        if not 0 < at < len(words):
            return False
        if not self._reads:
            return all(any(sign.isdigit() for sign in word.text) for word in words[at - 1 : at + 1])
        parsed, found = self._read(words)
        places = [(parsed.tokens[one.first].word, parsed.tokens[one.last - 1].word) for one in found]
        return any(first < at <= last for first, last in places)

    def _certain(self, words: Sequence[Word]) -> int:
        """How many words of an interim can be told."""
        if not self._reads:
            return _digits_open_at(words)
        parsed, found = self._read(words)
        return incomplete_from(parsed, found, complete=False, guesses=_GUESSED)

    def _read(self, words: Sequence[Word]) -> tuple[ParsedWords, tuple[Entity, ...]]:
        parsed = parse_amounts(words)
        return parsed, find_entities(parsed, self._number_style)

    def _formatted(self, words: tuple[Word, ...], before: Sequence[Word]) -> tuple[tuple[Word, ...], tuple[Word, ...]]:
        """The words with numbers written and secrets redacted, and with the secrets in them."""
        style = self._style
        if not self._reads:
            if not style.redact:
                return words, ()
            return redact(words, find_pii(words, style.redact, before=before)), words
        if not (style.redact or style.smart_format or style.numerals):
            return words, ()
        parsed, found = self._read(words)
        if not style.redact:
            return tuple(one.word for one in render(parsed, [one for one in found if one.wanted])), ()
        done = render(parsed, found)
        plain = tuple(one.word for one in done)
        return _spoken_again(done, find_pii(plain, style.redact, before=before)), plain


def _spoken_again(done: Sequence[FormattedWord], found: Sequence[PiiSpan]) -> tuple[Word, ...]:
    """The words with the secrets redacted, and the rest in words where the style wants words."""
    secret = {at for one in found for at in range(one.first, one.last)}
    words: list[Word] = []
    places: list[int] = []
    for at, one in enumerate(done):
        places.append(len(words))
        words.extend([one.word] if one.wanted or at in secret else one.spoken)
    places.append(len(words))
    moved = [replace(one, first=places[one.first], last=places[one.last]) for one in found]
    return redact(words, moved)


def _digits_open_at(words: Sequence[Word]) -> int:
    at = len(words)
    while at > 0 and any(sign.isdigit() for sign in words[at - 1].text):
        at -= 1
    return at
