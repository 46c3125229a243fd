"""The hallucination filter for Whisper: text written into silence is dropped, and speech stays."""

from __future__ import annotations

import pytest

from caesura.engines.base import Term
from caesura.engines.whisper_hallucination import DecoderOutput, is_speech
from caesura.words import Word


def words(line: str, confidence: float = 0.9) -> list[Word]:
    return [Word(each, 0.0, 0.0, confidence) for each in line.split()]


SURE = DecoderOutput((1, 2), finished=True, logprob=-0.1, no_speech=0.0)


@pytest.mark.parametrize(
    ("line", "confidence", "output", "shown"),
    [
        ("Hello.", 0.9, SURE, True),
        ("Hello.", 0.1, SURE, True),
        ("...", 0.9, SURE, False),
        ("♪ ♪", 0.9, SURE, False),
        ("", 0.9, SURE, False),
        ("Thank you.", 0.9, SURE, True),
        ("Thank you.", 0.7, SURE, False),
        ("Thanks for watching!", 0.7, SURE, False),
        ("Thank you all.", 0.7, SURE, True),
        ("Untertitel der Amara.org-Community", 0.99, SURE, False),
        ("ご視聴ありがとうございました。", 0.7, SURE, False),
        ("Hello.", 0.9, DecoderOutput((1,), True, -1.1, 0.7), False),
        ("Hello.", 0.9, DecoderOutput((1,), True, -0.9, 0.7), True),
        ("Hello.", 0.9, DecoderOutput((1,), True, -1.1, 0.5), True),
        ("Thank you.", 0.9, DecoderOutput((1,), True, -0.9, 0.7), False),
        ("Hello.", 0.9, DecoderOutput((1,), False, -0.1, 0.0), True),
        ("Hello.", 0.5, DecoderOutput((1,), False, -0.1, 0.0), False),
    ],
)
def test_speech_is_distinguished_from_hallucinations(
    line: str, confidence: float, output: DecoderOutput, shown: bool
) -> None:
    assert is_speech(words(line, confidence), output) is shown


def test_an_echo_of_all_terms_is_not_speech() -> None:
    """Whisper may repeat its prompt for silence."""
    terms = (Term("Caesura"), Term("Anna Bell"), Term("not this", -1.0))
    assert not is_speech(words("Caesura, Anna Bell."), SURE, terms)
    assert is_speech(words("Caesura."), SURE, terms)
    assert is_speech(words("Caesura."), SURE, (Term("Caesura"),))
