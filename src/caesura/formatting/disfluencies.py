"""Words as they were spoken in, the same without hesitations out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.words import Word, raw

FILLERS = frozenset({"uh", "um", "uhm", "umm", "uhh"})
"""English hesitations; `uh-huh` and the like are answers and stay. In other languages some of these are words."""

_SENTENCE_ENDS = ".?!…"


def without_fillers(words: Sequence[Word]) -> tuple[Word, ...]:
    """Drop hesitations; a full stop or capital that a dropped one carried goes to its neighbour."""
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
