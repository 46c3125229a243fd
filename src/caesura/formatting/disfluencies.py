"""Removes filled pauses (`uh`, `um`) from words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.words import Word, raw

FILLERS = frozenset({"uh", "um", "uhm", "umm", "uhh"})
"""English filled pauses; `uh-huh` and the like are answers and stay. In other languages some of these are words."""

_SENTENCE_ENDS = ".?!…"


def remove_fillers(words: Sequence[Word]) -> tuple[Word, ...]:
    """Remove filled pauses; the full stop or capital of a removed one goes to its neighbour."""
    kept: list[Word] = []
    capital = False
    for word in words:
        if raw(word.text) in FILLERS:
            capital = capital or word.text[:1].isupper()
            _inherit_end(kept, word)
            continue
        kept.append(replace(word, text=word.text[:1].upper() + word.text[1:]) if capital else word)
        capital = False
    return tuple(kept)


def _inherit_end(kept: list[Word], filler: Word) -> None:
    # The whole run of signs: `um...` must not become a full stop.
    end = filler.text[len(filler.text.rstrip(_SENTENCE_ENDS)) :]
    if kept and end and not kept[-1].text.endswith(tuple(_SENTENCE_ENDS)):
        kept[-1] = replace(kept[-1], text=kept[-1].text.rstrip(",;:") + end)
