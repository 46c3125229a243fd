"""Words in, the same with one wording in place of another out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from caesura.words import Word, raw


def replaced(words: Sequence[Word], pairs: Sequence[tuple[str, str]]) -> tuple[Word, ...]:
    """The words with each that is to be found replaced; an empty replacement deletes."""
    wordings = dict(pairs)
    done = [replace(word, text=wordings.get(raw(word.text), word.text)) for word in words]
    return tuple(word for word in done if word.text)
