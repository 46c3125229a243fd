"""A transcribed word, with its times, confidence, speaker and language."""

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
    not computed. `language` is a primary subtag, and None where it was not detected.
    """

    text: str
    start: float
    end: float
    confidence: float
    speaker: int | None = None
    speaker_confidence: float | None = None
    language: str | None = None

    def shifted(self, seconds: float) -> Word:
        """The same word, `seconds` later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)


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
