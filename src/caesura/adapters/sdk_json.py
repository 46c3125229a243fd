"""Events of a line in; the JSON that Deepgram's SDK expects, with every time on the source clock, out. Pure.

The server's own message is the base, so that nothing it says is lost. Words that were told before are left out of it;
the times of the connection, the wall clock and the connection's number are added under names of their own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from caesura.client.events import Final, Interim, SpeechStarted, Stats, TimedWord, UtteranceEnd

Stretch = tuple[float, float]
Place = Callable[[Stretch, int], Stretch | None]
"""A stretch of the stream clock of one connection as source seconds; None where samples cannot be counted."""

DIGITS = 3
"""The wire has milliseconds."""


class SdkJson:
    """Writes the messages of one line."""

    def __init__(self, place: Place, *, channels: int) -> None:
        """`channels`: how many are told apart."""
        self._place = place
        self._channels = channels
        self._covered: dict[int, float] = {}
        """Source seconds up to which finals of each channel were told."""

    def results(self, event: Interim | Final) -> str:
        """A Results message: the server's, with the words of `event`."""
        said = json.loads(event.raw)
        alternatives = said["channel"]["alternatives"]
        best = alternatives[0]
        words = best.get("words") or []
        kept = list(_kept(words, event.words))
        if len(kept) < len(words):
            del alternatives[1:]  # nobody knows which of their words were told before
        best["transcript"] = event.text
        best["words"] = [_timed(word, timed) for word, timed in kept]
        for other in alternatives[1:]:
            for word in other.get("words") or []:
                self._move(word, event.epoch)
        stream = event.stream_start, event.stream_end
        source = self._place(stream, event.epoch)
        if source is not None:
            start, end = self._untold(source, event)
            said["start"], said["duration"] = _seconds(start), _seconds(end - start)
        said["stream_start"], said["stream_end"] = map(_seconds, stream)
        said["epoch"] = event.epoch
        return json.dumps(said)

    def speech_started(self, event: SpeechStarted) -> str:
        """A SpeechStarted message."""
        at = event.stream if event.source is None else event.source
        return json.dumps(
            {
                "type": "SpeechStarted",
                "channel": [event.channel, self._channels],
                "timestamp": _seconds(at),
                "stream_timestamp": _seconds(event.stream),
                "wall_timestamp": _wall(event.wall),
            }
        )

    def utterance_end(self, event: UtteranceEnd) -> str:
        """An UtteranceEnd message; -1 where the end of the last word is not known, as the wire has it."""
        stream = -1.0 if event.stream is None else event.stream
        return json.dumps(
            {
                "type": "UtteranceEnd",
                "channel": [event.channel, self._channels],
                "last_word_end": _seconds(stream if event.source is None else event.source),
                "stream_last_word_end": _seconds(stream),
                "wall_last_word_end": _wall(event.wall),
            }
        )

    def metadata(self, raw: str, stats: Stats) -> str:
        """The last Metadata message, for all connections: `duration` is the audio heard, each second counted once."""
        said = json.loads(raw)
        if stats.captured_s:
            said["duration"] = _seconds(stats.captured_s - stats.lost_s)
        said["provider_duration"] = None if stats.provider_s is None else _seconds(stats.provider_s)
        said["lost_duration"] = _seconds(stats.lost_s)
        said["connections"] = stats.connections
        return json.dumps(said)

    def _untold(self, stretch: Stretch, event: Interim | Final) -> Stretch:
        """The part of it that no final has covered: a new connection begins a little before that."""
        floor = self._covered.get(event.channel, 0.0)
        start, end = max(stretch[0], floor), max(stretch[1], floor)
        if isinstance(event, Final):
            self._covered[event.channel] = end
        return start, end

    def _move(self, word: dict[str, Any], epoch: int) -> None:
        stream = float(word["start"]), float(word["end"])
        source = self._place(stream, epoch)
        if source is not None:
            word["start"], word["end"] = map(_seconds, source)
        word["stream_start"], word["stream_end"] = stream


def _kept(words: Sequence[dict[str, Any]], timed: Sequence[TimedWord]) -> Iterator[tuple[dict[str, Any], TimedWord]]:
    """The words that are told, each with its times: `timed` is what is left of `words`, in the same order."""
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
    """As the wire writes moments: RFC 3339, UTC, milliseconds."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
