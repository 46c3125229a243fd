"""A server's messages, on the clock of one connection, in; events with three times each, every word once, out. Pure.

After a reconnect the server hears again what no final had covered on every channel, and its stream clock begins anew.
Words are told apart by where they lie in the source, never by their text: two real "yes" stay two, and one heard again
on a channel whose finals already cover it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from caesura.client.events import Final, Interim, SpeechStarted, TimedWord, UtteranceEnd
from caesura.protocol import messages as wire
from caesura.timeline import Timeline

SAME_MOMENT_S = 0.25
"""A new connection may place the same beginning or end of speech so much earlier or later."""


@dataclass(frozen=True, slots=True)
class Before:
    """What had been told on each channel when this connection began, in source samples."""

    confirmed: Mapping[int, int]
    started: Mapping[int, int]
    ended: Mapping[int, int]


class Placer:
    """Places what is heard; `timeline` is None where samples cannot be counted."""

    def __init__(self, timeline: Timeline | None) -> None:
        self._timeline = timeline
        self._epoch = 0
        self._confirmed: dict[int, int] = {}
        """Source sample up to which finals cover each channel."""
        self._started: dict[int, int] = {}
        """Newest beginning of speech told, per channel."""
        self._ended: dict[int, int] = {}
        """Newest end of an utterance told, per channel."""
        self._before = Before({}, {}, {})

    @property
    def confirmed(self) -> int:
        """Source sample up to which finals cover all channels."""
        return min(self._confirmed.values(), default=0)

    def begin_epoch(self, epoch: int) -> None:
        """A new connection: what comes now may have been told before."""
        self._epoch = epoch
        self._before = Before(dict(self._confirmed), dict(self._started), dict(self._ended))

    def results(self, said: wire.Results, raw: str) -> Interim | Final | None:
        """The event for a Results message; None when it holds nothing that was not told before."""
        for channel in range(said.channels):
            self._confirmed.setdefault(channel, 0)
        end = self._heard_until(said.start + said.duration)
        if end is not None and end < self._before.confirmed.get(said.channel, 0):
            return None
        words = [word for word in said.words if self._is_new(word, said.channel)]
        if said.is_final and end is not None:
            self._confirmed[said.channel] = max(self._confirmed[said.channel], end)
        text = said.transcript if len(words) == len(said.words) else " ".join(map(_text, words))
        timed = tuple(map(self._timed, words))
        place = (said.channel, said.channels, said.start, said.start + said.duration, self._epoch)
        if said.is_final:
            return Final(text, timed, *place, said.speech_final, said.from_finalize, raw)
        return Interim(text, timed, *place, raw)

    def speech_started(self, said: wire.SpeechStarted, raw: str) -> SpeechStarted | None:
        """The event for a SpeechStarted message; None when another connection has told it."""
        sample = self._heard_from(said.timestamp)
        if sample is not None:
            if self._is_told(sample, self._before.started.get(said.channel)):
                return None
            self._started[said.channel] = sample
        return SpeechStarted(said.channel, said.timestamp, *self._moments(sample), raw)

    def utterance_end(self, said: wire.UtteranceEnd, raw: str) -> UtteranceEnd | None:
        """The event for an UtteranceEnd message; None when another connection has told it."""
        if said.last_word_end < 0:
            return UtteranceEnd(said.channel, None, None, None, raw)
        sample = self._heard_until(said.last_word_end)
        if sample is not None:
            if self._is_told(sample, self._before.ended.get(said.channel)):
                return None
            self._ended[said.channel] = sample
        return UtteranceEnd(said.channel, said.last_word_end, *self._moments(sample), raw)

    # ---- inside ----

    def _is_new(self, word: wire.WireWord, channel: int) -> bool:
        """Does most of it lie behind what another connection's finals have covered?"""
        confirmed = self._before.confirmed.get(channel, 0)
        if confirmed == 0 or (timeline := self._sent) is None:
            return True
        start, end = timeline.place_samples(word.start, word.end)
        return (start + end) / 2 >= confirmed

    def _is_told(self, sample: int, told: int | None) -> bool:
        if told is None or self._timeline is None:
            return False
        return sample < told + SAME_MOMENT_S * self._timeline.sample_rate

    def _timed(self, word: wire.WireWord) -> TimedWord:
        start: float | None = None
        end: float | None = None
        if (timeline := self._sent) is not None:
            start, end = timeline.place(word.start, word.end)
        return TimedWord(
            _text(word),
            word.word,
            word.confidence,
            word.start,
            word.end,
            start,
            end,
            self._wall(start),
            self._wall(end),
            word.speaker,
            self._epoch,
        )

    @property
    def _sent(self) -> Timeline | None:
        """The timeline, once something was sent on this connection."""
        return self._timeline if self._timeline is not None and self._timeline.stream_samples else None

    def _heard_until(self, stream_seconds: float) -> int | None:
        return None if (timeline := self._sent) is None else timeline.heard_until(stream_seconds)

    def _heard_from(self, stream_seconds: float) -> int | None:
        return None if (timeline := self._sent) is None else timeline.heard_from(stream_seconds)

    def _moments(self, sample: int | None) -> tuple[float | None, datetime | None]:
        if sample is None or self._timeline is None:
            return None, None
        source = sample / self._timeline.sample_rate
        return source, self._wall(source)

    def _wall(self, source: float | None) -> datetime | None:
        if source is None or self._timeline is None:
            return None
        wall = self._timeline.to_wall(source)
        return None if wall is None else datetime.fromtimestamp(wall, UTC)


def _text(word: wire.WireWord) -> str:
    return word.word if word.punctuated_word is None else word.punctuated_word
