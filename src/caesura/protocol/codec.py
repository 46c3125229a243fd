"""The server's end of the wire: JSON text in, client messages out; server messages in, JSON text out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from math import floor
from typing import Any, assert_never

from caesura.errors import BadMessage
from caesura.protocol.messages import (
    ClientMessage,
    CloseStream,
    Configure,
    ConfigureFailure,
    ConfigureSuccess,
    Error,
    Finalize,
    KeepAlive,
    Metadata,
    ModelInfo,
    Results,
    SearchResult,
    ServerMessage,
    SpeechStartedMessage,
    UtteranceEndMessage,
    WireWord,
)
from caesura.protocol.reader import PREFIX, TextReader, quotable, unexpected

LONGEST_TEXT = 16_384
"""Characters of the longest text that is read; real control messages have a few dozen."""

ECHO_BYTES = 4096
"""How much of a bad text its answer gives back."""

_VARIANTS = ("CloseStream", "Configure", "Sync", "KeepAlive", "Finalize")
_CONFIGURE = ("features", "processors", "keyterms", "language_hints")
_CHANNEL = re.compile(r"[0-9]{1,9}")

_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


# ---- from the client ----


def read_client_message(text: str) -> ClientMessage:
    """The control message that a text message carries.

    Unknown fields are ignored; `channel` null is as good as none. Raises BadMessage for everything
    else, with the description for the wire.
    """
    if len(text) > LONGEST_TEXT:
        raise BadMessage(
            f"{PREFIX}it has {len(text)} characters, and no control message more than {LONGEST_TEXT};"
            " audio must be sent in binary messages"
        )
    reader = TextReader(text)
    variant, fields = _read_fields(reader)
    message = _client_message(variant, fields)
    reader.finish()
    return message


def schema_error(text: str, error: BadMessage) -> Error:
    """The answer to a bad text: what is wrong with it, and its first 4096 bytes in whole characters."""
    echo = text[:ECHO_BYTES].encode("utf-8", "replace")[:ECHO_BYTES].decode("utf-8", "ignore")
    return Error(error.variant, str(error), echo)


_Fields = list[tuple[str, str]]
"""Names and values, as they were written."""


def _read_fields(reader: TextReader) -> tuple[str, _Fields]:
    # The variant, and every other field as it was written.
    variant: str | None = None
    fields: _Fields = []
    for key in reader.tagged_object():
        if key != "type":
            fields.append((key, reader.value()))
        elif variant is None:
            variant = reader.variant(_VARIANTS)
        else:
            raise reader.fault("duplicate field `type`", reader.key_end)
    if variant is None:
        raise reader.fault("missing field `type`", reader.at)
    return variant, fields


def _client_message(variant: str, fields: _Fields) -> ClientMessage:
    match variant:
        case "KeepAlive":
            return KeepAlive()
        case "Finalize":
            return Finalize(_channel([raw for name, raw in fields if name == "channel"]))
        case "CloseStream":
            return CloseStream()
        case "Configure":
            return _configure(fields)
        case _:
            raise BadMessage(f"{PREFIX}`{variant}` is not supported by this server")


def _channel(written: list[str]) -> int | None:
    if len(written) > 1:
        raise BadMessage(f"{PREFIX}duplicate field `channel`")
    raw = written[0] if written else "null"
    if raw == "null":
        return None
    if _CHANNEL.fullmatch(raw):
        return int(raw)
    fault = "value" if raw.lstrip("-").isdecimal() else "type"
    raise BadMessage(f"{PREFIX}invalid {fault}: {unexpected(raw)}, expected `channel` to be an integer, 0 or more")


def _configure(fields: _Fields) -> Configure:
    given: dict[str, str] = {}
    for name, raw in fields:
        if name not in _CONFIGURE:
            known = ", ".join(f"`{field}`" for field in _CONFIGURE)
            raise BadMessage(f"{PREFIX}unknown field `{quotable(name)}`, expected one of {known}")
        if name in given:
            raise BadMessage(f"{PREFIX}duplicate field `{name}`")
        given[name] = raw
    asked = [name for name in ("processors", "language_hints") if given.get(name, "null") not in ("null", "[]", "{}")]
    return Configure(
        features=_features(given.get("features", "null")),
        keyterms=_keyterms(given.get("keyterms", "null")),
        unsupported=asked[0] if asked else None,
    )


def _features(raw: str) -> dict[str, bool]:
    features = {} if raw == "null" else json.loads(raw)
    if not isinstance(features, dict):
        raise BadMessage(f"{PREFIX}invalid type: {unexpected(raw)}, expected `features` to be a map")
    for name, value in features.items():
        if not isinstance(value, bool):
            written = unexpected(json.dumps(value))
            raise BadMessage(f"{PREFIX}invalid type: {written}, expected feature `{quotable(name)}` to be a boolean")
    return features


def _keyterms(raw: str) -> tuple[str, ...] | None:
    if raw == "null":
        return None
    terms = json.loads(raw)
    if not isinstance(terms, list):
        raise BadMessage(f"{PREFIX}invalid type: {unexpected(raw)}, expected `keyterms` to be a sequence")
    for term in terms:
        if not isinstance(term, str):
            raise BadMessage(f"{PREFIX}invalid type: {unexpected(json.dumps(term))}, expected a string in `keyterms`")
    return tuple(filter(None, (" ".join(term.split()) for term in terms)))


# ---- from the server ----


def write_server_message(message: ServerMessage) -> str:
    """The message as compact JSON, in the order of the recorded wire; seconds and confidences to 3 decimals.

    Start and end of a segment are rounded, and its duration is their difference: segments that tile
    the stream do so on the wire too. Raises ValueError for a number that is none (NaN, infinity).
    """
    match message:
        case Results():
            return _encode(_results(message))
        case Metadata():
            return _encode(_metadata(message))
        case SpeechStartedMessage(channel, channels, timestamp):
            fields = {
                "type": "SpeechStarted",
                "channel": (channel, channels),
                "timestamp": _rounded(timestamp),
            }
            return _encode(fields)
        case UtteranceEndMessage(channel, channels, last_word_end):
            end = _rounded(last_word_end)
            return _encode({"type": "UtteranceEnd", "channel": (channel, channels), "last_word_end": end})
        case Error(variant, description, echo):
            return _encode({"type": "Error", "variant": variant, "description": description, "message": echo})
        case ConfigureSuccess(request_id, keyterms):
            success: dict[str, Any] = {"type": "ConfigureSuccess", "request_id": request_id}
            return _encode(success if keyterms is None else success | {"keyterms": keyterms})
        case ConfigureFailure(request_id, code, description):
            failure = {"type": "ConfigureFailure", "request_id": request_id, "code": code, "description": description}
            return _encode(failure)
        case _:
            assert_never(message)


def _results(results: Results) -> dict[str, Any]:
    start = _rounded(results.start)
    end = _rounded(results.start + results.duration)
    metadata: dict[str, Any] = {
        "request_id": results.request_id,
        "model_info": _model_info(results.model),
        "model_uuid": results.model.uuid,
    }
    if results.diarizer is not None:
        metadata["diarize_info"] = {"model_uuid": results.diarizer.uuid, "arch": results.diarizer.arch}
    if results.extra:
        metadata["extra"] = dict(results.extra)
    alternative: dict[str, Any] = {
        "transcript": results.transcript,
        "confidence": _rounded(results.confidence),
    }
    if results.languages:
        alternative["languages"] = results.languages
    alternative["words"] = [_word(word) for word in results.words]
    channel: dict[str, Any] = {"alternatives": (alternative,)}
    if results.searches:
        channel["search"] = [_search(search) for search in results.searches]
    return {
        "type": "Results",
        "channel_index": (results.channel, results.channels),
        "duration": _rounded(end - start),
        "start": start,
        "is_final": results.is_final,
        "speech_final": results.speech_final,
        "channel": channel,
        "metadata": metadata,
        "from_finalize": results.from_finalize,
    }


def _word(word: WireWord) -> dict[str, str | float]:
    fields: dict[str, str | float] = {
        "word": word.word,
        "start": _rounded(word.start),
        "end": _rounded(word.end),
        "confidence": _rounded(word.confidence),
    }
    if word.punctuated_word is not None:
        fields["punctuated_word"] = word.punctuated_word
    if word.speaker is not None:
        fields["speaker"] = word.speaker
    if word.language is not None:
        fields["language"] = word.language
    return fields


def _search(search: SearchResult) -> dict[str, Any]:
    hits = [
        {
            "confidence": _rounded(hit.confidence),
            "start": _rounded(hit.start),
            "end": _rounded(hit.end),
            "snippet": hit.snippet,
        }
        for hit in search.hits
    ]
    return {"query": search.query, "hits": hits}


def _metadata(metadata: Metadata) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "type": "Metadata",
        "transaction_key": "deprecated",
        "request_id": metadata.request_id,
        "sha256": metadata.sha256,
        "created": metadata.created,
        "duration": _rounded(metadata.duration),
        "channels": metadata.channels,
    }
    if metadata.model is not None:
        fields["models"] = (metadata.model.uuid,)
        fields["model_info"] = {metadata.model.uuid: _model_info(metadata.model)}
    if metadata.extra:
        fields["extra"] = dict(metadata.extra)
    if metadata.tags:
        fields["tags"] = metadata.tags
    return fields


def _model_info(model: ModelInfo) -> Mapping[str, str]:
    return {"name": model.name, "version": model.version, "arch": model.arch}


def _rounded(value: float) -> float:
    # Halves go up, and so does what misses a half by float error alone: two sums that mean the
    # same moment must not come out a millisecond apart.
    return floor(value * 1000.0 + 0.500001) / 1000.0
