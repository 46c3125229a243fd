"""Words in, the same with profanity masked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.words import Word, raw

_PROFANE = frozenset({"fuck", "fucking", "shit"})


def masked(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words, profane ones with asterisks after their first letter."""
    return tuple(
        replace(word, text=word.text[0] + "*" * (len(word.text) - 1)) if raw(word.text) in _PROFANE else word
        for word in words
    )
