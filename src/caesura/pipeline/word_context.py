"""Context of a job: audio before its own, and the words that were recognized in that audio already. Pure.

An engine recognizes a short piece better when it also hears what came before it. Positions are samples at 16 kHz;
times of words are seconds of audio.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from caesura.engines.base import SAMPLE_RATE
from caesura.words import Word

MAX_GAP_S: Final = 2.0
"""Words further apart than this are no context of each other: the silence between them would have to be encoded too."""
LEAD_S: Final = 0.05
"""A context begins so much before its first word, whose start is known to about that."""
SETTLED_S: Final = 1.0
"""The newest words of an interim may still change, so those that end in its last second are not agreed on."""


@dataclass(frozen=True, slots=True)
class JobContext:
    """`first`: the first sample of a job's audio. `prefix`: the text of the words between there and the job's own."""

    first: int
    prefix: str = ""


class WordContext:
    """The newest final words of a channel."""

    __slots__ = ("_longest", "_words")

    def __init__(self, longest: int) -> None:
        """`longest`: samples of a job with its context, at most; 0: there is no context."""
        self._longest = longest
        self._words: deque[Word] = deque()

    def add(self, words: Iterable[Word], until: int) -> None:
        """Take the words of the next final, which ends at `until`."""
        self._words += words
        while self._words and _begin(self._words[0]) < until - self._longest:
            self._words.popleft()

    def clear(self) -> None:
        """What comes next has nothing to do with these words."""
        self._words.clear()

    @property
    def needed_from(self) -> int | None:
        """Position of the first sample that a context may begin with; None when there are no words."""
        return _begin(self._words[0]) if self._words else None

    def before(self, first: int, last: int) -> JobContext:
        """The context of a job whose own audio is `first` to `last`."""
        return context_of(tuple(self._words), first, last, self._longest)


def context_of(words: Sequence[Word], first: int, last: int, longest: int) -> JobContext:
    """The context of a job for the audio `first` to `last`, from the `words` before `first`.

    It begins with a word, so that it has no half ones, and is at most `longest` with the job's own audio. It is empty
    if there is no such word.
    """
    following_s = first / SAMPLE_RATE
    chosen: list[Word] = []
    for word in reversed(words):
        if following_s - word.end > MAX_GAP_S or _begin(word) < last - longest:
            break
        chosen.append(word)
        following_s = word.start
    if not chosen:
        return JobContext(first)
    return JobContext(min(first, _begin(chosen[-1])), " ".join(word.text for word in reversed(chosen)))


class AgreedWords:
    """The words at the beginning of an open segment on which two hypotheses in a row agree."""

    __slots__ = ("_newest", "words")

    def __init__(self) -> None:
        self._newest: Sequence[Word] = ()
        self.words: tuple[Word, ...] = ()
        """With stream times; never fewer than before, until `clear`."""

    def add(self, words: Sequence[Word], until_s: float) -> None:
        """Take a hypothesis of the segment up to `until_s`; it begins with the words that were agreed on already."""
        pairs = takewhile(
            lambda pair: pair[0].text == pair[1].text and pair[1].end <= until_s - SETTLED_S,
            zip(self._newest, words, strict=False),
        )
        agreed = tuple(word for _, word in pairs)
        if len(agreed) > len(self.words):
            self.words += agreed[len(self.words) :]
        self._newest = words

    def clear(self) -> None:
        """A new segment begins."""
        self._newest = self.words = ()


def _begin(word: Word) -> int:
    return max(0, round((word.start - LEAD_S) * SAMPLE_RATE))
