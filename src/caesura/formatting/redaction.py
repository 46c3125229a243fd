"""PII redaction: finds secrets in written words and puts a tag in the place of each.

What counts as a secret, by kind (developers.deepgram.com/docs/redaction and decisions of this project):

- `pci`: card numbers, their expiration dates and their security codes. Any run of 13 digits or more is a card number,
  whether or not its check digit is right: recognisers confuse digits, and a tag too many is better than a leak. So are
  four digits or more after a word about cards; and shortly after a card number, anything that looks like a date or a
  code counts as one.
- `ssn`: nine digits, grouped 3-2-4 or otherwise, and three digits or more after words that announce them.
- `numbers`: three digits or more in a row, dates, and all of the above.
- `aggressive_numbers`: every number, and all of the above. The pronoun `one` (`this one`) is not a number.

A secret whose kind is known gets a tag with a number (`[SSN_1]`), any other number gets `[REDACTED]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from caesura.errors import UsageError
from caesura.formatting.digit_runs import digit_runs
from caesura.formatting.payments import payments
from caesura.formatting.pii_candidates import (
    PiiCandidate,
    PiiMessage,
    continued_number,
    incomplete_card,
    incomplete_number,
    incomplete_ssn,
    plain_numbers,
    social_security_numbers,
)
from caesura.words import Word, raw

PII_KINDS: Final = ("pci", "ssn", "numbers", "aggressive_numbers")
CONTEXT_WORDS: Final = 40
"""Greatest number of words of `before` that are considered."""
CONTEXT_S: Final = 20.0
"""Age, in seconds of audio, up to which words of `before` are considered."""


@dataclass(frozen=True, slots=True)
class PiiSpan:
    """The words `first`..`last` (exclusive) are a secret. `label` is its kind as in tags, such as `CREDIT_CARD`."""

    first: int
    last: int
    label: str


def find_pii(
    words: Sequence[Word], kinds: Sequence[str], *, before: Sequence[Word] = (), more: bool = False
) -> tuple[PiiSpan, ...]:
    """Find the secrets in words, in order, without overlap; the head of this file says what counts.

    Args:
        words: Words of one message, as they are written.
        kinds: Any of `PII_KINDS`, in any order.
        before: Words of earlier messages, not redacted. A card number is often spoken in groups with a pause after
            each, and every pause may end a message: with `before` a number is recognised from its seventh digit on
            (from its fourth with `ssn`), or at once if earlier words announce it.
        more: Whether words may follow. Then all digits at the end count as the beginning of a secret; otherwise only
            those grouped as card numbers and social security numbers are.

    Raises:
        UsageError: an unknown kind.
    """
    wanted = frozenset(kinds)
    if not wanted <= frozenset(PII_KINDS):
        raise UsageError(f"kinds: {sorted(wanted - frozenset(PII_KINDS))}; give any of {', '.join(PII_KINDS)}")
    if not words or not wanted:
        return ()
    remembered = tuple(word for word in before[-CONTEXT_WORDS:] if word.end >= words[0].start - CONTEXT_S)
    message = PiiMessage((*remembered, *words))
    candidates = [*_candidates(message, wanted, len(remembered)), *(incomplete_number(message) if more else ())]
    return tuple(_resolved(candidates, len(remembered), len(message.words)))


def redact(words: Sequence[Word], secrets: Sequence[PiiSpan]) -> tuple[Word, ...]:
    """Replace each secret by one word: its tag, with the punctuation that ended the secret.

    The word lasts from the start of the secret's first word to the end of its last, and its confidence is the least of
    theirs. Tags are numbered from 1 in each message and for each label; equal values get the same number.

    Args:
        words: Words of one message.
        secrets: Secrets in these words, from `find_pii`.
    """
    written: list[Word] = []
    values: dict[str, list[str]] = {}
    at = 0
    for secret in secrets:
        hidden = words[secret.first : secret.last]
        ending = _ENDING.search(hidden[-1].text)
        text = _tag(secret.label, hidden, values) + (ending[0] if ending else "")
        written += words[at : secret.first]
        confidence = min(word.confidence for word in hidden)
        written.append(replace(hidden[0], text=text, end=hidden[-1].end, confidence=confidence))
        at = secret.last
    return (*written, *words[at:])


def _candidates(message: PiiMessage, wanted: frozenset[str], begin: int) -> Iterator[PiiCandidate]:
    every = not wanted.isdisjoint(("numbers", "aggressive_numbers"))
    if every or "pci" in wanted:
        yield from payments(message)
        yield from continued_number(message, begin, least=7)
        yield from incomplete_card(message)
    if every or "ssn" in wanted:
        yield from social_security_numbers(message)
        yield from continued_number(message, begin, least=4)
        yield from incomplete_ssn(message)
    if every:
        yield from plain_numbers(message, least=1 if "aggressive_numbers" in wanted else 3)


def _resolved(candidates: Sequence[PiiCandidate], begin: int, end: int) -> Iterator[PiiSpan]:
    """Assign each word to the candidate with the lowest rank; every word of every candidate stays covered."""
    owners: dict[int, PiiCandidate] = {}
    for candidate in sorted(
        candidates, key=lambda candidate: (candidate.rank, candidate.first - candidate.last, candidate.first)
    ):
        for at in range(candidate.first, candidate.last):
            owners.setdefault(at, candidate)
    first = begin
    for at in range(begin, end):
        if at in owners and (at + 1 == end or owners.get(at + 1) is not owners[at]):
            yield PiiSpan(first - begin, at + 1 - begin, owners[at].label)
        if owners.get(at + 1) is not owners.get(at):
            first = at + 1


def _tag(label: str, hidden: Sequence[Word], values: dict[str, list[str]]) -> str:
    if label == "REDACTED":
        return "[REDACTED]"
    digits = "".join(run.digits for run in digit_runs(hidden, loosely=True))
    value = digits or " ".join(raw(word.text) for word in hidden)
    known = values.setdefault(label, [])
    if value not in known:
        known.append(value)
    return f"[{label}_{known.index(value) + 1}]"


_ENDING = re.compile(r"[.,;:!?…。、！？]+$")  # noqa: RUF001  # typographic on purpose
