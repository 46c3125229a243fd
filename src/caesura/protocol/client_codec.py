"""The client's end of the wire: server text in, messages out; client messages in, JSON text out.

Reads what any server of this wire says, Deepgram's included: a field that servers are known to leave out has its
neutral value, an unknown field is ignored, an unknown message is handed on as it is. The mirror of `codec`.
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
"""Of any message; the wire says 20."""
LARGEST = 1e9
"""Of any number; as seconds it is thirty years."""


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
    """What a text frame of the server says. Raises BadAnswer when it is no message of this wire."""
    try:
        said = json.loads(text)
        return _message(str(said["type"]), said)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BadAnswer(f"The server sent what is no message of this wire: {text[:SHOWN]}") from error


def _message(kind: str, said: Mapping[str, Any]) -> Answer:
    match kind:
        case "Results":
            return _results(said)
        case "Metadata":
            return _metadata(said)
        case "SpeechStarted":
            return SpeechStartedMessage(*_channel(said.get("channel")), _seconds(said["timestamp"]))
        case "UtteranceEnd":
            return UtteranceEndMessage(*_channel(said.get("channel")), _number(said["last_word_end"]))
        case "Error":
            texts = (said.get("variant"), said.get("description"), said.get("message"))
            return Error(*(str(text or "") for text in texts))
        case _:
            return Unrecognised(kind)


def _results(said: Mapping[str, Any]) -> Results:
    best = said["channel"]["alternatives"][0]
    channel, channels = _channel(said.get("channel_index"))
    about = said.get("metadata") or {}
    return Results(
        channel=channel,
        channels=channels,
        start=_seconds(said["start"]),
        duration=_seconds(said["duration"]),
        is_final=bool(said.get("is_final")),
        speech_final=bool(said.get("speech_final")),
        from_finalize=bool(said.get("from_finalize")),
        transcript=str(best["transcript"]),
        confidence=_number(best.get("confidence") or 0.0),
        words=tuple(_word(word) for word in best.get("words") or ()),
        request_id=str(about.get("request_id") or ""),
        model=_model(str(about.get("model_uuid") or ""), about.get("model_info") or {}),
        extra=about.get("extra") or {},
        languages=tuple(map(str, best.get("languages") or ())),
    )


def _word(said: Mapping[str, Any]) -> WireWord:
    punctuated, speaker, language = said.get("punctuated_word"), said.get("speaker"), said.get("language")
    return WireWord(
        word=str(said["word"]),
        start=_seconds(said["start"]),
        end=max(_seconds(said["end"]), _seconds(said["start"])),
        confidence=_number(said.get("confidence") or 0.0),
        punctuated_word=None if punctuated is None else str(punctuated),
        speaker=None if speaker is None else int(speaker),
        language=None if language is None else str(language),
    )


def _metadata(said: Mapping[str, Any]) -> Metadata:
    models = said.get("model_info") or {}
    uuid = next(iter(models), "")
    return Metadata(
        request_id=str(said.get("request_id") or ""),
        sha256=str(said.get("sha256") or ""),
        created=str(said.get("created") or ""),
        duration=_seconds(said.get("duration") or 0.0),
        channels=int(said.get("channels") or 0),
        model=_model(uuid, models[uuid]) if uuid else None,
        extra=said.get("extra") or {},
        tags=tuple(said.get("tags") or ()),
    )


def _model(uuid: str, said: Mapping[str, Any]) -> ModelInfo:
    return ModelInfo(uuid, *(str(said.get(name) or "") for name in ("name", "version", "arch")))


def _channel(said: Any) -> tuple[int, int]:
    channel, channels = map(int, said or (0, 1))
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
