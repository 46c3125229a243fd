"""Hallucination filter for Moonshine: drops text that the decoder wrote for silence or noise, and cuts loops."""

from __future__ import annotations

import math
from collections.abc import Sequence

LOOP_REPEATS = 4
"""Number of repetitions in a row that make a phrase a loop, if the decoder never left it."""

LOOP_TOKENS = 8
"""Longest phrase, in tokens, that is searched for loops."""

MIN_CONFIDENCE = 0.35
"""Least confidence of speech. Measured: 11 whole utterances had 0.75 and more, their beginnings of a second or longer
0.44 and more but for one, which was misheard; of 71 words cut out and transcribed alone one fell below."""

MIN_CONFIDENCE_TRUNCATED = 0.6
"""Least confidence of text that reached the token limit, which speech never came near."""

MIN_CONFIDENCE_KNOWN_PHRASE = 0.8
"""Least confidence of phrases that the model is known to write for silence."""

# Measured on noises, hums, tones and clicks at -60 to -10 dBFS: 158 of 230 gave the bare word "You".
_ALWAYS_EMPTY = frozenset({"You"})
_KNOWN_PHRASES = frozenset({"you", "thank", "thank you", "thank you for watching", "thanks for watching", "bye"})
_MUSIC = frozenset("♪♫♬♩")


def remove_loop(tokens: Sequence[int], *, finished: bool) -> tuple[int, ...]:
    """If the tokens end in a loop, cut them after the first occurrence of the repeated phrase.

    Args:
        tokens: Tokens of the decoder.
        finished: Whether the decoder ended by itself. Then nothing is cut: a repetition that it left was speech (`no,
            no, no, no, that is wrong`).
    """
    if finished:
        return tuple(tokens)
    for width in range(1, LOOP_TOKENS + 1):
        # The last repetition may be incomplete, so any token of the phrase may be the last one.
        matching = 0
        while matching + width < len(tokens) and tokens[-1 - matching] == tokens[-1 - matching - width]:
            matching += 1
        if matching + width >= LOOP_REPEATS * width:
            return tuple(tokens[: len(tokens) - matching])
    return tuple(tokens)


def is_speech(words: Sequence[str], probabilities: Sequence[float], *, finished: bool) -> bool:
    """Whether the text of a segment is speech and may be shown.

    Args:
        words: The text.
        probabilities: Probability of each token, in 0..1.
        finished: Whether the decoder ended by itself.
    """
    text = " ".join(words)
    letters = [letter for letter in text if letter.isalpha()]
    if not any(letter.isalnum() for letter in text):
        return False
    if sum(map(_is_latin, letters)) < len(letters) * 0.8:
        return False
    confidence = geometric_mean(probabilities)
    if text in _ALWAYS_EMPTY or confidence < MIN_CONFIDENCE:
        return False
    if not finished and confidence < MIN_CONFIDENCE_TRUNCATED:
        return False
    return text.lower().rstrip(".!?,") not in _KNOWN_PHRASES or confidence >= MIN_CONFIDENCE_KNOWN_PHRASE


def is_music(word: str) -> bool:
    """Whether a word is only the symbol for music, which the model writes for tones and hums."""
    return set(word) <= _MUSIC


def geometric_mean(probabilities: Sequence[float]) -> float:
    """Geometric mean of probabilities, in 0..1; 0 for an empty sequence."""
    if not probabilities:
        return 0.0
    logs = [math.log(min(1.0, max(1e-9, probability))) for probability in probabilities]
    return math.exp(sum(logs) / len(logs))


def _is_latin(letter: str) -> bool:
    return letter < "\u0250" or "\u1e00" <= letter <= "\u1eff"
