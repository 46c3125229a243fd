"""A transcribed word, with its times, confidence, speaker and language; and the language that most was spoken in."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it is printed, with its position in the audio.

    `text` carries case and punctuation (`Back`, `again.`). `start` and `end` are seconds of audio,
    `start <= end`; from an engine they count from the first sample of its job, everywhere else from
    the first sample of the stream. `confidence` is in 0..1. `speaker` counts from 0 and is None
    without diarization. `speaker_confidence`, in 0..1, is how likely that speaker is the right one; None where it was
    not computed. `language` is a primary subtag, and None where it was not detected. `language_confidence`, in 0..1, is
    the probability that the engine gave to that language; None where it does not know one.
    """

    text: str
    start: float
    end: float
    confidence: float
    speaker: int | None = None
    speaker_confidence: float | None = None
    language: str | None = None
    language_confidence: float | None = None

    def shifted(self, seconds: float) -> Word:
        """The same word, `seconds` later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


@dataclass(frozen=True, slots=True)
class DetectedLanguage:
    """A language, as a primary subtag, and how likely it was where it was detected.

    `confidence`, in 0..1, is the mean of the probabilities that the engine gave to it there; None if it gave none.
    """

    language: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class _Votes:
    weight: int = 0
    """Of all votes."""
    known: int = 0
    """Of those with a confidence."""
    confidence: float = 0.0
    """Sum of the confidences, each times its weight."""


class LanguageTally:
    """Counts how much was spoken in each language. Holds three numbers for each."""

    def __init__(self) -> None:
        self._votes: dict[str, _Votes] = {}

    def add(self, language: str | None, confidence: float | None, weight: int = 1) -> None:
        """Count speech in `language`, which was detected with that probability; None as the language: not counted."""
        if language is None:
            return
        votes = self._votes.get(language, _Votes())
        known = 0 if confidence is None else weight
        total = votes.confidence + known * (confidence or 0.0)
        self._votes[language] = _Votes(votes.weight + weight, votes.known + known, total)

    def copy(self) -> LanguageTally:
        """A tally of its own that begins with the same counts."""
        tally = LanguageTally()
        tally._votes = dict(self._votes)
        return tally

    def dominant(self) -> DetectedLanguage | None:
        """The language with the most weight, of two equal ones the first; None if there is none.

        Its confidence is the mean over its own speech, weighted as it was counted.
        """
        if not self._votes:
            return None
        language = max(self._votes, key=lambda each: self._votes[each].weight)
        votes = self._votes[language]
        return DetectedLanguage(language, votes.confidence / votes.known if votes.known else None)


def raw(text: str) -> str:
    """A printed word in lower case, without the punctuation around it; signs that are spoken (`$5`, `20%`, `&`) stay.

    The tag of a redacted value (`[SSN_1]`, `[REDACTED]`) and the asterisks of a masked word stay as they are.
    Empty if nothing in the word is spoken.
    """
    tag = _TAG.search(text)
    if tag is not None:
        return tag[0]
    return text.lower().lstrip(_OPENING).rstrip(_CLOSING)


_TAG = re.compile(r"\[(?:REDACTED|[A-Z][A-Z_]*_[0-9]+)\]|[\w'’-]*\*{2,}[\w'’*-]*")  # noqa: RUF001
# Signs that are spoken stay on the side on which they are written: `$5`, `-3`, `20%`, `c++`.
_PUNCTUATION = ".,;:!?¡¿…\"'“”„‘’‚«»‹›()[]{}<>*_~`|\\/–—\n"  # noqa: RUF001  # typographic on purpose
_OPENING = _PUNCTUATION + "%"
_CLOSING = _PUNCTUATION + "-$"
