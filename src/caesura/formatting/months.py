"""Written words in; the dates in them that are told by the name of a month, or by its number, out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from caesura.formatting.figures import Piece, Run
from caesura.words import Word, raw


def is_month(text: str) -> bool:
    """Whether a printed word is the name of a month; `may` and `march` are, with a capital."""
    spoken = raw(text)
    return spoken in _MONTHS and (spoken not in _WORDS_TOO or raw(text) != text.lstrip()[: len(spoken)])


def is_month_and_year(digits: str) -> bool:
    """Whether they may be a month and a year, as cards tell when they end: MMYY, MYY or MMYYYY."""
    if len(digits) not in (3, 4, 6):
        return False
    month = int(digits[: 1 if len(digits) == 3 else 2])
    return 1 <= month <= 12 and (len(digits) < 6 or digits[2:4] == "20")


def dates(words: Sequence[Word], found: Sequence[Run]) -> tuple[tuple[int, int], ...]:
    """The words (first, last exclusive) of each date; `found` are the runs of figures in `words`.

    The name of a month with a day, a year or both beside it (`January 5, 2024`, `5th of January`, `the fifth of May`),
    and three figures in one word (`1/5/2024`).
    """
    pieces = {piece.first: piece for run in found for piece in run.pieces}
    ends = {piece.last: piece for piece in pieces.values()}
    told = [
        _around(words, at, pieces, ends)
        for at, word in enumerate(words)
        if is_month(word.text)
    ]  # fmt: skip
    written = [(piece.first, piece.last) for piece in pieces.values() if _NUMERIC.search(words[piece.first].text)]
    return (*(date for date in told if date is not None), *written)


def after_month(words: Sequence[Word], at: int, pieces: Mapping[int, Piece]) -> int:
    """Where the day and the year end that follow the month at `at`; `at` + 1 where none do."""
    last = at + 1
    days = years = 0
    while last < len(words) and not years:
        nearby = last + 1 if raw(words[last].text) in _BETWEEN and last + 1 < len(words) else last
        piece = pieces.get(nearby)
        halves = piece is not None and piece.digits in ("19", "20") and pieces.get(piece.last)
        if halves and len(halves.digits) == 2:
            years, last = 1, halves.last
        elif piece is not None and len(piece.digits) <= 2 and not days:
            days, last = 1, piece.last
        elif piece is not None and len(piece.digits) in (2, 4) and not years:
            years, last = 1, piece.last
        elif piece is None and raw(words[nearby].text) in _ORDINALS and not days:
            days, last = 1, nearby + 1
        else:
            break
    return last


def _around(
    words: Sequence[Word], at: int, pieces: Mapping[int, Piece], ends: Mapping[int, Piece]
) -> tuple[int, int] | None:
    first, last = at, after_month(words, at, pieces)
    before = at - 1 if at > 0 and raw(words[at - 1].text) in _BETWEEN else at
    day = ends.get(before)
    if day is not None and len(day.digits) <= 2:
        first = day.first
    elif before > 0 and raw(words[before - 1].text) in _ORDINALS:
        first = before - 1
    return (first, last) if (first, last) != (at, at + 1) else None


_MONTHS = frozenset(
    {
        "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
        "december", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    }
)  # fmt: skip
_WORDS_TOO = frozenset({"may", "march", "mar"})
_BETWEEN = frozenset({"of", "the"})
_ORDINALS = frozenset(
    {
        "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
        "twelfth", "twelth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
        "nineteenth", "twentieth", "thirtieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth",
        "twenty-fifth", "twenty-sixth", "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirty-first",
    }
)  # fmt: skip
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2}|\d{4})[/.-]\d{1,2}[/.-]\d{2,4}(?!\d)")
