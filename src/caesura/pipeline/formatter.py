"""Formatter of one channel's transcript: formats words in a style, and holds finals that end inside a number.

A pure machine between recognizer and session: every call returns the events that may go out, in order. Its laws:

1. Finals out tile the stream as finals in do: the same words once, in order.
2. A flushed final in is one flushed final out, at once.
3. No final is held longer than `HOLD_S` of silence, nor when it would cover more than `MAX_HELD_S`, nor after `end`.
4. The endpoint of a held final goes out with it, unless its utterance goes on in the final that it is merged with.
5. A change of style applies to words that begin at or after the audio at which it came, and to the whole of a number
   in the middle of which it came: in parts, a secret would not be recognized.

Which finals may go on is decided by the style in force: they wait with smart formatting unless `no_delay` is set.
With redaction they always wait, `no_delay` or not: half a card number is not recognized as a secret, and a secret that
was sent cannot be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import assert_never

from caesura.events import HOLD_S, Search, SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.formatting.itn import TextFormatter
from caesura.formatting.redaction import CONTEXT_WORDS
from caesura.formatting.style import Style
from caesura.pipeline.recognizer import RecognizerEvent
from caesura.words import Word

MAX_HELD_S = 30.0
"""Seconds of audio that a final may cover by being merged."""
_CUT_IN_SPEECH_S = 0.3
"""A final without an endpoint whose last word ends so close to its end was cut while somebody spoke."""
_STOPS = ".,;:?!…"


@dataclass(slots=True)
class _HeldFinal:
    """A final that waits for more words."""

    segment: TranscriptSegment
    last_word_end: float
    """Of its own words, or of those that an interim added since."""
    cut_in_speech: bool
    """The words that follow are on their way."""


class ChannelFormatter:
    """Formats one channel. Feed it the recognizer's events in order; each method returns what goes out."""

    def __init__(
        self,
        style: Style,
        language: str,
        *,
        new_formatter: Callable[[Style, str], TextFormatter] = TextFormatter,
        max_held_s: float = MAX_HELD_S,
    ) -> None:
        """Hold nothing yet.

        Args:
            style: How words are formatted, until `change_style`.
            language: A primary subtag, or `multi`.
            new_formatter: Makes the text formatter of a style and language.
            max_held_s: Seconds of audio that a final may cover by being merged.
        """
        self._language = language
        self._style = style
        self._new_formatter = new_formatter
        self._max_held_s = max_held_s
        self._formatters = [(0.0, new_formatter(style, language))]
        """From which second of the stream on each of them applies."""
        self._before: tuple[Word, ...] = ()
        """The words of the last finals, with the secrets that were redacted in them; for context, never sent."""
        self._held: _HeldFinal | None = None
        self._paused = False
        """Audio pauses: no final is held."""
        self._speech_began = -1.0

    def format(self, event: RecognizerEvent) -> list[RecognizerEvent]:
        """Take the recognizer's next event."""
        match event:
            case SpeechBegan():
                self._speech_began = event.at
                return [event]
            case UtteranceEnded():
                return [*self._release(), event]
            case TranscriptSegment(final=False):
                return self._interim(event)
            case TranscriptSegment():
                return [*self._final(event), *(self._release() if self._paused else ())]
            case _:
                assert_never(event)

    def release_held(self) -> list[RecognizerEvent]:
        """Audio pauses: emit what is held, and hold nothing until `resume`."""
        self._paused = True
        return self._release()

    def resume(self) -> None:
        """Audio comes again: finals may be held."""
        self._paused = False

    def settle(self, until: float) -> list[RecognizerEvent]:
        """All words of the audio until `until`, seconds of the stream, have been fed."""
        held = self._held
        if held is None:
            return []
        speaking = held.cut_in_speech or self._speech_began >= held.segment.end
        too_long = until - held.segment.start > self._max_held_s
        return self._release() if too_long or (not speaking and until - held.last_word_end >= HOLD_S) else []

    def end(self) -> list[RecognizerEvent]:
        """The stream is over: emit what is held."""
        return self._release()

    def change_style(self, at: float, features: dict[str, bool]) -> None:
        """From `at` on, seconds of the stream, format with these fields of the style."""
        self._style = self._style.changed(features)
        self._formatters.append((at, self._new_formatter(self._style, self._language)))

    # ---- holding ----

    def _interim(self, interim: TranscriptSegment) -> list[RecognizerEvent]:
        held = self._held
        if held is None:
            return [self._formatted(interim)]
        # The last word of an interim is often cut short; one word alone does not show that the number is over.
        too_long = interim.end - held.segment.start > self._max_held_s
        if too_long or (len(interim.words) > 1 and not self._continues(held.segment, interim)):
            return [*self._release(), self._formatted(interim)]
        if interim.words:
            held.last_word_end = max(held.last_word_end, interim.words[-1].end)
        words = _joined(held.segment.words, interim.words)
        return [self._formatted(replace(interim, start=held.segment.start, words=words))]

    def _final(self, final: TranscriptSegment) -> list[RecognizerEvent]:
        events: list[RecognizerEvent] = []
        held = self._held
        if held is not None:
            continues = not final.words or self._continues(held.segment, final)
            if continues and final.end - held.segment.start <= self._max_held_s:
                final = _merged(held.segment, final)
                self._held = None
            else:
                events = self._release()
        if final.flushed or not self._must_wait(final):
            return [*events, self._formatted(final)]
        last = final.words[-1].end
        self._held = _HeldFinal(final, last, cut_in_speech=not final.endpoint and final.end - last < _CUT_IN_SPEECH_S)
        return events

    def _must_wait(self, final: TranscriptSegment) -> bool:
        short = final.end - final.start <= self._max_held_s
        return short and bool(final.words) and self._current.incomplete_from(final.words) < len(final.words)

    def _continues(self, held: TranscriptSegment, later: TranscriptSegment) -> bool:
        """Whether the number at the end of `held` goes on in the words of `later`."""
        at = len(held.words)
        words = _joined(held.words, later.words)
        return self._current.is_inside_entity(words, at) or self._current.incomplete_from(words) < at

    def _release(self) -> list[RecognizerEvent]:
        held, self._held = self._held, None
        return [] if held is None else [self._formatted(held.segment)]

    # ---- formatting ----

    @property
    def _current(self) -> TextFormatter:
        return self._formatters[-1][1]

    def _formatted(self, segment: TranscriptSegment) -> TranscriptSegment:
        words: list[Word] = []
        searches: tuple[Search, ...] = ()
        for formatter, part in self._parts(segment.words):
            formatted = formatter.format(part, final=segment.final, before=self._before)
            words += formatted.words
            if segment.final and formatted.plain:
                self._before = (*self._before, *formatted.plain)[-CONTEXT_WORDS:]
            searches = _joined_searches(searches, formatted.searches)
        if segment.final:
            self._drop_formatters(segment.end)
        return replace(segment, words=tuple(words), searches=searches)

    def _parts(self, words: Sequence[Word]) -> Iterator[tuple[TextFormatter, Sequence[Word]]]:
        """The words, split by the formatter that applies to them."""
        for (_, formatter), (until, _) in pairwise(self._formatters):
            at = sum(word.start < until for word in words)
            if self._style.redact and at < len(words):
                at = formatter.incomplete_from(words[:at])
            while formatter.is_inside_entity(words, at):
                at -= 1
            yield formatter, words[:at]
            words = words[at:]
        yield self._current, words

    def _drop_formatters(self, until: float) -> None:
        while len(self._formatters) > 1 and self._formatters[1][0] <= until:
            del self._formatters[0]


def _merged(held: TranscriptSegment, later: TranscriptSegment) -> TranscriptSegment:
    endpoint = later.endpoint or (held.endpoint and not later.words)
    return replace(later, start=held.start, words=_joined(held.words, later.words), endpoint=endpoint)


def _joined(held: tuple[Word, ...], later: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words of both. An engine ends a segment with a full stop; between the parts of a number it is none."""
    if not held or not later:
        return held + later
    last = held[-1]
    return (*held[:-1], replace(last, text=last.text.rstrip(_STOPS) or last.text), *later)


def _joined_searches(first: tuple[Search, ...], second: tuple[Search, ...]) -> tuple[Search, ...]:
    """The hits of two stretches of speech, likelier ones first; each lists the same queries."""
    if not first or not second:
        return first or second
    return tuple(
        Search(one.query, tuple(sorted(one.hits + other.hits, key=lambda hit: -hit.confidence)))
        for one, other in zip(first, second, strict=True)
    )
