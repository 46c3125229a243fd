"""Words that announce a secret are known from others like them."""

from __future__ import annotations

import pytest

from caesura.formatting.cues import CARD, CODE, EXPIRATION, SSN, cues
from tests.formatting.spoken import words


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("my credit card", CARD),
        ("the card's number", CARD),
        ("American Express", CARD),
        ("the CVV.", CODE),
        ("a C. V. V. please", CODE),
        ("your c.v.c. is", CODE),
        ("security code", CODE),
        ("the three digits on the back", CODE),
        ("it expires in", EXPIRATION),
        ("expiry", EXPIRATION),
        ("valid thru", EXPIRATION),
        ("social security number", SSN),
        ("my social is", SSN),
        ("what's your social?", SSN),
        ("last four of my social are", SSN),
        ("my SSN", SSN),
        ("S. S. N.", SSN),
        ("tax ID", SSN),
    ],
)
def test_a_cue_has_its_kind(sentence: str, kind: str) -> None:
    assert {cue.kind for cue in cues(words(sentence))} == {kind}


@pytest.mark.parametrize(
    "sentence", ["social media", "my social media", "a social club", "discard it", "good for me", ""]
)
def test_other_words_are_no_cue(sentence: str) -> None:
    assert cues(words(sentence)) == ()


def test_a_cue_tells_which_words_it_is() -> None:
    assert [(cue.first, cue.last) for cue in cues(words("the security code is"))] == [(1, 3)]
