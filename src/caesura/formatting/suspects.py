"""Written words in; every stretch of them that may be a secret, with its label and how far that is believed, out."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caesura.formatting.cues import SSN, Cue, cues
from caesura.formatting.digit_runs import MOST_JOINERS, DigitRun, both_digit_runs, digit_runs
from caesura.formatting.pii_dates import dates
from caesura.words import Word, raw

REACH = 12
"""Words that may stand between words that announce a secret and its figures."""
REACH_BACK = 5
"""And between figures and words that say afterwards what they were."""

MANY_OF_A_CARD = range(7, 13)
"""Digits at the end of a final that are more of a card than anybody may see: the first six name its issuer."""
MANY_OF_A_SOCIAL = range(5, 9)
CALLED_BACK = 6
"""Words before a number among which one may say that it is a telephone number."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """The words `first`..`last` (exclusive) may be a secret; of two over the same words the lower rank is believed."""

    rank: int
    first: int
    last: int
    label: str


class Reading:
    """A message's words, read once for all kinds of secrets."""

    def __init__(self, words: Sequence[Word]) -> None:
        self.words = words
        self.dictated, self.counted = both_digit_runs(words)
        """The digit_runs of figures, as somebody would dictate them, and with nothing between them."""
        self.cues = cues(words)
        self.groups = {group.first: group for run in self.dictated for group in run.groups}

    def raw(self, at: int) -> str:
        """The raw word at `at`; empty beyond the ends."""
        return raw(self.words[at].text) if 0 <= at < len(self.words) else ""

    def is_amount(self, run: DigitRun) -> bool:
        """Whether it is money or a percentage, and too short to be anything else in spite of that."""
        if len(run.digits) >= 9:
            return False
        if len(run.groups) == 1 and self.raw(run.last) in _UNITS:
            return True
        return all(_is_signed(self.words[group.first].text) for group in run.groups)


def announced(reading: Reading, kind: str, label: str, *, rank: int, least: int, complete: int) -> Iterator[Suspect]:
    """The figures after a cue of `kind`, until as many were said as are wanted, and those right before one.

    Args:
        reading: The words.
        kind: Of `cues`.
        label: For all of them.
        rank: Of what follows a cue; what stands before one is believed less.
        least: Digits of the first figures, fewer of which say something else.
        complete: Digits with which the secret is told.
    """  # fmt: skip
    told = [cue for cue in reading.cues if cue.kind == kind]
    near, gathered = None, 0
    for run in reading.dictated:
        opened = [cue.last for cue in told if cue.last <= run.first]
        if opened and (near is None or opened[-1] > near):
            near, gathered = opened[-1], 0
        if reading.is_amount(run):
            continue
        within = near is not None and run.first - near <= REACH and gathered < complete
        if within and len(run.digits) >= (1 if gathered else least):
            yield Suspect(rank, run.first, run.last, label)
            near, gathered = run.last, gathered + len(run.digits)
        elif len(run.digits) >= max(least, 3) and _is_named_after(reading, run, told):
            yield Suspect(rank + 1, run.first, run.last, label)


def social(reading: Reading) -> Iterator[Suspect]:
    """Social security numbers, and whatever is announced as one: its last four digits too."""
    yield from announced(reading, SSN, "SSN", rank=3, least=3, complete=9)
    for run in reading.dictated:
        if len(run.digits) == 9:
            yield Suspect(5, run.first, run.last, "SSN")
        lengths = [len(group.digits) for group in run.groups]
        for at in range(len(lengths) - 2):
            if lengths[at : at + 3] == [3, 2, 4]:
                yield Suspect(2, run.groups[at].first, run.groups[at + 2].last, "SSN")
        for group in run.groups:
            if _GROUPED.search(unicodedata.normalize("NFKC", reading.words[group.first].text)):
                yield Suspect(2, group.first, group.last, "SSN")


def numbers(reading: Reading, least: int) -> Iterator[Suspect]:
    """Runs of `least` digits and more, telephone numbers, and dates."""
    for first, last in dates(reading.words, reading.counted):
        yield Suspect(8, first, last, "DATE")
    for run in reading.counted:
        if _is_telephone(run, reading.words[run.first].text):
            yield Suspect(7, run.first, run.last, "PHONE_NUMBER")
        elif len(run.digits) >= least and not _is_a_thing(reading, run):
            yield Suspect(9, run.first, run.last, "REDACTED")


def unfinished(reading: Reading) -> Iterator[Suspect]:
    """The figures at the end, to which more may be added."""
    if (run := _trailing(reading)) is not None:
        yield Suspect(9, run.first, run.last, "REDACTED")


def begun_card(reading: Reading) -> Iterator[Suspect]:
    """Figures at the end that may be the first groups of a card number: fours, digit by digit, or many of any kind."""
    run = _trailing(reading)
    if run is None or reading.is_amount(run) or len(run.digits) < 4:
        return
    lengths_told = [len(group.digits) for group in run.groups]
    social_one = lengths_told == [3, 2, 4] or _GROUPED.search(reading.words[run.first].text) is not None
    if len(run.digits) in MANY_OF_A_CARD and _is_in_one_go(run) and not social_one and not _is_called(reading, run):
        yield Suspect(9, run.first, run.last, "REDACTED")
        return
    plain = all(reading.raw(group.first).isdigit() or group.last - group.first > 1 for group in run.groups)
    lengths = {len(group.digits) for group in run.groups}
    if lengths == {1} or (lengths == {4} and plain and not _YEAR.fullmatch(run.digits)):
        yield Suspect(9, run.first, run.last, "REDACTED")


def begun_social(reading: Reading) -> Iterator[Suspect]:
    """Figures at the end that may be the first two groups of a social security number, or most of one."""
    run = _trailing(reading)
    if run is None or reading.is_amount(run):
        return
    grouped = [len(group.digits) for group in run.groups] == [3, 2]
    if grouped or (len(run.digits) in MANY_OF_A_SOCIAL and _is_in_one_go(run) and not _is_called(reading, run)):
        yield Suspect(9, run.first, run.last, "REDACTED")


def carried_on(reading: Reading, at: int, least: int) -> Iterator[Suspect]:
    """The figures that began before the word `at` and go on there, if they are `least` or more together."""
    for run in reading.dictated:
        if run.first < at < run.last and len(run.digits) >= least:
            yield Suspect(9, run.first, run.last, "REDACTED")


def _is_in_one_go(run: DigitRun) -> bool:
    """Nothing stands between its figures."""
    return all(one.last == other.first for one, other in itertools.pairwise(run.groups))


def _is_called(reading: Reading, run: DigitRun) -> bool:
    """`Call me at 555 123 4567`: words before say that it is a telephone number."""
    before = range(max(run.first - CALLED_BACK, 0), run.first)
    return any(reading.raw(at) in _CALLS for at in before)


def _is_signed(text: str) -> bool:
    return any(unicodedata.category(char) == "Sc" or char == "%" for char in text)


def _is_named_after(reading: Reading, run: DigitRun, told: Sequence[Cue]) -> bool:
    """`6789 is my social`; not the 25 in `25, social 123-45-6789`."""
    for cue in told:
        if 0 <= cue.first - run.last <= REACH_BACK:
            says_so = any(reading.raw(at) in _COPULAS for at in range(run.last, cue.first))
            if says_so or not any(cue.last <= other.first <= cue.last + REACH_BACK for other in reading.dictated):
                return True
    return False


def _trailing(reading: Reading) -> DigitRun | None:
    """The figures at the end to which another would belong."""
    end = len(reading.words)
    if not reading.dictated or end - reading.dictated[-1].last > MOST_JOINERS:
        return None
    run = digit_runs((*reading.words, Word("0", 0.0, 0.0, 0.0)), loosely=True)[-1]
    groups = tuple(group for group in run.groups if group.first < end)
    return DigitRun(groups) if groups else None


def _is_telephone(run: DigitRun, text: str) -> bool:
    digits, lengths = run.digits, [len(group.digits) for group in run.groups]
    if text.startswith("+"):
        return 8 <= len(digits) <= 15
    national = len(digits) == 10 or (len(digits) == 11 and digits[0] == "1")
    return national or (len(digits) == 7 and (lengths == [3, 4] or _LOCAL.search(text) is not None))


def _is_a_thing(reading: Reading, run: DigitRun) -> bool:
    """`This one`, `no one`, `one of them`: no number is said."""
    if run.last - run.first > 1 or reading.raw(run.first) != "one":
        return False
    return reading.raw(run.first - 1) in _DETERMINERS or reading.raw(run.last) in ("of", "another")


_GROUPED = re.compile(r"(?<!\d)\d{3}\D\d{2}\D\d{4}(?!\d)")
_YEAR = re.compile("(19|20)[0-9]{2}")
_LOCAL = re.compile(r"(?<!\d)\d{3}-\d{4}(?!\d)")
_CALLS = frozenset(
    {"call", "phone", "telephone", "cell", "mobile", "fax", "reach", "dial", "text", "extension", "callback"}
)
_COPULAS = frozenset({"is", "was", "are", "were", "that's", "it's"})
_UNITS = frozenset({"dollars", "dollar", "bucks", "cents", "euros", "euro", "pounds", "percent"})
_DETERMINERS = frozenset({"no", "this", "that", "which", "each", "every", "any", "the", "another", "first", "last"})
