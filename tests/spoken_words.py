"""Timed words made from a sentence, and the sentence of timed words."""

from __future__ import annotations

from collections.abc import Sequence

from caesura.words import Word


def words_of(sentence: str, *, start: float = 0.0, speaker: int | None = None) -> tuple[Word, ...]:
    """The words of a sentence: one each half second, each 0.4 s long."""
    return tuple(
        Word(text, round(start + at / 2, 3), round(start + at / 2 + 0.4, 3), 0.9, speaker)
        for at, text in enumerate(sentence.split())
    )


def text(words: Sequence[Word]) -> str:
    """The text of the words, separated by blanks."""
    return " ".join(word.text for word in words)
