"""Utterances of a recording: words of one speaker between two pauses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caesura.words import Word


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words of one channel and one speaker without a long pause between them."""

    channel: int
    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        """Start of the first word in seconds."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """End of the last word in seconds."""
        return self.words[-1].end

    @property
    def speaker(self) -> int | None:
        """Number of the speaker; None without diarization."""
        return self.words[0].speaker


def utterances(channels: Sequence[Sequence[Word]], gap_s: float) -> tuple[Utterance, ...]:
    """The utterances of all channels by start, those that start together by channel.

    A pause of more than `gap_s` seconds ends an utterance, and so does a change of speaker.
    """
    found = [
        Utterance(channel, words) for channel, all_words in enumerate(channels) for words in spans(all_words, gap_s)
    ]
    return tuple(sorted(found, key=lambda utterance: (utterance.start, utterance.channel)))


def spans(words: Sequence[Word], gap_s: float) -> Iterator[tuple[Word, ...]]:
    """Split `words` at pauses of more than `gap_s` seconds and at each change of speaker."""
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _splits(words[at - 1], words[at], gap_s):
            yield tuple(words[begin:at])
            begin = at


def _splits(before: Word, after: Word, gap_s: float) -> bool:
    # Times are sums of floats: a pause of exactly the gap is not longer than it.
    return before.speaker != after.speaker or round(after.start - before.end, 6) > gap_s
