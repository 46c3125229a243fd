"""JSON of the live wire at the client: reads server messages and writes client messages.

Accepts the messages of any server of this wire, Deepgram's included: a field that servers are known to leave out gets
its neutral value, an unknown field is ignored, an unknown message is passed on as it is. The counterpart of `codec`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from caesura.errors import BadAnswer
from caesura.protocol.messages import (
    ClientMessage,
    CloseStream,
    Configure,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    SpeechStartedMessage,
    UtteranceEndMessage,
    WireWord,
)

SHOWN = 200
"""Characters of a bad message that its error shows."""
MOST_CHANNELS = 256
"""Channels that a message may name; the wire allows 20."""
LARGEST = 1e9
"""The largest number that is accepted; as seconds it is thirty years."""


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A JSON object whose `type` this package does not know."""

    type: str


Answer = Results | Metadata | SpeechStartedMessage | UtteranceEndMessage | Error | Unrecognised


def write_client_message(message: ClientMessage) -> str:
    """The message as compact JSON, for a text frame."""
    match message:
        case KeepAlive():
            return '{"type":"KeepAlive"}'
        case CloseStream():
            return '{"type":"CloseStream"}'
        case Finalize(channel=None):
            return '{"type":"Finalize"}'
        case Finalize(channel=channel):
            return f'{{"type":"Finalize","channel":{channel}}}'
        case Configure(features, keyterms):
            fields: dict[str, Any] = {"type": "Configure"}
            if features:
                fields["features"] = dict(features)
            if keyterms is not None:
                fields["keyterms"] = keyterms
            return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        case _:
            assert_never(message)


def read_server_message(text: str) -> Answer:
    """The message in a text frame of the server. Raises BadAnswer when it is no message of this wire."""
    try:
        fields = json.loads(text)
        return _message(str(fields["type"]), fields)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadAnswer(f"The server sent what is no message of this wire: {text[:SHOWN]}") from error


def _message(kind: str, fields: Mapping[str, Any]) -> Answer:
    match kind:
        case "Results":
            return _results(fields)
        case "Metadata":
            return _metadata(fields)
        case "SpeechStarted":
            return SpeechStartedMessage(*_channel(fields.get("channel")), _seconds(fields["timestamp"]))
        case "UtteranceEnd":
            return UtteranceEndMessage(*_channel(fields.get("channel")), _number(fields["last_word_end"]))
        case "Error":
            texts = (fields.get("variant"), fields.get("description"), fields.get("message"))
            return Error(*(str(text or "") for text in texts))
        case _:
            return Unrecognised(kind)


def _results(fields: Mapping[str, Any]) -> Results:
    best, detected = fields["channel"]["alternatives"][0], fields["channel"].get("detected_language")
    language_confidence = fields["channel"].get("language_confidence")
    channel, channels = _channel(fields.get("channel_index"))
    metadata = fields.get("metadata") or {}
    return Results(
        channel=channel,
        channels=channels,
        start=_seconds(fields["start"]),
        duration=_seconds(fields["duration"]),
        is_final=bool(fields.get("is_final")),
        speech_final=bool(fields.get("speech_final")),
        from_finalize=bool(fields.get("from_finalize")),
        transcript=str(best["transcript"]),
        confidence=_number(best.get("confidence") or 0.0),
        words=tuple(_word(word) for word in best.get("words") or ()),
        request_id=str(metadata.get("request_id") or ""),
        model=_model(str(metadata.get("model_uuid") or ""), metadata.get("model_info") or {}),
        extra=metadata.get("extra") or {},
        languages=tuple(map(str, best.get("languages") or ())),
        detected_language=None if detected is None else str(detected),
        language_confidence=None if language_confidence is None else _number(language_confidence),
    )


def _word(fields: Mapping[str, Any]) -> WireWord:
    punctuated, speaker, language = fields.get("punctuated_word"), fields.get("speaker"), fields.get("language")
    return WireWord(
        word=str(fields["word"]),
        start=_seconds(fields["start"]),
        end=max(_seconds(fields["end"]), _seconds(fields["start"])),
        confidence=_number(fields.get("confidence") or 0.0),
        punctuated_word=None if punctuated is None else str(punctuated),
        speaker=None if speaker is None else int(speaker),
        language=None if language is None else str(language),
    )


def _metadata(fields: Mapping[str, Any]) -> Metadata:
    models = fields.get("model_info") or {}
    uuid = next(iter(models), "")
    return Metadata(
        request_id=str(fields.get("request_id") or ""),
        sha256=str(fields.get("sha256") or ""),
        created=str(fields.get("created") or ""),
        duration=_seconds(fields.get("duration") or 0.0),
        channels=int(fields.get("channels") or 0),
        model=_model(uuid, models[uuid]) if uuid else None,
        extra=fields.get("extra") or {},
        tags=tuple(fields.get("tags") or ()),
    )


def _model(uuid: str, fields: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(uuid, *(str(fields.get(name) or "") for name in ("name", "version", "arch")))


def _channel(pair: Any) -> tuple[int, int]:
    channel, channels = map(int, pair or (0, 1))
    if not 0 <= channel < channels <= MOST_CHANNELS:
        raise ValueError(f"there is no channel {channel} of {channels}")
    return channel, channels


def _number(value: Any) -> float:
    number = float(value)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{value} is no number of this wire")
    return number


def _seconds(value: Any) -> float:
    number = _number(value)
    if number < 0:
        raise ValueError(f"{value} lies before the start of the stream")
    return number
