"""One channel's events in as they were heard; the same events out as they are to be written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from caesura.events import Heard, Search
from caesura.formatting.redaction import MEMORY_WORDS
from caesura.formatting.style import Style
from caesura.formatting.writer import Writer
from caesura.pipeline.channel import ChannelEvent
from caesura.pipeline.holding import Holding
from caesura.words import Word


class Scribe:
    """Writes one channel.

    A change of style holds for words that begin at or after the audio at which it came, and for the whole of a number
    that was being said then: parted, a secret would not be known for what it is.
    """

    def __init__(self, style: Style, language: str, tell: Callable[[ChannelEvent], None]) -> None:
        self._language = language
        self._tell = tell
        self._style = style
        self._writers = [(0.0, Writer(style, language))]
        """From which second of the stream on each of them writes."""
        self._before: tuple[Word, ...] = ()
        """What the last finals said, with the secrets that were redacted in them; goes nowhere else."""
        self._resting = False
        self._holding = Holding(self._open_from, self._joins, self._write)

    def hear(self, event: ChannelEvent) -> None:
        """Take what the channel tells, in order."""
        self._holding.hear(event)
        if self._resting:
            self._holding.end()

    def rest(self) -> None:
        """No audio comes for now: nothing waits for more of it."""
        self._resting = True
        self._holding.end()

    def go_on(self) -> None:
        """Audio comes again."""
        self._resting = False

    def advance(self, upto: float) -> None:
        """No word came in the audio up to `upto`, seconds of the stream, but those that were told."""
        self._holding.advance(upto)

    def end(self) -> None:
        """Nothing comes any more: tell what is held back."""
        self._holding.end()

    def change(self, at: float, features: dict[str, bool]) -> None:
        """From `at` on, seconds of the stream, write with these fields of the style."""
        self._style = self._style.changed(features)
        self._writers.append((at, Writer(self._style, self._language)))

    def _open_from(self, words: Sequence[Word]) -> int:
        return self._writers[-1][1].open_from(words)

    def _joins(self, words: Sequence[Word], at: int) -> bool:
        return self._writers[-1][1].joins(words, at)

    def _write(self, event: ChannelEvent) -> None:
        if not isinstance(event, Heard):
            self._tell(event)
            return
        words: list[Word] = []
        searches: tuple[Search, ...] = ()
        for writer, part in self._parts(event.words):
            writing = writer.write(part, final=event.final, before=self._before)
            words += writing.words
            if event.final and writing.plain:
                self._before = (*self._before, *writing.plain)[-MEMORY_WORDS:]
            searches = _joined(searches, writing.searches)
        self._tell(replace(event, words=tuple(words), searches=searches))
        if event.final:
            self._forget(event.end)

    def _parts(self, words: Sequence[Word]) -> Iterator[tuple[Writer, Sequence[Word]]]:
        """The words, parted by who writes them."""
        for (_, writer), (until, _) in pairwise(self._writers):
            at = sum(word.start < until for word in words)
            if self._style.redact and at < len(words):
                at = writer.open_from(words[:at])
            while writer.joins(words, at):
                at -= 1
            yield writer, words[:at]
            words = words[at:]
        yield self._writers[-1][1], words

    def _forget(self, upto: float) -> None:
        while len(self._writers) > 1 and self._writers[1][0] <= upto:
            del self._writers[0]


def _joined(first: tuple[Search, ...], second: tuple[Search, ...]) -> tuple[Search, ...]:
    """The hits of two stretches of speech, likelier ones first; each lists the same queries."""
    if not first or not second:
        return first or second
    return tuple(
        Search(one.query, tuple(sorted(one.hits + other.hits, key=lambda hit: -hit.confidence)))
        for one, other in zip(first, second, strict=True)
    )
