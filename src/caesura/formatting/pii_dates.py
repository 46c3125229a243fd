"""Finds dates in written words, for redaction: by the name of a month, or by three numbers in one word."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from caesura.formatting.digit_runs import DigitGroup, DigitRun
from caesura.formatting.spoken_tokens import is_month, is_ordinal
from caesura.words import Word, raw


def is_month_and_year(digits: str) -> bool:
    """Whether digits may be a month and a year, as cards print their expiration: MMYY, MYY or MMYYYY."""
    if len(digits) not in (3, 4, 6):
        return False
    month = int(digits[: 1 if len(digits) == 3 else 2])
    return 1 <= month <= 12 and (len(digits) < 6 or digits[2:4] == "20")


def dates(words: Sequence[Word], found: Sequence[DigitRun]) -> tuple[tuple[int, int], ...]:
    """Find the words (first, last exclusive) of each date; `found` are the digit runs in `words`.

    The name of a month with a day, a year or both beside it (`January 5, 2024`, `5th of January`, `the fifth of May`),
    and three numbers in one word (`1/5/2024`).
    """
    groups = {group.first: group for run in found for group in run.groups}
    ends = {group.last: group for group in groups.values()}
    named = [
        _around(words, at, groups, ends)
        for at, word in enumerate(words)
        if is_month(word.text)
    ]  # fmt: skip
    numeric = [(group.first, group.last) for group in groups.values() if _NUMERIC.search(words[group.first].text)]
    return (*(date for date in named if date is not None), *numeric)


def after_month(words: Sequence[Word], at: int, groups: Mapping[int, DigitGroup]) -> int:
    """Index after the day and year that follow the month at `at`; `at` + 1 if there are none."""
    last = at + 1
    days = years = 0
    while last < len(words) and not years:
        nearby = last + 1 if raw(words[last].text) in _BETWEEN and last + 1 < len(words) else last
        group = groups.get(nearby)
        halves = group is not None and group.digits in ("19", "20") and groups.get(group.last)
        if halves and len(halves.digits) == 2:
            years, last = 1, halves.last
        elif group is not None and len(group.digits) <= 2 and not days:
            days, last = 1, group.last
        elif group is not None and len(group.digits) in (2, 4) and not years:
            years, last = 1, group.last
        elif group is None and is_ordinal(words[nearby].text) and not days:
            days, last = 1, nearby + 1
        else:
            break
    return last


def _around(
    words: Sequence[Word], at: int, groups: Mapping[int, DigitGroup], ends: Mapping[int, DigitGroup]
) -> tuple[int, int] | None:
    first, last = at, after_month(words, at, groups)
    before = at - 1 if at > 0 and raw(words[at - 1].text) in _BETWEEN else at
    day = ends.get(before)
    if day is not None and len(day.digits) <= 2:
        first = day.first
    elif before > 0 and is_ordinal(words[before - 1].text):
        first = before - 1
    return (first, last) if (first, last) != (at, at + 1) else None


_BETWEEN = frozenset({"of", "the"})
_NUMERIC = re.compile(r"(?<!\d)(\d{1,2}|\d{4})[/.-]\d{1,2}[/.-]\d{2,4}(?!\d)")
