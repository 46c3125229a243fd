"""The gap between two utterances of a channel: when it has lasted so long that UtteranceEnded is due. Pure.

It is measured on the stream clock, from the end of the last word to where hypothesis or silence show that no word came,
and each gap is emitted once: only a later word opens another.
"""

from __future__ import annotations

from caesura.engines.base import SAMPLE_RATE
from caesura.events import UtteranceEnded


class UtteranceGap:
    """The gap of channel `index`; positions are samples at 16 kHz."""

    __slots__ = ("_closed", "_index", "_last_word_end", "_length", "_until")

    def __init__(self, index: int, length: int | None) -> None:
        """`length`: samples without a word that make a gap; None: there is none."""
        self._index = index
        self._length = length
        self._last_word_end: int | None = None
        """None: no word has come since the last gap."""
        self._closed = False
        """A final with an endpoint has covered the last word."""
        self._until = 0
        """End of the newest gap that was emitted."""

    @property
    def is_open(self) -> bool:
        """Whether a gap may end: `event` is of no use otherwise."""
        return self._length is not None and self._last_word_end is not None

    def add_word(self, end: int) -> None:
        """A word up to `end` was recognized, in a hypothesis or in what was emitted."""
        if end > self._until:
            self._last_word_end = end
            self._closed = False

    def close_utterance(self) -> None:
        """A final with an endpoint was emitted, which marks where the utterance ended."""
        self._closed = self._last_word_end is not None

    def event(self, settled: int) -> UtteranceEnded | None:
        """The event when no word lies between the last one and `settled`, and that is a gap; each is returned once."""
        if self._length is None or self._last_word_end is None or settled - self._last_word_end < self._length:
            return None
        last = None if self._closed else self._last_word_end / SAMPLE_RATE
        self._last_word_end = None
        self._until = settled
        return UtteranceEnded(self._index, last)
