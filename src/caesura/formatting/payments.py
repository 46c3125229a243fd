"""A message's words in; what in them may be a card number, its expiration date or its security code, out."""

from __future__ import annotations

from collections.abc import Iterator

from caesura.formatting.cards import LONGEST, SHORTEST, card_in, luhn
from caesura.formatting.cues import CARD, CODE, EXPIRATION
from caesura.formatting.digit_runs import DigitGroup, DigitRun
from caesura.formatting.pii_dates import after_month, is_month_and_year
from caesura.formatting.spoken_tokens import is_month
from caesura.formatting.suspects import REACH, REACH_BACK, Reading, Suspect, announced

CARD_LABEL = "CREDIT_CARD"
EXPIRATION_LABEL = "CREDIT_CARD_EXPIRATION"
CODE_LABEL = "CVV"
MOST_GROUPS = 6
SCATTER = 4
"""Other words between two groups of a card number."""


def payments(reading: Reading) -> Iterator[Suspect]:
    """Card numbers, and the dates and codes that belong to cards."""
    yield from announced(reading, CARD, CARD_LABEL, rank=4, least=4, complete=SHORTEST)
    yield from announced(reading, CODE, CODE_LABEL, rank=3, least=2, complete=3)
    yield from _expirations(reading)
    yield from _scattered(reading)
    for run in reading.dictated:
        if (card := card_in(run.groups)) is not None:
            yield from _card(reading, run, *card)
            yield from _after_card(reading, run.groups[card[1] - 1].last)


def _card(reading: Reading, run: DigitRun, first: int, last: int) -> Iterator[Suspect]:
    """The number among the groups of a run; what was said in the same breath goes with it."""
    number = run.groups[first:last]
    yield Suspect(0, number[0].first, number[-1].last, CARD_LABEL)
    for group in (*run.groups[:first], *run.groups[last:]):
        yield Suspect(1, group.first, group.last, _label(reading, group) or "REDACTED")


def _after_card(reading: Reading, at: int) -> Iterator[Suspect]:
    """What looks like a date or a code soon after a number that ends at `at`."""
    for run in reading.dictated:
        if at <= run.first <= at + REACH and _is_date_and_code(run.digits) and not reading.is_amount(run):
            for group in run.groups:
                yield Suspect(6, group.first, group.last, _label(reading, group) or EXPIRATION_LABEL)
    for month in range(at, min(at + REACH, len(reading.words))):
        year = reading.groups.get(month + 1)
        if year is not None and len(year.digits) in (2, 4) and is_month(reading.words[month].text):
            yield Suspect(6, month, year.last, EXPIRATION_LABEL)
            code = reading.groups.get(year.last)
            if code is not None and len(code.digits) in (3, 4):
                yield Suspect(6, code.first, code.last, CODE_LABEL)


def _is_date_and_code(digits: str) -> bool:
    return len(digits) in (3, 4) or (len(digits) <= 10 and is_month_and_year(digits[:4]))


def _label(reading: Reading, group: DigitGroup) -> str | None:
    told_apart = "/" in reading.words[group.first].text
    if is_month_and_year(group.digits) and (told_apart or len(group.digits) > 3):
        return EXPIRATION_LABEL
    return CODE_LABEL if len(group.digits) in (3, 4) else None


def _expirations(reading: Reading) -> Iterator[Suspect]:
    """The first date after each word of expiring, or the one right before it."""
    for cue in reading.cues:
        if cue.kind != EXPIRATION:
            continue
        for at in range(cue.last, min(cue.last + REACH, len(reading.words))):
            if (last := _end_of_date(reading, at)) is not None:
                yield Suspect(3, at, last, EXPIRATION_LABEL)
                break
        for run in reading.dictated:
            if 0 <= cue.first - run.last <= REACH_BACK and is_month_and_year(run.digits):
                yield Suspect(3, run.first, run.last, EXPIRATION_LABEL)


def _end_of_date(reading: Reading, at: int) -> int | None:
    if is_month(reading.words[at].text):
        return after_month(reading.words, at, reading.groups)
    run = next((run for run in reading.dictated if run.first == at), None)
    return run.last if run is not None and len(run.digits) < SHORTEST else None


def _scattered(reading: Reading) -> Iterator[Suspect]:
    """A number in groups with words between them that nobody says in a number: only its check digit tells."""
    for at in range(len(reading.dictated)):
        groups: list[DigitRun] = []
        for run in reading.dictated[at : at + MOST_GROUPS]:
            if groups and run.first - groups[-1].last > SCATTER:
                break
            groups.append(run)
            digits = "".join(group.digits for group in groups)
            if len(groups) > 1 and SHORTEST <= len(digits) <= LONGEST and digits[0] in "23456" and luhn(digits):
                yield from (Suspect(2, group.first, group.last, CARD_LABEL) for group in groups)
