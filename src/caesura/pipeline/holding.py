"""What a channel heard in; the same out, but a final that ends inside a number waits for the number's end.

A pure machine for one channel, between the channel and the session. Its laws:

1. Finals out tile the stream as finals in do: the same words once, in order.
2. A flushed answer in is one flushed answer out, at once.
3. Nothing is held longer than `hold_s` of silence, nor when it would be longer than `longest_s`, nor after `end`.
4. The endpoint of a held final is told with it, unless its utterance goes on in the final it is merged with.

What may go on is the caller's to say, with the style in force: it waits with smart formatting unless `no_delay` is
asked for. With redaction it always waits, `no_delay` or not: half a card number is not recognised as a secret, and a
secret that is told cannot be taken back. `Writer.open_from` and `Writer.joins` say just that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from caesura.events import Heard, SpeechBegan, UtteranceEnded
from caesura.pipeline.channel import ChannelEvent
from caesura.words import Word

HOLD_S = 3.0
"""Silence after which a held final is told; the hosted service waits as long."""
LONGEST_S = 30.0
_GOES_ON_S = 0.3
"""A final without an endpoint whose last word ends so close to its end was cut while somebody spoke."""
_STOPS = ".,;:?!…"


@dataclass(slots=True)
class _Held:
    """A final that waits. `last_word_end`: of its own words, or of those an interim added since."""

    heard: Heard
    last_word_end: float
    spoken_on: bool
    """It was cut in the middle of speech: the words that follow are on their way."""


class Holding:
    """Holds finals of one channel; `tell` receives what may be told.

    Args:
        open_from: The first of some words that may still go on at their end; as many as there are when none may.
        joins: Whether the words before and from an index on are parts of one number, date or address.
        tell: Receives the events, in the order of the stream; SpeechBegan, which words have no part in, at once.
        hold_s: Seconds of silence after the last word, in audio.
        longest_s: Seconds of audio that a final may cover by being merged.
    """

    def __init__(
        self,
        open_from: Callable[[Sequence[Word]], int],
        joins: Callable[[Sequence[Word], int], bool],
        tell: Callable[[ChannelEvent], None],
        *,
        hold_s: float = HOLD_S,
        longest_s: float = LONGEST_S,
    ) -> None:
        self._open_from = open_from
        self._joins = joins
        self._tell = tell
        self._hold_s = hold_s
        self._longest_s = longest_s
        self._held: _Held | None = None
        self._began = -1.0
        """When speech last began."""

    def hear(self, event: ChannelEvent) -> None:
        """Take what the channel tells; its words are not written yet."""
        match event:
            case SpeechBegan():
                self._began = event.at
                self._tell(event)
            case UtteranceEnded():
                self._release()
                self._tell(event)
            case Heard(final=False):
                self._hear_interim(event)
            case Heard():
                self._hear_final(event)

    def advance(self, upto: float) -> None:
        """The channel's audio has been judged up to here, in seconds of the stream."""
        held = self._held
        if held is None:
            return
        speaking = held.spoken_on or self._began >= held.heard.end
        if upto - held.heard.start > self._longest_s or (not speaking and upto - held.last_word_end >= self._hold_s):
            self._release()

    def end(self) -> None:
        """The audio is over: tell what is held."""
        self._release()

    @property
    def holds(self) -> bool:
        """Whether a final waits."""
        return self._held is not None

    def _hear_interim(self, interim: Heard) -> None:
        held = self._held
        if held is None:
            self._tell(interim)
            return
        # The last word of an interim is often cut short; one alone does not show that the number is over.
        too_long = interim.end - held.heard.start > self._longest_s
        if too_long or (len(interim.words) > 1 and not self._follows(held.heard, interim)):
            self._release()
            self._tell(interim)
            return
        if interim.words:
            held.last_word_end = max(held.last_word_end, interim.words[-1].end)
        self._tell(replace(interim, start=held.heard.start, words=_joined(held.heard.words, interim.words)))

    def _hear_final(self, final: Heard) -> None:
        held = self._held
        if held is not None:
            follows = not final.words or self._follows(held.heard, final)
            if follows and final.end - held.heard.start <= self._longest_s:
                final = _merged(held.heard, final)
                self._held = None
            else:
                self._release()
        if final.flushed or not self._waits(final):
            self._tell(final)
            return
        last = final.words[-1].end
        self._held = _Held(final, last, spoken_on=not final.endpoint and final.end - last < _GOES_ON_S)

    def _waits(self, final: Heard) -> bool:
        short = final.end - final.start <= self._longest_s
        return short and bool(final.words) and self._open_from(final.words) < len(final.words)

    def _follows(self, held: Heard, later: Heard) -> bool:
        """Whether what was held goes on in the words of `later`."""
        at = len(held.words)
        words = _joined(held.words, later.words)
        return self._joins(words, at) or self._open_from(words) < at

    def _release(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._tell(held.heard)


def _merged(held: Heard, later: Heard) -> Heard:
    endpoint = later.endpoint or (held.endpoint and not later.words)
    return replace(later, start=held.start, words=_joined(held.words, later.words), endpoint=endpoint)


def _joined(held: tuple[Word, ...], later: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words of both. An engine ends a segment with a full stop; between the parts of a number it is none."""
    if not held or not later:
        return held + later
    last = held[-1]
    return (*held[:-1], replace(last, text=last.text.rstrip(_STOPS) or last.text), *later)
