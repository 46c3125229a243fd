"""Written words in; where secrets are in them, and the words with a tag in place of each secret, out.

What counts, by kind (developers.deepgram.com/docs/redaction), and what we decided:

- `pci`: card numbers, their expiration dates and their security codes. Any run of 13 digits or more is a card number,
  whether or not its check digit is right: recognisers mishear digits, and a tag too many is better than a leak. So are
  four digits or more after a word of cards; and soon after a card number, what looks like a date or a code is one.
- `ssn`: nine digits, the groups 3-2-4 among others, and three digits or more after words that announce them.
- `numbers`: three digits or more in a row, dates, and all of the above.
- `aggressive_numbers`: every number, and all of the above. `One` is none where it stands for a thing (`this one`).

What is known for what it is gets a tag with a number (`[SSN_1]`), what is only a number gets `[REDACTED]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from caesura.errors import UsageError
from caesura.formatting.digit_runs import digit_runs
from caesura.formatting.payments import payments
from caesura.formatting.suspects import (
    Reading,
    Suspect,
    begun_card,
    begun_social,
    carried_on,
    numbers,
    social,
    unfinished,
)
from caesura.words import Word, raw

KINDS: Final = ("pci", "ssn", "numbers", "aggressive_numbers")
MEMORY_WORDS: Final = 40
"""No more words of `before` are of use."""
MEMORY_S: Final = 20.0
"""Nor any that ended longer before, in seconds of audio."""


@dataclass(frozen=True, slots=True)
class Secret:
    """The words `first`..`last` (exclusive) are a secret of the kind `label`, as tags name it: `CREDIT_CARD`."""

    first: int
    last: int
    label: str


def secrets(
    words: Sequence[Word], kinds: Sequence[str], *, before: Sequence[Word] = (), more: bool = False
) -> tuple[Secret, ...]:
    """The secrets in `words`, in their order and apart from each other; see the head of this file for what counts.

    Args:
        words: As they are written, one message of them.
        kinds: Of `KINDS`, any number of them in any order.
        before: What was written in the messages before, with its secrets in it. A card number is often told in groups
            with a pause after each, and every pause may end a message: with `before` a number is known for what it is
            from its seventh digit on (from its fourth with `ssn`), or at once where words before announce it.
        more: These words are not final. Figures at the end may then be the beginning of a secret, and count as one;
            otherwise those do that are in groups as card numbers and social security numbers are.

    Raises:
        UsageError: a kind that there is not.
    """
    wanted = frozenset(kinds)
    if not wanted <= frozenset(KINDS):
        raise UsageError(f"kinds: {sorted(wanted - frozenset(KINDS))}; give any of {', '.join(KINDS)}")
    if not words or not wanted:
        return ()
    remembered = tuple(word for word in before[-MEMORY_WORDS:] if word.end >= words[0].start - MEMORY_S)
    reading = Reading((*remembered, *words))
    suspects = [*_suspects(reading, wanted, len(remembered)), *(unfinished(reading) if more else ())]
    return tuple(_settled(suspects, len(remembered), len(reading.words)))


def redacted(words: Sequence[Word], secrets: Sequence[Secret]) -> tuple[Word, ...]:
    """`words` with one word in place of each secret: its tag, and the punctuation that ended it.

    It lasts from the start of the secret's first word to the end of its last, and its confidence is the least of
    theirs. Tags count from 1 in each message and for each label; the same value has the same number.

    Args:
        words: A message's.
        secrets: Of these words, as `secrets` tells them.
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


def _suspects(reading: Reading, wanted: frozenset[str], begin: int) -> Iterator[Suspect]:
    every = not wanted.isdisjoint(("numbers", "aggressive_numbers"))
    if every or "pci" in wanted:
        yield from payments(reading)
        yield from carried_on(reading, begin, least=7)
        yield from begun_card(reading)
    if every or "ssn" in wanted:
        yield from social(reading)
        yield from carried_on(reading, begin, least=4)
        yield from begun_social(reading)
    if every:
        yield from numbers(reading, least=1 if "aggressive_numbers" in wanted else 3)


def _settled(suspects: Sequence[Suspect], begin: int, end: int) -> Iterator[Secret]:
    """Each word belongs to the suspect that is believed most; no suspected word is let go."""
    owners: dict[int, Suspect] = {}
    for suspect in sorted(suspects, key=lambda suspect: (suspect.rank, suspect.first - suspect.last, suspect.first)):
        for at in range(suspect.first, suspect.last):
            owners.setdefault(at, suspect)
    first = begin
    for at in range(begin, end):
        if at in owners and (at + 1 == end or owners.get(at + 1) is not owners[at]):
            yield Secret(first - begin, at + 1 - begin, owners[at].label)
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
