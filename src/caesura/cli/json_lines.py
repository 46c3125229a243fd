"""Writes events of a line as one JSON object per line, for programs. Pure."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, assert_never

from caesura.client.events import (
    Closed,
    Event,
    Final,
    Gap,
    Interim,
    Notice,
    Paused,
    Reconnected,
    Reconnecting,
    Resumed,
    SpeechStarted,
    Stats,
    TimedWord,
    UtteranceEnd,
)
from caesura.rfc3339 import rfc3339


def json_line(event: Event) -> str:
    """The event as a JSON object; durations in seconds to the millisecond, times of day in RFC 3339, UTC."""
    return json.dumps(_object(event), ensure_ascii=False, separators=(",", ":"))


def _object(event: Event) -> dict[str, Any]:
    match event:
        case Final() | Interim():
            return _segment(event)
        case SpeechStarted(channel, stream, source, wall):
            return {"type": "speech_started", "channel": channel, **_point("", stream, source, wall)}
        case UtteranceEnd(channel, stream, source, wall):
            return {"type": "utterance_end", "channel": channel, **_point("last_word_", stream, source, wall)}
        case Paused(source):
            return {"type": "paused", "source": _ms(source)}
        case Resumed(source, seconds):
            return {"type": "resumed", "source": _ms(source), "seconds": _ms(seconds)}
        case Reconnecting(attempt, delay_s, why):
            return {"type": "reconnecting", "attempt": attempt, "delay_s": _ms(delay_s), "why": why}
        case Reconnected(epoch, request_id, outage_s, replay_s):
            times = {"outage_s": _ms(outage_s), "replay_s": _ms(replay_s)}
            return {"type": "reconnected", "epoch": epoch, "request_id": request_id, **times}
        case Gap(start, end, why):
            return {"type": "gap", "source_start": _ms(start), "source_end": _ms(end), "why": why}
        case Notice(kind, text):
            return {"type": "notice", "server_type": kind, "text": text}
        case Stats():
            values = {field.name: getattr(event, field.name) for field in fields(event)}
            return {"type": "stats", **{name: _ms(v) if isinstance(v, float) else v for name, v in values.items()}}
        case Closed(code, reason, error):
            return {"type": "closed", "code": code, "reason": reason, "error": None if error is None else str(error)}
        case _:
            assert_never(event)


def _segment(segment: Final | Interim) -> dict[str, Any]:
    line: dict[str, Any] = {
        "type": "final" if isinstance(segment, Final) else "interim",
        "transcript": segment.text,
        "channel": segment.channel,
        "epoch": segment.epoch,
        "stream_start": _ms(segment.stream_start),
        "stream_end": _ms(segment.stream_end),
    }
    if isinstance(segment, Final):
        line |= {"speech_final": segment.speech_final, "from_finalize": segment.from_finalize}
    return {**line, "words": [_word(word) for word in segment.words]}


def _word(word: TimedWord) -> dict[str, Any]:
    line: dict[str, Any] = {
        "word": word.text,
        "confidence": _ms(word.confidence),
        "stream_start": _ms(word.stream_start),
        "stream_end": _ms(word.stream_end),
        "source_start": _ms(word.source_start),
        "source_end": _ms(word.source_end),
        "wall_start": _moment(word.wall_start),
    }
    return line if word.speaker is None else {**line, "speaker": word.speaker}


def _point(name: str, stream: float | None, source: float | None, wall: datetime | None) -> dict[str, Any]:
    return {f"{name}stream": _ms(stream), f"{name}source": _ms(source), f"{name}wall": _moment(wall)}


def _ms(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _moment(wall: datetime | None) -> str | None:
    return None if wall is None else rfc3339(wall)
