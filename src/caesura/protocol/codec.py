"""JSON of the live wire at the server: reads client messages and writes server messages."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from math import floor
from typing import Any, assert_never

from caesura.errors import BadMessage
from caesura.events import Search
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

PREFIX = "Could not deserialize last text message: "
"""How the description of every bad text begins."""

LONGEST_TEXT = 16_384
"""Characters of the longest text that is read; real control messages have a few dozen."""

ECHO_BYTES = 4096
"""How much of a bad text its answer gives back."""

_QUOTE_LENGTH = 200
_LONGEST_INTEGER = 20
"""Digits; `int` refuses thousands of them with an error of its own, and no field takes so many."""

_VARIANTS = ("CloseStream", "Configure", "Sync", "KeepAlive", "Finalize")
_CONFIGURE = ("features", "processors", "keyterms", "language_hints")
_CHANNELS = range(10**9)

_SURROGATE = re.compile("[\ud800-\udfff]")
_BETWEEN_VALUES = re.compile(r"[ \t\n\r,:]*")

encode_json = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":")).encode


# ---- from the client ----


def read_client_message(text: str) -> ClientMessage:
    """The control message that a text message carries.

    Unknown fields are ignored, except in Configure; `channel` null is as good as none. Raises BadMessage for
    everything else, with the description for the wire. Two descriptions are those of the hosted service, as recorded:
    of an unknown `type`, and of an unknown field in Configure. The others are ours.
    """
    if len(text) > LONGEST_TEXT:
        raise _bad(
            f"it has {len(text)} characters, and no control message more than {LONGEST_TEXT};"
            " audio must be sent in binary messages"
        )
    fields = _parsed(text)
    match _type(fields, text):
        case "KeepAlive":
            return KeepAlive()
        case "Finalize":
            return Finalize(_channel(fields))
        case "CloseStream":
            return CloseStream()
        case "Configure":
            return _configure(fields)
        case variant:
            raise _bad(f"`{variant}` is not supported by this server")


def schema_error(text: str, error: BadMessage) -> Error:
    """The answer to a bad text: what is wrong with it, and its first 4096 bytes in whole characters."""
    echo = text[:ECHO_BYTES].encode("utf-8", "replace")[:ECHO_BYTES].decode("utf-8", "ignore")
    return Error(error.variant, str(error), echo)


def quotable(text: str) -> str:
    """A piece of a client's text for a sentence: short, and free of what UTF-8 cannot carry."""
    shown = text if len(text) <= _QUOTE_LENGTH else text[:_QUOTE_LENGTH] + "..."
    return _SURROGATE.sub("?", shown)


class _Fields(dict[str, Any]):
    """A JSON object, and which of its names it has more than once."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        # Hardly any object has a name twice, and counting costs as much as reading.
        counts = Counter(name for name, _ in pairs) if len(self) < len(pairs) else {}
        self._repeated = {name for name, count in counts.items() if count > 1}

    def reject_repeated(self, *names: str) -> None:
        """Raises BadMessage when one of `names` is repeated: it would be left to chance which value counts."""
        for name in names:
            if name in self._repeated:
                raise _bad(f"duplicate field `{name}`")


def _bad(sentence: str) -> BadMessage:
    return BadMessage(PREFIX + sentence)


def _parsed(text: str) -> _Fields:
    try:
        value = _decoder.decode(text)
    except json.JSONDecodeError as error:
        raise _bad(f"it is not JSON: {error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    if not isinstance(value, _Fields):
        raise _bad('it is not a JSON object, as {"type":"KeepAlive"} is one')
    return value


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _reject_constant(name: str) -> float:
    raise _bad(f"it is not JSON: {name} is no number there")


_decoder = json.JSONDecoder(object_pairs_hook=_Fields, parse_int=_integer, parse_constant=_reject_constant)


def _type(fields: _Fields, text: str) -> str:
    fields.reject_repeated("type")
    match fields.get("type"):
        case str(variant) if variant in _VARIANTS:
            return variant
        case str(variant):
            place = _place(text, _end_of_type(text))
            raise _bad(f"unknown variant `{quotable(variant)}`, expected one of {_quoted(_VARIANTS)} at {place}")
        case None if "type" not in fields:
            raise _bad("missing field `type`")
        case _:
            raise _bad(f"`type` must be a string, one of {_quoted(_VARIANTS)}")


def _end_of_type(text: str) -> int:
    """Index behind the value of `type` in a JSON object that has it."""
    at = text.index("{") + 1
    name = ""
    while name != "type":
        name, at = _value_at(text, at)
        _, at = _value_at(text, at)
    return at


def _value_at(text: str, at: int) -> tuple[Any, int]:
    gap = _BETWEEN_VALUES.match(text, at)
    assert gap is not None  # it matches nothing as well
    return _decoder.raw_decode(text, gap.end())


def _place(text: str, end: int) -> str:
    """Line and column of the last character before `end`; a column counts the bytes of UTF-8."""
    lines = text[:end].split("\n")
    return f"line {len(lines)} column {len(lines[-1].encode('utf-8', 'surrogatepass'))}"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _channel(fields: _Fields) -> int | None:
    fields.reject_repeated("channel")
    channel = fields.get("channel")
    if channel is None:
        return None
    if type(channel) is not int or channel not in _CHANNELS:
        raise _bad("`channel` must be an integer, 0 or more")
    return channel


def _configure(fields: _Fields) -> Configure:
    unknown = next((name for name in fields if name not in ("type", *_CONFIGURE)), None)
    if unknown is not None:
        raise _bad(f"unknown field `{quotable(unknown)}`, expected one of {_quoted(_CONFIGURE)}")
    fields.reject_repeated(*_CONFIGURE)
    unsupported = (name for name in ("processors", "language_hints") if fields.get(name) not in (None, [], {}))
    return Configure(
        features=_features(fields.get("features")),
        keyterms=_keyterms(fields.get("keyterms")),
        unsupported=next(unsupported, None),
    )


def _features(value: Any) -> dict[str, bool]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(each, bool) for each in value.values()):
        raise _bad("`features` must be an object whose values are true or false")
    return dict(value)


def _keyterms(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(term, str) for term in value):
        raise _bad("`keyterms` must be a list of strings")
    if any(map(_SURROGATE.search, value)):
        raise _bad("`keyterms` must be Unicode text, without lone surrogates")
    return tuple(filter(None, (" ".join(term.split()) for term in value)))


# ---- from the server ----


def write_server_message(message: ServerMessage) -> str:
    """The message as compact JSON, in the order of the recorded wire; seconds and confidences to 3 decimals.

    Start and end of a segment are rounded, and its duration is their difference: segments that tile
    the stream do so on the wire too. Raises ValueError for a number that is none (NaN, infinity).
    """
    match message:
        case Results():
            return encode_json(_results(message))
        case Metadata():
            return encode_json(_metadata(message))
        case SpeechStartedMessage(channel, channels, timestamp):
            fields = {
                "type": "SpeechStarted",
                "channel": (channel, channels),
                "timestamp": rounded(timestamp),
            }
            return encode_json(fields)
        case UtteranceEndMessage(channel, channels, last_word_end):
            end = rounded(last_word_end)
            return encode_json({"type": "UtteranceEnd", "channel": (channel, channels), "last_word_end": end})
        case Error(variant, description, echo):
            return encode_json({"type": "Error", "variant": variant, "description": description, "message": echo})
        case ConfigureSuccess(request_id, keyterms):
            success: dict[str, Any] = {"type": "ConfigureSuccess", "request_id": request_id}
            return encode_json(success if keyterms is None else success | {"keyterms": keyterms})
        case ConfigureFailure(request_id, code, description):
            failure = {"type": "ConfigureFailure", "request_id": request_id, "code": code, "description": description}
            return encode_json(failure)
        case _:
            assert_never(message)


def _results(results: Results) -> dict[str, Any]:
    start = rounded(results.start)
    end = rounded(results.start + results.duration)
    metadata: dict[str, Any] = {
        "request_id": results.request_id,
        "model_info": model_fields(results.model),
        "model_uuid": results.model.uuid,
    }
    if results.diarizer is not None:
        metadata["diarize_info"] = {"model_uuid": results.diarizer.uuid, "arch": results.diarizer.arch}
    if results.extra:
        metadata["extra"] = dict(results.extra)
    alternative: dict[str, Any] = {
        "transcript": results.transcript,
        "confidence": rounded(results.confidence),
    }
    if results.languages:
        alternative["languages"] = results.languages
    alternative["words"] = [_word(word) for word in results.words]
    channel: dict[str, Any] = {"alternatives": (alternative,)}
    if results.searches:
        channel["search"] = [search_fields(search) for search in results.searches]
    if results.detected_language is not None:
        channel["detected_language"] = results.detected_language
    if results.language_confidence is not None:
        channel["language_confidence"] = rounded(results.language_confidence)
    return {
        "type": "Results",
        "channel_index": (results.channel, results.channels),
        "duration": rounded(end - start),
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
        "start": rounded(word.start),
        "end": rounded(word.end),
        "confidence": rounded(word.confidence),
    }
    if word.punctuated_word is not None:
        fields["punctuated_word"] = word.punctuated_word
    if word.speaker is not None:
        fields["speaker"] = word.speaker
    if word.language is not None:
        fields["language"] = word.language
    return fields


def search_fields(search: SearchResult | Search) -> dict[str, Any]:
    """JSON of a search term and its hits."""
    hits = [
        {
            "confidence": rounded(hit.confidence),
            "start": rounded(hit.start),
            "end": rounded(hit.end),
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
        "duration": rounded(metadata.duration),
        "channels": metadata.channels,
    }
    if metadata.model is not None:
        fields["models"] = (metadata.model.uuid,)
        fields["model_info"] = {metadata.model.uuid: model_fields(metadata.model)}
    if metadata.extra:
        fields["extra"] = dict(metadata.extra)
    if metadata.tags:
        fields["tags"] = metadata.tags
    return fields


def model_fields(model: ModelInfo) -> Mapping[str, str]:
    """JSON of a model, without its identifier."""
    return {"name": model.name, "version": model.version, "arch": model.arch}


def rounded(value: float) -> float:
    """Seconds or a confidence as the wire has them, with three decimals."""
    # Halves go up, and so does what misses a half by float error alone: two sums that mean the
    # same moment must not come out a millisecond apart.
    return floor(value * 1000.0 + 0.500001) / 1000.0
