"""Words in, where what is searched for was said out."""

from __future__ import annotations

from collections.abc import Sequence

from caesura.events import Hit, Search
from caesura.words import Word, raw


def searched(words: Sequence[Word], queries: Sequence[str]) -> tuple[Search, ...]:
    """One search for each query, in their order."""
    return tuple(
        Search(query, tuple(Hit(1.0, w.start, w.end, raw(w.text)) for w in words if raw(w.text) == query.lower()))
        for query in queries
    )
