"""Finds trigger phrases, which announce a card number, a security code or a social security number."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from caesura.formatting.spoken_tokens import TokenKind, digits_of, kind_of
from caesura.words import Word, raw

CARD = "card"
EXPIRATION = "expiration"
CODE = "code"
SSN = "ssn"


@dataclass(frozen=True, slots=True)
class PiiTrigger:
    """The words `first`..`last` (exclusive) announce a secret of `kind`, or name the one just spoken."""

    kind: str
    first: int
    last: int


def find_triggers(words: Sequence[Word]) -> tuple[PiiTrigger, ...]:
    """Find the trigger phrases in words, in their order."""
    spoken = [raw(word.text).replace(".", "") for word in words]
    return tuple(trigger for at in range(len(words)) if (trigger := _trigger(spoken, words, at)) is not None)


def _trigger(spoken: Sequence[str], words: Sequence[Word], at: int) -> PiiTrigger | None:
    for phrase, kind in _PHRASES.get(spoken[at], ()):
        last = at + len(phrase)
        if tuple(spoken[at:last]) == phrase:
            return None if _is_of_social_security(kind, spoken, at) else PiiTrigger(kind, at, last)
    word = spoken[at].removesuffix("'s")
    if word in _WORDS:
        return PiiTrigger(_WORDS[word], at, at + 1)
    if word.startswith("expir"):
        return PiiTrigger(EXPIRATION, at, at + 1)
    if word == "social" and _is_a_number(spoken, words, at):
        return PiiTrigger(SSN, at, at + 1)
    return None


def _is_of_social_security(kind: str, spoken: Sequence[str], at: int) -> bool:
    return kind == CODE and at > 0 and spoken[at - 1] == "social"


def _is_a_number(spoken: Sequence[str], words: Sequence[Word], at: int) -> bool:
    """Whether `social` means the number: `my social is ...` does, `social media` does not."""
    if at + 1 == len(spoken) or re.search(r"[.?!,:;]$", words[at].text):
        return True
    after = spoken[at + 1]
    if after in _AFTER_SOCIAL or kind_of(after) in _BEGINS_NUMBER or digits_of(after):
        return True
    return at > 0 and spoken[at - 1] in _WHOSE and after not in _SOCIAL_THINGS


_WORDS = MappingProxyType(
    dict.fromkeys(("card", "cards", "visa", "mastercard", "amex", "maestro"), CARD)
    | dict.fromkeys(("cvv", "cvc", "cvv2", "cvc2", "cvn", "ccv", "csc", "cid", "cv"), CODE)
    | dict.fromkeys(("ssn", "ssns", "itin"), SSN)
    | {"exp": EXPIRATION}
)
_AFTER_SOCIAL = frozenset({"security", "insurance", "number", "is", "was", "it's", "its", "please"})
_BEGINS_NUMBER = frozenset({TokenKind.DIGIT, TokenKind.ZERO, TokenKind.REPEAT})
_WHOSE = frozenset({"my", "your", "his", "her", "their", "full", "whole", "entire"})
_SOCIAL_THINGS = frozenset({"media", "network", "networks", "life", "circle", "worker", "workers", "club", "skills"})
# First word -> the words that follow it and the kind of secret; the longest phrase first.
_PHRASES = MappingProxyType(
    {
        "american": ((("american", "express"), CARD),),
        "c": ((("c", "v", "v"), CODE), (("c", "v", "c"), CODE), (("c", "c", "v"), CODE), (("c", "v"), CODE)),
        "security": ((("security", "code"), CODE), (("security", "number"), CODE)),
        "verification": (
            (("verification", "code"), CODE),
            (("verification", "number"), CODE),
            (("verification", "value"), CODE),
        ),
        "on": ((("on", "the", "back"), CODE), (("on", "the", "reverse"), CODE)),
        "s": ((("s", "s", "n"), SSN),),
        "tax": ((("tax", "id"), SSN), (("tax", "number"), SSN)),
        "taxpayer": ((("taxpayer", "id"), SSN), (("taxpayer", "identification"), SSN), (("taxpayer", "number"), SSN)),
        "valid": (
            (("valid", "thru"), EXPIRATION),
            (("valid", "through"), EXPIRATION),
            (("valid", "until"), EXPIRATION),
        ),
        "good": ((("good", "thru"), EXPIRATION), (("good", "through"), EXPIRATION)),
    }
)
