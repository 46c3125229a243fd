"""Rewrites a server's JSON messages so that every time in them is on the source clock, for consumers of the wire.

The server's own message is the base, so that nothing in it is lost. Words of which an earlier connection has already
brought a final are left out; the times of the connection, the wall clock and the connection's number are added under
names of their own. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

from caesura.client.events import Final, Interim, SpeechStarted, Stats, TimedWord, UtteranceEnd
from caesura.rfc3339 import rfc3339
from caesura.timeline import Timeline

Stretch = tuple[float, float]
"""Start and end of a piece of audio, in seconds."""
ToSource = Callable[[Stretch, int], Stretch | None]
"""Maps a stretch of one connection's stream clock to source seconds; None where samples cannot be counted."""

DIGITS = 3
"""Decimals of seconds on the wire: milliseconds."""


def source_stretch(timeline: Timeline | None, stretch: Stretch, epoch: int) -> Stretch | None:
    """Source seconds of a stretch of audio on the stream clock of connection `epoch`; None where they are unknown.

    Audio before a pause belongs to the span that ends there, audio after it to the span that begins there.
    """
    if timeline is None:
        return None
    try:
        first, last = timeline.to_source(stretch[0], epoch), timeline.heard_until(stretch[1], epoch)
    except ValueError:
        return None  # nothing was sent on that connection
    return first, max(last / timeline.sample_rate, first)


class MessageRetimer:
    """Writes the messages of one line; it remembers which audio finals have covered."""

    def __init__(self, to_source: ToSource) -> None:
        self._to_source = to_source
        self._covered: dict[int, float] = {}
        """End of the audio (source seconds) that finals have covered, by channel."""

    def results(self, event: Interim | Final) -> str:
        """A Results message: the server's, with the words of `event`."""
        message = json.loads(event.raw)
        alternatives = message["channel"]["alternatives"]
        best = alternatives[0]
        words = best.get("words") or []
        kept = list(_kept(words, event.words))
        if len(kept) < len(words):
            del alternatives[1:]  # which of their words an earlier connection brought cannot be known
        best["transcript"] = event.text
        best["words"] = [_timed(word, timed) for word, timed in kept]
        for other in alternatives[1:]:
            for word in other.get("words") or []:
                self._move(word, event.epoch)
        stream = event.stream_start, event.stream_end
        source = self._to_source(stream, event.epoch)
        if source is not None:
            start, end = self._uncovered(source, event)
            message["start"], message["duration"] = _seconds(start), _seconds(end - start)
        message["stream_start"], message["stream_end"] = map(_seconds, stream)
        message["epoch"] = event.epoch
        return json.dumps(message)

    def speech_started(self, event: SpeechStarted) -> str:
        """A SpeechStarted message."""
        message = json.loads(event.raw)
        message["timestamp"] = _seconds(event.stream if event.source is None else event.source)
        message["stream_timestamp"] = _seconds(event.stream)
        message["wall_timestamp"] = _wall(event.wall)
        return json.dumps(message)

    def utterance_end(self, event: UtteranceEnd) -> str:
        """An UtteranceEnd message; -1 where the end of the last word is not known, as the wire has it."""
        message = json.loads(event.raw)
        stream = -1.0 if event.stream is None else event.stream
        message["last_word_end"] = _seconds(stream if event.source is None else event.source)
        message["stream_last_word_end"] = _seconds(stream)
        message["wall_last_word_end"] = _wall(event.wall)
        return json.dumps(message)

    def metadata(self, raw: str, stats: Stats) -> str:
        """The last Metadata message, for all connections: `duration` counts each second of audio once."""
        message = json.loads(raw)
        if stats.captured_s:
            message["duration"] = _seconds(stats.captured_s - stats.lost_s)
        message["provider_duration"] = None if stats.provider_s is None else _seconds(stats.provider_s)
        message["lost_duration"] = _seconds(stats.lost_s)
        message["connections"] = stats.connections
        return json.dumps(message)

    def _uncovered(self, stretch: Stretch, event: Interim | Final) -> Stretch:
        """The part that no final has covered: a new connection's first segment begins a little before that."""
        floor = self._covered.get(event.channel, 0.0)
        start, end = max(stretch[0], floor), max(stretch[1], floor)
        if isinstance(event, Final):
            self._covered[event.channel] = end
        return start, end

    def _move(self, word: dict[str, Any], epoch: int) -> None:
        stream = float(word["start"]), float(word["end"])
        source = self._to_source(stream, epoch)
        if source is not None:
            word["start"], word["end"] = map(_seconds, source)
        word["stream_start"], word["stream_end"] = stream


def _kept(words: Sequence[dict[str, Any]], timed: Sequence[TimedWord]) -> Iterator[tuple[dict[str, Any], TimedWord]]:
    """Pairs each word that is kept with its times: `timed` is a subsequence of `words`."""
    rest = iter(words)
    for each in timed:
        for word in rest:
            if word["word"] == each.word and float(word["start"]) == each.stream_start:
                yield word, each
                break


def _timed(word: dict[str, Any], timed: TimedWord) -> dict[str, Any]:
    if timed.source_start is not None and timed.source_end is not None:
        word["start"], word["end"] = _seconds(timed.source_start), _seconds(timed.source_end)
    word["stream_start"], word["stream_end"] = timed.stream_start, timed.stream_end
    word["wall_start"], word["wall_end"] = _wall(timed.wall_start), _wall(timed.wall_end)
    return word


def _seconds(value: float) -> float:
    return round(value, DIGITS)


def _wall(moment: datetime | None) -> str | None:
    return None if moment is None else rfc3339(moment)
