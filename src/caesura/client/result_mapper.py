"""Maps a server's messages to events: times on three clocks, and every word once in spite of reconnects. Pure.

After a reconnect the server receives the audio again that no final had covered on every channel, and its stream clock
starts at 0. Words are identified by where they lie in the source, never by their text: two real "yes" stay two, and a
word that is recognized again on a channel whose finals already cover it is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import assert_never

from caesura.client.events import Event, Final, Interim, Notice, SpeechStarted, TimedWord, UtteranceEnd
from caesura.protocol import messages as wire
from caesura.protocol.client_codec import Unrecognised
from caesura.timeline import Timeline

SAME_MOMENT_S = 0.25
"""A new connection may time the same start or end of speech so much earlier or later."""


@dataclass(frozen=True, slots=True)
class EarlierConnections:
    """What was emitted on each channel before this connection opened, in source samples."""

    confirmed: Mapping[int, int]
    started: Mapping[int, int]
    ended: Mapping[int, int]


class ResultMapper:
    """Maps the messages of one line; `timeline` is None where samples cannot be counted."""

    def __init__(self, timeline: Timeline | None) -> None:
        self._timeline = timeline
        self._epoch = 0
        self._confirmed: dict[int, int] = {}
        """Source sample up to which finals cover each channel."""
        self._started: dict[int, int] = {}
        """Newest start of speech emitted, by channel."""
        self._ended: dict[int, int] = {}
        """Newest end of an utterance emitted, by channel."""
        self._before = EarlierConnections({}, {}, {})

    @property
    def confirmed(self) -> int:
        """Source sample up to which finals cover all channels."""
        return min(self._confirmed.values(), default=0)

    def begin_epoch(self, epoch: int) -> None:
        """A new connection: its messages may repeat what was emitted before."""
        self._epoch = epoch
        self._before = EarlierConnections(dict(self._confirmed), dict(self._started), dict(self._ended))

    def results(self, message: wire.Results, raw: str) -> Interim | Final | None:
        """The event for a Results message; None when all of it was emitted before."""
        for channel in range(message.channels):
            self._confirmed.setdefault(channel, 0)
        end = self._heard_until(message.start + message.duration)
        if end is not None and end < self._before.confirmed.get(message.channel, 0):
            return None
        words = [word for word in message.words if self._is_new(word, message.channel)]
        if message.is_final and end is not None:
            self._confirmed[message.channel] = max(self._confirmed[message.channel], end)
        text = message.transcript if len(words) == len(message.words) else " ".join(map(_text, words))
        timed = tuple(map(self._timed, words))
        position = (message.channel, message.channels, message.start, message.start + message.duration, self._epoch)
        if message.is_final:
            return Final(text, timed, *position, message.speech_final, message.from_finalize, raw)
        return Interim(text, timed, *position, raw)

    def speech_started(self, message: wire.SpeechStartedMessage, raw: str) -> SpeechStarted | None:
        """The event for a SpeechStarted message; None when it was emitted on an earlier connection."""
        sample = self._heard_from(message.timestamp)
        if sample is not None:
            if self._was_emitted(sample, self._before.started.get(message.channel)):
                return None
            self._started[message.channel] = sample
        return SpeechStarted(message.channel, message.timestamp, *self._source_and_wall(sample), raw)

    def utterance_end(self, message: wire.UtteranceEndMessage, raw: str) -> UtteranceEnd | None:
        """The event for an UtteranceEnd message; None when it was emitted on an earlier connection."""
        if message.last_word_end < 0:
            return UtteranceEnd(message.channel, None, None, None, raw)
        sample = self._heard_until(message.last_word_end)
        if sample is not None:
            if self._was_emitted(sample, self._before.ended.get(message.channel)):
                return None
            self._ended[message.channel] = sample
        return UtteranceEnd(message.channel, message.last_word_end, *self._source_and_wall(sample), raw)

    def event(
        self,
        message: wire.SpeechStartedMessage | wire.UtteranceEndMessage | wire.Error | Unrecognised,
        raw: str,
    ) -> Event | None:
        """The event for a message without words; None when it was emitted on an earlier connection."""
        match message:
            case wire.SpeechStartedMessage():
                return self.speech_started(message, raw)
            case wire.UtteranceEndMessage():
                return self.utterance_end(message, raw)
            case wire.Error(description=text):
                return Notice("Error", text, raw)
            case Unrecognised(kind):
                return Notice(kind, "", raw)
            case _:
                assert_never(message)

    # ---- inside ----

    def _is_new(self, word: wire.WireWord, channel: int) -> bool:
        """Does most of the word lie behind what earlier connections' finals cover?"""
        confirmed = self._before.confirmed.get(channel, 0)
        if confirmed == 0 or (timeline := self._started_timeline) is None:
            return True
        start, end = timeline.place_samples(word.start, word.end)
        return (start + end) / 2 >= confirmed

    def _was_emitted(self, sample: int, emitted: int | None) -> bool:
        if emitted is None or self._timeline is None:
            return False
        return sample < emitted + SAME_MOMENT_S * self._timeline.sample_rate

    def _timed(self, word: wire.WireWord) -> TimedWord:
        start: float | None = None
        end: float | None = None
        if (timeline := self._started_timeline) is not None:
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
    def _started_timeline(self) -> Timeline | None:
        """The timeline, once audio was sent on this connection."""
        return self._timeline if self._timeline is not None and self._timeline.stream_samples else None

    def _heard_until(self, stream_seconds: float) -> int | None:
        return None if (timeline := self._started_timeline) is None else timeline.heard_until(stream_seconds)

    def _heard_from(self, stream_seconds: float) -> int | None:
        return None if (timeline := self._started_timeline) is None else timeline.heard_from(stream_seconds)

    def _source_and_wall(self, sample: int | None) -> tuple[float | None, datetime | None]:
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
