"""Sentences as words of half a second each."""

from __future__ import annotations

from caesura.words import Word


def words(sentence: str, *, at: float = 0.0) -> tuple[Word, ...]:
    """The words of `sentence`, the first at `at` seconds, all with a confidence of 0.9."""
    return tuple(
        Word(text, at + index * 0.5, at + index * 0.5 + 0.5, 0.9) for index, text in enumerate(sentence.split())
    )


def sentence(words: tuple[Word, ...]) -> str:
    return " ".join(word.text for word in words)
