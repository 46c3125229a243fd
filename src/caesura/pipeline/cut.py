"""The words of a segment that grew too long in; the place between two of them where it is best closed out."""

from __future__ import annotations

from caesura.words import Word

EARLIEST = 0.4
"""Share of the segment before which it is not cut: short pieces cost accuracy."""
CONTEXT_S = 1.0
"""The newest words may still change, so that much is always carried on."""
SHORTEST_S = 0.4
"""With less than that carried on, speech that ends right there would leave a scrap that no engine may hear."""
SENTENCE_S = 0.4
CLAUSE_S = 0.2
"""What a full stop or a comma is worth, in seconds of gap."""


def cut_between_words(words: tuple[Word, ...], start: float, end: float) -> tuple[tuple[Word, ...], float]:
    """Where to close the segment `start`..`end`, and the words that lie before.

    The place is the middle of a gap between two words, never inside one; the widest gap wins, with a bonus for the
    end of a sentence or clause, and the last of equals. Where there is no such place (fewer than two words, or all
    of them at the very end), the whole segment is closed.
    """
    places = [(i, (words[i - 1].end + words[i].start) / 2) for i in range(1, len(words))]
    early, late = start + EARLIEST * (end - start), end - CONTEXT_S
    allowed = [(i, at) for i, at in places if early <= at <= late]
    allowed = allowed or [(i, at) for i, at in places if at <= end - SHORTEST_S]
    if not allowed:
        return words, end
    best, at = max(reversed(allowed), key=lambda place: _worth(words[place[0] - 1], words[place[0]]))
    return words[:best], at


def _worth(before: Word, after: Word) -> float:
    bonus = SENTENCE_S if before.text.endswith((".", "?", "!")) else 0.0
    if before.text.endswith((",", ";", ":")):
        bonus = CLAUSE_S
    # Gaps of one length differ in their last bits.
    return round(after.start - before.end + bonus, 3)
