"""What a decoder made of a segment, in; the same without what it made out of silence, noise or a loop, out."""

from __future__ import annotations

import math
from collections.abc import Sequence

LOOP_REPEATS = 4
"""A phrase said so many times in a row is a loop if the decoder never got out of it."""

LOOP_TOKENS = 8
"""The longest phrase that is looked at for loops, in tokens."""

LEAST_CONFIDENCE = 0.35
"""Text that the model itself believes less than this is noise. Measured: 11 whole utterances 0.75 and more, their
beginnings of a second or longer 0.44 and more but for one, which was misheard; of 71 words cut out and heard alone
one fell below."""

LEAST_CONFIDENCE_CUT = 0.6
"""The same for text that ran into the token limit: speech never came near the limit."""

LEAST_CONFIDENCE_HABIT = 0.8
"""The same for what the model is in the habit of saying when it hears nothing."""

# Measured on noises, hums, tones and clicks at -60 to -10 dBFS: 158 of 230 gave the bare word "You".
_ALWAYS_EMPTY = frozenset({"You"})
_HABITS = frozenset({"you", "thank", "thank you", "thank you for watching", "thanks for watching", "bye"})
_MUSIC = frozenset("♪♫♬♩")


def without_loop(tokens: Sequence[int], *, finished: bool) -> tuple[int, ...]:
    """`tokens` up to the first end of the phrase that they end in repeating, if they do.

    `finished`: the decoder ended by itself. Then nothing is cut: a loop that was left was speech
    (`no, no, no, no, that is wrong`).
    """
    if finished:
        return tuple(tokens)
    for width in range(1, LOOP_TOKENS + 1):
        # The last turn of the loop may be cut anywhere, so any of its tokens may be the last.
        matching = 0
        while matching + width < len(tokens) and tokens[-1 - matching] == tokens[-1 - matching - width]:
            matching += 1
        if matching + width >= LOOP_REPEATS * width:
            return tuple(tokens[: len(tokens) - matching])
    return tuple(tokens)


def is_speech(words: Sequence[str], probabilities: Sequence[float], *, finished: bool) -> bool:
    """Whether the text of a segment may be shown.

    `words`: the text. `probabilities`: of its tokens, each in 0..1. `finished`: the decoder ended by itself.
    """
    text = " ".join(words)
    letters = [letter for letter in text if letter.isalpha()]
    if not any(letter.isalnum() for letter in text):
        return False
    if sum(map(_is_latin, letters)) < len(letters) * 0.8:
        return False
    confidence = geometric_mean(probabilities)
    if text in _ALWAYS_EMPTY or confidence < LEAST_CONFIDENCE:
        return False
    if not finished and confidence < LEAST_CONFIDENCE_CUT:
        return False
    return text.lower().rstrip(".!?,") not in _HABITS or confidence >= LEAST_CONFIDENCE_HABIT


def is_music(word: str) -> bool:
    """Whether a word is only the sign for music, which is what the model hears in tones and hums."""
    return set(word) <= _MUSIC


def geometric_mean(probabilities: Sequence[float]) -> float:
    """In 0..1; 0 for none at all."""
    if not probabilities:
        return 0.0
    logs = [math.log(min(1.0, max(1e-9, probability))) for probability in probabilities]
    return math.exp(sum(logs) / len(logs))


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter <= "\u1eff"
