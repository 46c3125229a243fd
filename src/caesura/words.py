"""What an engine hears: words with times in, the same values out to everybody who handles them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Word:
    """One word as it would be printed, with its place in the audio.

    `text` carries case and punctuation (`Back`, `again.`). `start` and `end` are seconds of audio,
    `start <= end`; from an engine they count from the first sample of its job, everywhere else from
    the first sample of the stream. `confidence` is in 0..1.
    """

    text: str
    start: float
    end: float
    confidence: float

    def shifted(self, seconds: float) -> Word:
        """The same word on a clock that is `seconds` ahead."""
        return Word(self.text, self.start + seconds, self.end + seconds, self.confidence)
