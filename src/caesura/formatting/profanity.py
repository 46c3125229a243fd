"""Profanity filter: replaces the letters of profane words with asterisks.

The words are English and are listed in `profanity.txt`. The list is our own: those of existing libraries
(better-profanity, glin-profanity, badwords-py and others) were made to keep children from web pages; they contain
medical terms and first names, lack half of the inflections, and match inside words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from importlib.resources import files

from caesura.words import Word


def mask_profanity(words: Sequence[Word]) -> tuple[Word, ...]:
    """Replace letters of profane words by asterisks (developers.deepgram.com/docs/profanity-filter).

    Only whole words are profane, or parts of one between hyphens and apostrophes: `Scunthorpe` stays, `bull-shit's`
    becomes `bull-****'s`. Case and surrounding punctuation do not matter, but a word that is also a name stays if it is
    capitalised.
    """
    return tuple(replace(word, text=_LETTERS.sub(_mask, word.text)) for word in words)


def _mask(letters: re.Match[str]) -> str:
    anyhow, as_written = _profane()
    text = letters[0]
    return "*" * len(text) if text.lower() in anyhow or text in as_written else text


@cache
def _profane() -> tuple[frozenset[str], frozenset[str]]:
    """Words that are profane in any case, and words that are profane only in the case in which they are listed."""
    anyhow: set[str] = set()
    as_written: set[str] = set()
    for line in files("caesura.formatting").joinpath("profanity.txt").read_text("utf-8").splitlines():
        if line.startswith("="):
            as_written.add(line[1:])
        elif line and not line.startswith("#"):
            stem, *endings = line.split()
            anyhow.update((stem, *(stem + ending for ending in endings)))
    return frozenset(anyhow), frozenset(as_written)


_LETTERS = re.compile(r"[^\W\d_]+")
