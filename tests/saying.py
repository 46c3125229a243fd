"""A sentence in, words with times out; and words back to a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from caesura.words import Word


def say(sentence: str, *, start: float = 0.0, speaker: int | None = None) -> tuple[Word, ...]:
    """The words of a sentence, each half a second after the one before, each 0.4 s long."""
    return tuple(
        Word(text, round(start + at / 2, 3), round(start + at / 2 + 0.4, 3), 0.9, speaker)
        for at, text in enumerate(sentence.split())
    )


def text(words: Sequence[Word]) -> str:
    return " ".join(word.text for word in words)
