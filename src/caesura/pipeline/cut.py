"""The words of a segment that grew too long in; the place between two of them where it is best closed out."""

from __future__ import annotations

from caesura.words import Word

EARLIEST = 0.4
"""Share of the segment before which it is not cut: short pieces cost accuracy."""
CONTEXT_S = 1.0
"""The newest words may still change, so that much is always carried on."""
SENTENCE_S = 0.4
CLAUSE_S = 0.2
"""What a full stop or a comma is worth, in seconds of gap."""


def cut_between_words(words: tuple[Word, ...], start: float, end: float) -> tuple[tuple[Word, ...], float]:
    """Where to close the segment `start`..`end`, and the words that lie before.

    The place is the middle of a gap between two words, never inside one; the widest gap wins, with a bonus for the
    end of a sentence or clause. With fewer than two words there is no such place, and the whole segment is closed.
    """
    if len(words) < 2:
        return words, end
    places = range(1, len(words))
    allowed = [i for i in places if _allowed((words[i - 1].end + words[i].start) / 2, start, end)]
    best = max(allowed or places, key=lambda i: _worth(words[i - 1], words[i]))
    return words[:best], (words[best - 1].end + words[best].start) / 2


def _allowed(place: float, start: float, end: float) -> bool:
    return start + EARLIEST * (end - start) <= place <= end - CONTEXT_S


def _worth(before: Word, after: Word) -> float:
    mark = before.text[-1:]
    bonus = SENTENCE_S if mark in ".?!" else CLAUSE_S if mark in ",;:" else 0.0
    return after.start - before.end + bonus
