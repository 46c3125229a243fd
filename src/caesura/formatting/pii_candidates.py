"""Candidates for redaction: stretches of words that may be a secret, each with a label and a rank."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caesura.formatting.digit_runs import MOST_JOINERS, DigitRun, both_digit_runs, digit_runs
from caesura.formatting.pii_dates import dates
from caesura.formatting.pii_triggers import SSN, PiiTrigger, find_triggers
from caesura.words import Word, raw

REACH = 12
"""Most words between a trigger phrase and the digits that follow it."""
REACH_BACK = 5
"""Most words between digits and a trigger phrase after them."""

CARD_FRAGMENT_DIGITS = range(7, 13)
"""Numbers of digits at the end of a final that reveal too much of a card; the first six only identify the issuer."""
SSN_FRAGMENT_DIGITS = range(5, 9)
CALL_REACH = 6
"""Number of words before a number that are searched for `call`, `phone` and the like."""


@dataclass(frozen=True, slots=True)
class PiiCandidate:
    """The words `first`..`last` (exclusive) may be a secret.

    Of two candidates over the same words the one with the lower rank wins.
    """

    rank: int
    first: int
    last: int
    label: str


class PiiMessage:
    """Words of a message, with their digit runs and trigger phrases found once for all kinds of secrets."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.dictated, self.counted = both_digit_runs(words)
        """Digit runs of both kinds: loose, as in dictation, and with nothing between their groups."""
        self.triggers = find_triggers(words)
        self.groups = {group.first: group for run in self.dictated for group in run.groups}

    def raw(self, at: int) -> str:
        """Raw word at `at`; empty beyond the ends."""
        return raw(self.words[at].text) if 0 <= at < len(self.words) else ""

    def is_amount(self, run: DigitRun) -> bool:
        """Whether a run is money or a percentage, and too short to be a secret nevertheless."""
        if len(run.digits) >= 9:
            return False
        if len(run.groups) == 1 and self.raw(run.last) in _UNITS:
            return True
        return all(_is_signed(self.words[group.first].text) for group in run.groups)


def after_trigger(
    message: PiiMessage, kind: str, label: str, *, rank: int, least: int, complete: int
) -> Iterator[PiiCandidate]:
    """Find the digits after each trigger phrase, up to the length of the secret, and those right before it.

    Args:
        message: The words.
        kind: Kind of the trigger phrase.
        label: Label of all candidates.
        rank: Rank of what follows a trigger; what precedes one ranks one lower.
        least: Fewest digits in the first run that may be the secret.
        complete: Number of digits in the whole secret.
    """
    triggers = [trigger for trigger in message.triggers if trigger.kind == kind]
    near, gathered = None, 0
    for run in message.dictated:
        opened = [trigger.last for trigger in triggers if trigger.last <= run.first]
        if opened and (near is None or opened[-1] > near):
            near, gathered = opened[-1], 0
        if message.is_amount(run):
            continue
        within = near is not None and run.first - near <= REACH and gathered < complete
        if within and len(run.digits) >= (1 if gathered else least):
            yield PiiCandidate(rank, run.first, run.last, label)
            near, gathered = run.last, gathered + len(run.digits)
        elif len(run.digits) >= max(least, 3) and _is_named_after(message, run, triggers):
            yield PiiCandidate(rank + 1, run.first, run.last, label)


def social_security_numbers(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Find social security numbers, and digits that a trigger phrase announces as one, even if only its last four."""
    yield from after_trigger(message, SSN, "SSN", rank=3, least=3, complete=9)
    for run in message.dictated:
        if len(run.digits) == 9:
            yield PiiCandidate(5, run.first, run.last, "SSN")
        lengths = [len(group.digits) for group in run.groups]
        for at in range(len(lengths) - 2):
            if lengths[at : at + 3] == [3, 2, 4]:
                yield PiiCandidate(2, run.groups[at].first, run.groups[at + 2].last, "SSN")
        for group in run.groups:
            if _GROUPED.search(unicodedata.normalize("NFKC", message.words[group.first].text)):
                yield PiiCandidate(2, group.first, group.last, "SSN")


def plain_numbers(message: PiiMessage, least: int) -> Iterator[PiiCandidate]:
    """Find runs of `least` digits and more, telephone numbers, and dates."""
    for first, last in dates(message.words, message.counted):
        yield PiiCandidate(8, first, last, "DATE")
    for run in message.counted:
        if _is_telephone(run, message.words[run.first].text):
            yield PiiCandidate(7, run.first, run.last, "PHONE_NUMBER")
        elif len(run.digits) >= least and not _is_pronoun(message, run):
            yield PiiCandidate(9, run.first, run.last, "REDACTED")


def incomplete_number(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Find digits at the end, which later words may continue."""
    if (run := _trailing(message)) is not None:
        yield PiiCandidate(9, run.first, run.last, "REDACTED")


def incomplete_card(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Find digits at the end that may begin a card number: in groups of four, digit by digit, or many in any groups."""
    run = _trailing(message)
    if run is None or message.is_amount(run) or len(run.digits) < 4:
        return
    group_lengths = [len(group.digits) for group in run.groups]
    like_ssn = group_lengths == [3, 2, 4] or _GROUPED.search(message.words[run.first].text) is not None
    if (
        len(run.digits) in CARD_FRAGMENT_DIGITS
        and _is_contiguous(run)
        and not like_ssn
        and not _is_announced_as_phone(message, run)
    ):
        yield PiiCandidate(9, run.first, run.last, "REDACTED")
        return
    plain = all(message.raw(group.first).isdigit() or group.last - group.first > 1 for group in run.groups)
    lengths = {len(group.digits) for group in run.groups}
    if lengths == {1} or (lengths == {4} and plain and not _YEAR.fullmatch(run.digits)):
        yield PiiCandidate(9, run.first, run.last, "REDACTED")


def incomplete_ssn(message: PiiMessage) -> Iterator[PiiCandidate]:
    """Find digits at the end that may be the first two groups of a social security number, or most of one."""
    run = _trailing(message)
    if run is None or message.is_amount(run):
        return
    grouped = [len(group.digits) for group in run.groups] == [3, 2]
    if grouped or (
        len(run.digits) in SSN_FRAGMENT_DIGITS and _is_contiguous(run) and not _is_announced_as_phone(message, run)
    ):
        yield PiiCandidate(9, run.first, run.last, "REDACTED")


def continued_number(message: PiiMessage, at: int, least: int) -> Iterator[PiiCandidate]:
    """Find runs of `least` digits and more that begin before the word `at` and continue there."""
    for run in message.dictated:
        if run.first < at < run.last and len(run.digits) >= least:
            yield PiiCandidate(9, run.first, run.last, "REDACTED")


def _is_contiguous(run: DigitRun) -> bool:
    """Whether nothing stands between the groups of a run."""
    return all(one.last == other.first for one, other in itertools.pairwise(run.groups))


def _is_announced_as_phone(message: PiiMessage, run: DigitRun) -> bool:
    """Whether the words before a run announce it as a telephone number: `call me at 555 123 4567`."""
    before = range(max(run.first - CALL_REACH, 0), run.first)
    return any(message.raw(at) in _CALLS for at in before)


def _is_signed(text: str) -> bool:
    return any(unicodedata.category(char) == "Sc" or char == "%" for char in text)


def _is_named_after(message: PiiMessage, run: DigitRun, triggers: Sequence[PiiTrigger]) -> bool:
    """Whether a trigger phrase after a run names it: `6789 is my social`; not the 25 in `25, social 123-45-6789`."""
    for trigger in triggers:
        if 0 <= trigger.first - run.last <= REACH_BACK:
            says_so = any(message.raw(at) in _COPULAS for at in range(run.last, trigger.first))
            if says_so or not any(
                trigger.last <= other.first <= trigger.last + REACH_BACK for other in message.dictated
            ):
                return True
    return False


def _trailing(message: PiiMessage) -> DigitRun | None:
    """Digits at the end that a digit right after would continue."""
    end = len(message.words)
    if not message.dictated or end - message.dictated[-1].last > MOST_JOINERS:
        return None
    run = digit_runs((*message.words, Word("0", 0.0, 0.0, 0.0)), loosely=True)[-1]
    groups = tuple(group for group in run.groups if group.first < end)
    return DigitRun(groups) if groups else None


def _is_telephone(run: DigitRun, text: str) -> bool:
    digits, lengths = run.digits, [len(group.digits) for group in run.groups]
    if text.startswith("+"):
        return 8 <= len(digits) <= 15
    national = len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")
    return national or (len(digits) == 7 and (lengths == [3, 4] or _LOCAL.search(text) is not None))


def _is_pronoun(message: PiiMessage, run: DigitRun) -> bool:
    """Whether `one` is a pronoun and not a number: `this one`, `no one`, `one of them`."""
    if run.last - run.first > 1 or message.raw(run.first) != "one":
        return False
    return message.raw(run.first - 1) in _DETERMINERS or message.raw(run.last) in ("of", "another")


_GROUPED = re.compile(r"(?<!\d)\d{3}\D\d{2}\D\d{4}(?!\d)")
_YEAR = re.compile("(19|20)[0-9]{2}")
_LOCAL = re.compile(r"(?<!\d)\d{3}-\d{4}(?!\d)")
_CALLS = frozenset(
    {"call", "phone", "telephone", "cell", "mobile", "fax", "reach", "dial", "text", "extension", "callback"}
)
_COPULAS = frozenset({"is", "was", "are", "were", "that's", "it's"})
_UNITS = frozenset({"dollars", "dollar", "bucks", "cents", "euros", "euro", "pounds", "percent"})
_DETERMINERS = frozenset({"no", "this", "that", "which", "each", "every", "any", "the", "another", "first", "last"})
