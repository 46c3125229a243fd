"""Trigger phrases are distinguished from similar words."""

from __future__ import annotations

import pytest

from caesura.formatting.pii_triggers import CARD, CODE, EXPIRATION, SSN, find_triggers
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
def test_a_trigger_has_its_kind(sentence: str, kind: str) -> None:
    assert {trigger.kind for trigger in find_triggers(words(sentence))} == {kind}


@pytest.mark.parametrize(
    "sentence", ["social media", "my social media", "a social club", "discard it", "good for me", ""]
)
def test_other_words_are_no_trigger(sentence: str) -> None:
    assert find_triggers(words(sentence)) == ()


def test_a_trigger_has_the_range_of_its_words() -> None:
    assert [(trigger.first, trigger.last) for trigger in find_triggers(words("the security code is"))] == [(1, 3)]
