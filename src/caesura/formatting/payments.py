"""Finds card numbers, their expiration dates and their security codes, as candidates for redaction."""

from __future__ import annotations

from collections.abc import Iterator

from caesura.formatting.cards import LONGEST, SHORTEST, card_in, luhn
from caesura.formatting.digit_runs import DigitGroup, DigitRun
from caesura.formatting.pii_candidates import REACH, REACH_BACK, PiiCandidate, PiiMessage, after_trigger
from caesura.formatting.pii_dates import after_month, is_month_and_year
from caesura.formatting.pii_triggers import CARD, CODE, EXPIRATION
from caesura.formatting.spoken_tokens import is_month

CARD_LABEL = "CREDIT_CARD"
EXPIRATION_LABEL = "CREDIT_CARD_EXPIRATION"
CODE_LABEL = "CVV"
MOST_GROUPS = 6
SCATTER = 4
"""Most unrelated words between two groups of a card number."""


def payments(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Find card numbers, and the expiration dates and security codes that belong to them."""
    yield from after_trigger(message, CARD, CARD_LABEL, rank=4, least=4, complete=SHORTEST)
    yield from after_trigger(message, CODE, CODE_LABEL, rank=3, least=2, complete=3)
    yield from _expirations(message)
    yield from _scattered(message)
    for run in message.dictated:
        if (card := card_in(run.groups)) is not None:
            yield from _card(message, run, *card)
            yield from _after_card(message, run.groups[card[1] - 1].last)


def _card(message: PiiMessage, run: DigitRun, first: int, last: int) -> Iterator[PiiCandidate]:
    """The card number among the groups of a run, as candidates that cover the other groups of the run too."""
    number = run.groups[first:last]
    yield PiiCandidate(0, number[0].first, number[-1].last, CARD_LABEL)
    for group in (*run.groups[:first], *run.groups[last:]):
        yield PiiCandidate(1, group.first, group.last, _label(message, group) or "REDACTED")


def _after_card(message: PiiMessage, at: int) -> Iterator[PiiCandidate]:
    """Dates and codes shortly after a card number that ends at `at`."""
    for run in message.dictated:
        if at <= run.first <= at + REACH and _is_date_and_code(run.digits) and not message.is_amount(run):
            for group in run.groups:
                yield PiiCandidate(6, group.first, group.last, _label(message, group) or EXPIRATION_LABEL)
    for month in range(at, min(at + REACH, len(message.words))):
        year = message.groups.get(month + 1)
        if year is not None and len(year.digits) in (2, 4) and is_month(message.words[month].text):
            yield PiiCandidate(6, month, year.last, EXPIRATION_LABEL)
            code = message.groups.get(year.last)
            if code is not None and len(code.digits) in (3, 4):
                yield PiiCandidate(6, code.first, code.last, CODE_LABEL)


def _is_date_and_code(digits: str) -> bool:
    return len(digits) in (3, 4) or (len(digits) <= 10 and is_month_and_year(digits[:4]))


def _label(message: PiiMessage, group: DigitGroup) -> str | None:
    has_slash = "/" in message.words[group.first].text
    if is_month_and_year(group.digits) and (has_slash or len(group.digits) > 3):
        return EXPIRATION_LABEL
    return CODE_LABEL if len(group.digits) in (3, 4) else None


def _expirations(message: PiiMessage) -> Iterator[PiiCandidate]:
    """First date after each word of expiration, and the one right before it."""
    for trigger in message.triggers:
        if trigger.kind != EXPIRATION:
            continue
        for at in range(trigger.last, min(trigger.last + REACH, len(message.words))):
            if (last := _end_of_date(message, at)) is not None:
                yield PiiCandidate(3, at, last, EXPIRATION_LABEL)
                break
        for run in message.dictated:
            if 0 <= trigger.first - run.last <= REACH_BACK and is_month_and_year(run.digits):
                yield PiiCandidate(3, run.first, run.last, EXPIRATION_LABEL)


def _end_of_date(message: PiiMessage, at: int) -> int | None:
    if is_month(message.words[at].text):
        return after_month(message.words, at, message.groups)
    run = next((run for run in message.dictated if run.first == at), None)
    return run.last if run is not None and len(run.digits) < SHORTEST else None


def _scattered(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Card numbers with unrelated words between their groups, which only the check digit reveals."""
    for at in range(len(message.dictated)):
        groups: list[DigitRun] = []
        for run in message.dictated[at : at + MOST_GROUPS]:
            if groups and run.first - groups[-1].last > SCATTER:
                break
            groups.append(run)
            digits = "".join(group.digits for group in groups)
            if len(groups) > 1 and SHORTEST <= len(digits) <= LONGEST and digits[0] in "23456" and luhn(digits):
                yield from (PiiCandidate(2, group.first, group.last, CARD_LABEL) for group in groups)
