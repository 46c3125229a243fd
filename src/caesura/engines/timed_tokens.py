"""Words with times and confidences from the tokens of a transducer or CTC model, which mark where each token begins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from caesura.engines.hallucination import geometric_mean
from caesura.words import Word

LONGEST_TOKEN_S: Final = 0.24
"""Longest time in seconds that the last token of a word is taken to last: models tell where it begins, not its end."""


@dataclass(frozen=True, slots=True)
class TimedToken:
    """One token: its text, in which a blank begins a word, its start in seconds of the audio, its probability."""

    text: str
    start: float
    probability: float


def timed_words(tokens: Iterable[TimedToken], seconds: float) -> tuple[Word, ...]:
    """Join tokens to words, in order and without overlap.

    A word ends where the next one begins, but `LONGEST_TOKEN_S` after the start of its last token at the latest. Its
    confidence is the geometric mean of its tokens' probabilities. Punctuation that stands alone joins the word before
    it, and is dropped where there is none.

    Args:
        tokens: In order. Tokens in angle brackets, such as `<unk>`, are left out.
        seconds: Length of the audio, in which all words lie.
    """
    groups = list(_with_punctuation(_by_blanks(tokens)))
    starts = [min(max(group[0].start, 0.0), seconds) for group in groups]
    limits = [*starts[1:], seconds][: len(starts)]
    return tuple(
        Word(
            "".join(token.text for token in group).strip(),
            start,
            max(start, min(limit, group[-1].start + LONGEST_TOKEN_S)),
            geometric_mean([min(max(token.probability, 0.0), 1.0) for token in group]),
        )
        for group, start, limit in zip(groups, starts, limits, strict=True)
    )


def spread_words(text: str, seconds: float, confidence: float) -> tuple[Word, ...]:
    """Words of a text without times: spread over the whole audio, each as long as its letters ask for."""
    words = text.split()
    per_letter = seconds / max(sum(map(len, words)), 1)
    spread, start = [], 0.0
    for word in words:
        end = min(start + len(word) * per_letter, seconds)
        spread.append(Word(word, start, end, confidence))
        start = end
    return tuple(spread)


def _by_blanks(tokens: Iterable[TimedToken]) -> Iterator[list[TimedToken]]:
    group: list[TimedToken] = []
    for token in tokens:
        if token.text.startswith("<") and token.text.endswith(">"):
            continue
        if token.text[:1].isspace() and group:
            yield group
            group = []
        if token.text.strip():
            group.append(token)
    if group:
        yield group


def _with_punctuation(groups: Iterable[list[TimedToken]]) -> Iterator[list[TimedToken]]:
    last: list[TimedToken] | None = None
    for group in groups:
        if any(letter.isalnum() for token in group for letter in token.text):
            if last is not None:
                yield last
            last = group
        elif last is not None:
            last = [*last, *_without_blanks(group)]
    if last is not None:
        yield last


def _without_blanks(group: Sequence[TimedToken]) -> Iterator[TimedToken]:
    return (TimedToken(token.text.strip(), token.start, token.probability) for token in group)
