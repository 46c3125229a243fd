"""The words of a recording in; what was said between two pauses, and by whom, out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from caesura.words import Word


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words of one channel without a long pause, said by one speaker (None where nobody asked who spoke)."""

    channel: int
    words: tuple[Word, ...]

    @property
    def start(self) -> float:
        """Where its first word begins, in seconds."""
        return self.words[0].start

    @property
    def end(self) -> float:
        """Where its last word ends."""
        return self.words[-1].end

    @property
    def speaker(self) -> int | None:
        """Who said it."""
        return self.words[0].speaker


def utterances(channels: Sequence[Sequence[Word]], gap_s: float) -> tuple[Utterance, ...]:
    """What was said on all channels, by when it began; channels that begin together in their order.

    A pause of more than `gap_s` seconds ends an utterance, and so does a change of speaker.
    """
    found = [
        Utterance(channel, words) for channel, all_words in enumerate(channels) for words in spans(all_words, gap_s)
    ]
    return tuple(sorted(found, key=lambda utterance: (utterance.start, utterance.channel)))


def spans(words: Sequence[Word], gap_s: float) -> Iterator[tuple[Word, ...]]:
    """All of `words` in order, parted at pauses of more than `gap_s` seconds and at each change of speaker."""
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _parts(words[at - 1], words[at], gap_s):
            yield tuple(words[begin:at])
            begin = at


def _parts(before: Word, after: Word, gap_s: float) -> bool:
    # Times are sums of floats: a pause of exactly the gap is not longer than it.
    return before.speaker != after.speaker or round(after.start - before.end, 6) > gap_s
