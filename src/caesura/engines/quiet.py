"""What Whisper wrote and what it thinks of it, in; whether somebody can have said that, out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from caesura.engines.base import Term
from caesura.engines.doubt import LEAST_CONFIDENCE_CUT, LEAST_CONFIDENCE_HABIT, geometric_mean
from caesura.words import Word

NO_SPEECH: Final = 0.6
LEAST_LOGPROB: Final = -1.0
MOST_REPETITIVE: Final = 2.4
"""Whisper's own thresholds (section 4.5 of its paper): nobody speaks; the text is doubtful; the text is a loop."""

OPENING: Final = "\"'“¿([{-"
CLOSING: Final = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001  # what Whisper writes

# What Whisper has learnt from subtitles to write where nobody speaks.
_HABITS = frozenset(
    {
        "you",
        "bye",
        "thank you",
        "thank you very much",
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "vielen dank",
        "vielen dank fürs zuschauen",
        "merci",
        "gracias",
        "ご視聴ありがとうございました",
        "продолжение следует",
        "谢谢观看",
        "시청해주셔서 감사합니다",
    }
)
_CREDITS = ("amara.org", "zdf, 2020", "dimatorzok")


@dataclass(frozen=True, slots=True)
class Reading:
    """What the decoder wrote: text tokens, whether it ended by itself, and what it thinks of it."""

    tokens: tuple[int, ...]
    finished: bool
    logprob: float
    """The mean over the tokens and their end."""
    no_speech: float


def is_speech(words: Sequence[Word], reading: Reading, terms: Sequence[Term] = ()) -> bool:
    """Whether what was read out of a segment may be shown.

    Not shown is: nothing but signs; what the network itself takes for silence and doubts; a text that never ended and
    is doubtful; what Whisper is in the habit of writing into silence, unless it is sure; an echo of all its terms.
    """
    text = " ".join(word.text for word in words)
    if not any(letter.isalnum() for letter in text):
        return False
    silent = reading.no_speech > NO_SPEECH
    if silent and reading.logprob < LEAST_LOGPROB:
        return False
    confidence = geometric_mean([word.confidence for word in words])
    if not reading.finished and confidence < LEAST_CONFIDENCE_CUT:
        return False
    plain = text.casefold().strip(OPENING + CLOSING + " ")
    if any(credit in plain for credit in _CREDITS):
        return False
    if plain in _HABITS:
        return confidence >= LEAST_CONFIDENCE_HABIT and not silent
    preferred = {term.text.casefold() for term in terms if term.weight > 0}
    return len(preferred) < 2 or {part.strip() for part in plain.split(",")} != preferred
