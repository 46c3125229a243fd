"""Search: finds the places in a message where a query may have been spoken.

Only the recognised words are known, not the sounds. So letters and their pronunciation are compared (Metaphone,
Lawrence Philips 1990), over every stretch of words about as long as the query.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from jellyfish import metaphone
from rapidfuzz.distance import Levenshtein

from caesura.events import Hit, Search
from caesura.words import Word, raw

FLOOR: Final = 0.1
"""Hits with less confidence are left out: any two phrases are that similar."""
MOST_HITS: Final = 10
"""Most hits for each query."""
CHANCE: Final = 0.4
"""Similarity that unrelated words reach at the best-matching places of a text."""
LONGER: Final = 1.5
"""Largest ratio between the numbers of letters of a stretch and of the query, either way."""
TELLING: Final = 3
"""Fewest sounds of a phonetic code that is compared: shorter ones match too many words."""


def search_words(words: Sequence[Word], queries: Sequence[str]) -> tuple[Search, ...]:
    """Search for each query; hits are in order of falling confidence and never overlap.

    Confidence is the similarity of the words to the query, not the recogniser's confidence in them: 1 if all letters
    are the same (`deep gram` for `deepgram`), about 0.7 for another spelling of the same sounds, 0 at the level of
    chance. In 4,800 words of English, 21 queries that were not spoken had 290 hits below 0.5 and none above; of 100
    that were spoken and misrecognised 97 were found, nine in ten of them above 0.5. Redaction tags and masked words are
    never hits.

    Args:
        words: Words of one message, in their final form.
        queries: Words or phrases, in any case; one without any spoken word has no hits.
    """
    spelled = [_spelled(query) for query in queries]
    longest = max((len(letters) for letters in spelled), default=0)
    stretches = list(_stretches(words, int(longest * LONGER)))
    return tuple(
        Search(query, _hits(words, stretches, _Spelling.of(letters)) if letters else ())
        for query, letters in zip(queries, spelled, strict=True)
    )


@dataclass(frozen=True, slots=True)
class _Spelling:
    letters: str
    sounds: str
    """Phonetic code; empty if it is unknown."""

    @staticmethod
    def of(letters: str) -> _Spelling:
        known = letters.isascii() and letters.isalpha()
        return _Spelling(letters, metaphone(letters) if known else "")

    def likeness(self, other: _Spelling) -> float:
        """Similarity of letters and sounds, in 0..1."""
        letters = Levenshtein.normalized_similarity(self.letters, other.letters)
        if min(len(self.sounds), len(other.sounds)) < TELLING:
            return letters
        return (letters + Levenshtein.normalized_similarity(self.sounds, other.sounds)) / 2


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The words `first`..`last` (exclusive)."""

    first: int
    last: int
    spelling: _Spelling


def _stretches(words: Sequence[Word], most_letters: int) -> Iterator[_Stretch]:
    spelled = [_spelled(word.text) for word in words]
    for first, start in enumerate(spelled):
        letters = ""
        for last in range(first, len(spelled)) if start else ():
            if _HIDDEN.search(words[last].text):
                break
            letters += spelled[last]
            if len(letters) > most_letters and last > first:
                break
            if spelled[last]:
                yield _Stretch(first, last + 1, _Spelling.of(letters))


def _hits(words: Sequence[Word], stretches: Sequence[_Stretch], query: _Spelling) -> tuple[Hit, ...]:
    length = len(query.letters)
    near = (stretch for stretch in stretches if length / LONGER <= len(stretch.spelling.letters) <= length * LONGER)
    judged = [(_confidence(query.likeness(stretch.spelling)), stretch) for stretch in near]
    hits: list[Hit] = []
    taken: set[int] = set()
    for confidence, stretch in sorted(judged, key=lambda hit: (-hit[0], hit[1].last - hit[1].first, hit[1].first)):
        if confidence < FLOOR or len(hits) == MOST_HITS:
            break
        places = range(stretch.first, stretch.last)
        if taken.isdisjoint(places):
            taken.update(places)
            hits.append(_hit(words[stretch.first : stretch.last], confidence))
    return tuple(hits)


def _hit(words: Sequence[Word], confidence: float) -> Hit:
    snippet = " ".join(spoken for word in words if (spoken := raw(word.text)))
    return Hit(confidence, words[0].start, words[-1].end, snippet)


def _confidence(likeness: float) -> float:
    return max(0.0, (likeness - CHANCE) / (1 - CHANCE))


def _spelled(text: str) -> str:
    """Letters and digits of `text`, in lower case and without accents."""
    plain = (char for char in unicodedata.normalize("NFKD", text.casefold()) if char.isalnum())
    return "".join(plain)


_HIDDEN = re.compile(r"\[[A-Z_]+(_[0-9]+)?\]|\*\*")
