"""Profanity filter: replaces the letters of profane words with asterisks.

The words are English and lie in `profanity.txt`. We keep a list of our own: the existing libraries
(better-profanity, glin-profanity, badwords-py and others) rest on lists made to keep children from web pages, which
hold medicine, bodies and first names, lack half of the inflections, and look inside of words.
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
    becomes `bull-****'s`. Case and punctuation around do not matter, but what is also a name stays where it has a
    capital.
    """
    return tuple(replace(word, text=_LETTERS.sub(_mask, word.text)) for word in words)


def _mask(letters: re.Match[str]) -> str:
    anyhow, as_written = _profane()
    text = letters[0]
    return "*" * len(text) if text.lower() in anyhow or text in as_written else text


@cache
def _profane() -> tuple[frozenset[str], frozenset[str]]:
    """Words that are profane in any case, and words that are only in the case in which they are written."""
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
