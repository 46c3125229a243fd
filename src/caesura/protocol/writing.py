"""The passages of a channel in; runs of words that can be written one after the other, and what came of all, out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, Protocol

from caesura.events import Search
from caesura.words import Word

PAUSE_S: Final = 1.0
"""A pause over which nothing is read together: a number is not said with one in it."""
LONG: Final = 100
"""Words after which the next full stop ends a run."""
MOST: Final = 400
"""Words of the longest run: what is written looks at all of them."""


class Written(Protocol):
    """What came of the words that were to be written."""

    @property
    def words(self) -> tuple[Word, ...]:
        """The words as they are printed."""

    @property
    def searches(self) -> tuple[Search, ...]:
        """Where what was searched for was found; one for each thing."""


Write = Callable[[tuple[Word, ...]], Written]
"""Writes words as the options ask; called for one run after the other, each of them complete."""


def runs(words: Sequence[Word]) -> Iterator[tuple[Word, ...]]:
    """`words`, in order and without loss, parted where nothing is read across."""
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _parts(words[at - 1], words[at], at - begin):
            yield tuple(words[begin:at])
            begin = at


def written(words: Sequence[Word], write: Write) -> tuple[tuple[Word, ...], tuple[Search, ...]]:
    """All words as `write` has them, and all that it found, likelier places first."""
    told: list[Word] = []
    found: list[Sequence[Search]] = []
    # One empty run, so that what was searched for is told even where nothing was said.
    for run in runs(words) if words else [()]:
        writing = write(run)
        told += writing.words
        found.append(writing.searches)
    return tuple(told), _merged(found)


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


def _parts(before: Word, after: Word, length: int) -> bool:
    if length >= MOST or round(after.start - before.end, 6) > PAUSE_S:
        return True
    return length >= LONG and before.text.endswith((".", "?", "!"))
