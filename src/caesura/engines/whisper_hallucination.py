"""Hallucination filter for Whisper, from decoder statistics and known phrases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from caesura.engines.base import Term
from caesura.engines.hallucination import MIN_CONFIDENCE_KNOWN_PHRASE, MIN_CONFIDENCE_TRUNCATED, geometric_mean
from caesura.words import Word

NO_SPEECH_THRESHOLD: Final = 0.6
LOGPROB_THRESHOLD: Final = -1.0
COMPRESSION_RATIO_THRESHOLD: Final = 2.4
"""Whisper's own thresholds (section 4.5 of its paper) for silence, uncertain text, and loops."""

OPENING_PUNCTUATION: Final = "\"'“¿([{-"
CLOSING_PUNCTUATION: Final = "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001  # what Whisper writes

# Phrases that Whisper has learnt from subtitles, and writes for silence.
_KNOWN_PHRASES = frozenset(
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
class DecoderOutput:
    """Output of the decoder: text tokens, whether it ended by itself, and its statistics."""

    tokens: tuple[int, ...]
    finished: bool
    logprob: float
    """Mean log-probability of the tokens, the end token included."""
    no_speech: float
    """Probability that there is no speech."""


def is_speech(words: Sequence[Word], output: DecoderOutput, terms: Sequence[Term] = ()) -> bool:
    """Whether the text of a segment is speech and may be shown.

    It is not speech if it contains no letter or digit; if the network considers the audio silent and the text is
    uncertain; if the decoder never ended and is uncertain; if it is a phrase known from silence, unless the decoder is
    certain; or if it only repeats all terms of the prompt.
    """
    text = " ".join(word.text for word in words)
    if not any(letter.isalnum() for letter in text):
        return False
    silent = output.no_speech > NO_SPEECH_THRESHOLD
    if silent and output.logprob < LOGPROB_THRESHOLD:
        return False
    confidence = geometric_mean([word.confidence for word in words])
    if not output.finished and confidence < MIN_CONFIDENCE_TRUNCATED:
        return False
    plain = text.casefold().strip(OPENING_PUNCTUATION + CLOSING_PUNCTUATION + " ")
    if any(credit in plain for credit in _CREDITS):
        return False
    if plain in _KNOWN_PHRASES:
        return confidence >= MIN_CONFIDENCE_KNOWN_PHRASE and not silent
    preferred = {term.text.casefold() for term in terms if term.weight > 0}
    return len(preferred) < 2 or {part.strip() for part in plain.split(",")} != preferred
