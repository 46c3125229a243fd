"""Formatting of a recording's channel in runs of words, short enough for a formatter that looks at all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from caesura.events import Search
from caesura.words import Word

MAX_PAUSE_S: Final = 1.0
"""A longer pause splits two runs: no speaker pauses so long inside a number."""
LONG_RUN: Final = 100
"""Words after which the next full stop ends a run."""
MAX_RUN: Final = 400
"""Words of the longest run."""


class FormattedRun(Protocol):
    """A run of words after formatting."""

    @property
    def words(self) -> tuple[Word, ...]:
        """The formatted words."""

    @property
    def searches(self) -> tuple[Search, ...]:
        """The hits of each search term."""


FormatRun = Callable[[tuple[Word, ...]], FormattedRun]
"""Formats one run; called for all runs in order."""


def runs(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """Split `words`, in order and without loss, at places that are inside no number or entity."""
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _splits(words[at - 1], words[at], at - begin):
            yield tuple(words[begin:at])
            begin = at


def format_runs(words: Sequence[Word], format_run: FormatRun) -> tuple[tuple[Word, ...], tuple[Search, ...]]:
    """All words formatted, and the hits of each search term, the most confident first."""
    formatted: list[Word] = []
    found: list[Sequence[Search]] = []
    # One empty run, so that each search term is listed even for a channel without words.
    for run in runs(words) if words else [()]:
        result = format_run(run)
        formatted += result.words
        found.append(result.searches)
    return tuple(formatted), _merged(found)


def _merged(found: Iterable[Sequence[Search]]) -> tuple[Search, ...]:
    return tuple(
        Search(
            same[0].query,
            tuple(
                sorted((hit for search in same for hit in search.hits), key=lambda hit: (-hit.confidence, hit.start))
            ),
        )
        for same in zip(*found, strict=True)
    )


def _splits(before: Word, after: Word, length: int) -> bool:
    if length >= MAX_RUN or round(after.start - before.end, 6) > MAX_PAUSE_S:
        return True
    return length >= LONG_RUN and before.text.endswith((".", "?", "!"))
