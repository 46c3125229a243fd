"""Scoring of transcripts: text normalisation, word errors by kind, bootstrap intervals, and word start errors.

Normalisation is identical for references and transcripts of every engine and path. English: the normaliser of Whisper's
authors, which lowers case, drops punctuation, "uh" and "um", writes contractions in full ("let's" becomes "let us"),
British spellings as American ones, and numbers in figures. It joins figures that follow each other, so numbers are
then split into digits: "one two three", "1, 2, 3" and "123" are all `1 2 3`, and count as three words. Other
languages: their basic normaliser, which lowers case and drops punctuation; languages written without blanks are
compared character by character.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, fields, replace
from difflib import SequenceMatcher
from functools import cache
from typing import Self

import numpy as np

with warnings.catch_warnings():
    # Its sources have escapes that newer Pythons complain about.
    warnings.simplefilter("ignore")
    import jiwer
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

WITHOUT_BLANKS = frozenset({"ja", "lo", "my", "th", "yue", "zh"})
"""Languages that are written without blanks between words."""
RESAMPLES = 1000
CONFIDENCE = 0.95
FEWEST_RECORDINGS = 5
"""A bootstrap over fewer recordings is meaningless."""

TimedText = Sequence[tuple[str, float]]
"""Words with their start times in seconds."""


@cache
def _normalizer(language: str) -> Callable[[str], str]:
    if language == "en":
        return EnglishTextNormalizer()  # type: ignore[no-any-return]
    return BasicTextNormalizer(split_letters=language in WITHOUT_BLANKS)  # type: ignore[no-any-return]


def normalize(text: str, language: str = "en") -> list[str]:
    """The normalised words of a text."""
    if language == "en":
        # The normaliser reads the "o" of both as a zero.
        text = re.sub(r"(?i)\bo['\u2019]clock\b", "oclock", text)
        text = re.sub(r"(?i)\bo\.\s?k\.", "okay ", text)
    words = _normalizer(language)(text).split()
    if language == "en":
        words = ["1" if word == "one" else word for word in words]
    return [part for word in words for part in (word if word.isascii() and word.isdigit() else [word])]


def percent(part: float, whole: float) -> float:
    """A part in percent of the whole; nan of nothing."""
    return 100 * part / whole if whole else float("nan")


@dataclass(frozen=True, slots=True)
class Counts:
    """Base of records that have numbers only, and are added up field by field."""

    def __add__(self, other: Self) -> Self:
        return replace(
            self, **{each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        )


@dataclass(frozen=True, slots=True)
class WordErrors(Counts):
    """Errors in a number of reference words, by kind."""

    words: int = 0
    deletions: int = 0
    substitutions: int = 0
    insertions: int = 0

    @property
    def total(self) -> int:
        """Errors of all kinds."""
        return self.deletions + self.substitutions + self.insertions

    @property
    def percent(self) -> float:
        """The word error rate; nan without reference words."""
        return percent(self.total, self.words)


def word_errors(reference: str, transcript: str, language: str = "en") -> WordErrors:
    """Count the errors of a transcript. If the reference has no words, each word of the transcript is an insertion."""
    expected, found = normalize(reference, language), normalize(transcript, language)
    if not expected:
        return WordErrors(insertions=len(found))
    counted = jiwer.process_words(" ".join(expected), " ".join(found))
    return WordErrors(len(expected), counted.deletions, counted.substitutions, counted.insertions)


# ---- intervals ----


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval, in percent of the reference words."""

    low: float
    high: float


def error_interval(scores: Sequence[WordErrors], *, seed: int = 1) -> Interval | None:
    """Bootstrap interval of the word error rate, by resampling recordings; None when there are too few of them."""
    return _bootstrap([score.total for score in scores], [score.words for score in scores], seed)


def difference_interval(ours: Sequence[WordErrors], theirs: Sequence[WordErrors], *, seed: int = 1) -> Interval | None:
    """Bootstrap interval of the difference of two error rates on the same recordings, resampled in pairs."""
    differences = [our.total - their.total for our, their in zip(ours, theirs, strict=True)]
    return _bootstrap(differences, [score.words for score in ours], seed)


def _bootstrap(errors: Sequence[int], words: Sequence[int], seed: int) -> Interval | None:
    if len(words) < FEWEST_RECORDINGS or not sum(words):
        return None
    drawn = np.random.default_rng(seed).integers(len(words), size=(RESAMPLES, len(words)))
    sums = np.asarray(words)[drawn].sum(axis=1)
    rates = 100 * np.asarray(errors)[drawn].sum(axis=1)[sums > 0] / sums[sums > 0]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = (float(value) for value in np.percentile(rates, [tail, 100 - tail]))
    estimate = 100 * sum(errors) / sum(words)
    return Interval(min(low, estimate), max(high, estimate))


# ---- alignment ----


def aligned(reference: Sequence[Hashable], found: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions in both sequences of what they have in common, in order."""
    blocks = SequenceMatcher(None, reference, found, autojunk=False).get_matching_blocks()
    return [(block.a + at, block.b + at) for block in blocks for at in range(block.size)]


def start_errors(reference: TimedText, transcript: TimedText, language: str = "en") -> list[float]:
    """Absolute errors in seconds of the start times of the words that both texts have in common."""
    expected, found = (
        [(normalize(word, language) or [""], start) for word, start in text] for text in (reference, transcript)
    )
    keys = [[" ".join(words) for words, _ in text] for text in (expected, found)]
    return [abs(found[ours][1] - expected[theirs][1]) for theirs, ours in aligned(*keys) if keys[0][theirs]]
