"""JSON of a recording's response, which answers its request or is delivered to its callback."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from caesura.events import Search
from caesura.protocol.codec import encode_json, model_fields, rounded, search_fields
from caesura.protocol.messages import ModelInfo
from caesura.protocol.paragraphs import Paragraph, paragraphs, paragraphs_text
from caesura.protocol.results import upper_median
from caesura.protocol.utterances import Utterance, utterances
from caesura.words import Word, raw


@dataclass(frozen=True, slots=True)
class RecordingChannel:
    """The formatted transcript of one channel."""

    words: tuple[Word, ...]
    searches: tuple[Search, ...] = ()
    """One for each search term."""
    detected_language: str | None = None
    """The language, where detection was requested."""
    language_confidence: float | None = None
    """Mean probability, in 0..1, of `detected_language` over the speech in it; None where the engine knows none."""
    languages: tuple[str, ...] = ()
    """The languages spoken, the most frequent first, where several were expected."""


@dataclass(frozen=True, slots=True)
class RecordingResponse:
    """The whole transcript of a recording, and the options that shape its JSON."""

    request_id: str
    sha256: str
    created: str
    """RFC 3339, UTC, milliseconds, `Z`."""
    duration: float
    channels: tuple[RecordingChannel, ...]
    model: ModelInfo
    punctuate: bool = False
    paragraphs: bool = False
    utterance_gap_s: float | None = None
    """The pause between two utterances; None: `utterances` is left out."""
    diarizer: ModelInfo | None = None
    """The speaker embedding model; None without diarization."""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


def write_recording(response: RecordingResponse) -> str:
    """The response as compact JSON; seconds and confidences to 3 decimals.

    The ids of utterances are derived from the request's, so that one response always has the same JSON.
    """
    results: dict[str, Any] = {"channels": [_channel(channel, response) for channel in response.channels]}
    if response.utterance_gap_s is not None:
        words = [_without_marks(channel.words) for channel in response.channels]
        found = utterances(words, response.utterance_gap_s)
        results["utterances"] = [_utterance(number, utterance, response) for number, utterance in enumerate(found)]
    return encode_json({"metadata": _metadata(response), "results": results})


def write_accepted(request_id: str) -> str:
    """The response to a request whose transcript goes to a callback."""
    return encode_json({"request_id": request_id})


def _metadata(response: RecordingResponse) -> dict[str, Any]:
    model = response.model
    fields: dict[str, Any] = {
        "transaction_key": "deprecated",
        "request_id": response.request_id,
        "sha256": response.sha256,
        "created": response.created,
        "duration": rounded(response.duration),
        "channels": len(response.channels),
        "models": [model.uuid],
        "model_info": {model.uuid: model_fields(model)},
    }
    if response.diarizer is not None:
        fields["diarize_info"] = {"model_uuid": response.diarizer.uuid, "arch": response.diarizer.arch}
    if response.tags:
        fields["tags"] = response.tags
    if response.extra:
        fields["extra"] = dict(response.extra)
    return fields


def _channel(channel: RecordingChannel, response: RecordingResponse) -> dict[str, Any]:
    words = _without_marks(channel.words)
    alternative: dict[str, Any] = {
        "transcript": _text(words, response),
        "confidence": _confidence(words),
        "words": [_word(word, response) for word in words],
    }
    if channel.languages:
        alternative["languages"] = channel.languages
    if response.paragraphs:
        found = paragraphs(words)
        alternative["paragraphs"] = {
            "transcript": paragraphs_text(found),
            "paragraphs": [_paragraph(paragraph) for paragraph in found],
        }
    fields: dict[str, Any] = {}
    if channel.searches:
        fields["search"] = [search_fields(search) for search in channel.searches]
    fields["alternatives"] = [alternative]
    if channel.detected_language is not None:
        fields["detected_language"] = channel.detected_language
    if channel.language_confidence is not None:
        fields["language_confidence"] = rounded(channel.language_confidence)
    return fields


def _utterance(number: int, utterance: Utterance, response: RecordingResponse) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "start": rounded(utterance.start),
        "end": rounded(utterance.end),
        "confidence": _confidence(utterance.words),
        "channel": utterance.channel,
        "transcript": _text(utterance.words, response),
        "words": [_word(word, response) for word in utterance.words],
    }
    if utterance.speaker is not None:
        fields["speaker"] = utterance.speaker
    fields["id"] = str(uuid.uuid5(uuid.UUID(response.request_id), f"utterance:{number}"))
    return fields


def _paragraph(paragraph: Paragraph) -> dict[str, Any]:
    sentences = paragraph.sentences
    fields: dict[str, Any] = {
        "sentences": [
            {"text": sentence.text, "start": rounded(sentence.start), "end": rounded(sentence.end)}
            for sentence in sentences
        ]
    }
    if paragraph.speaker is not None:
        fields["speaker"] = paragraph.speaker
    return fields | {
        "num_words": paragraph.num_words,
        "start": rounded(sentences[0].start),
        "end": rounded(sentences[-1].end),
    }


def _word(word: Word, response: RecordingResponse) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "word": raw(word.text),
        "start": rounded(word.start),
        "end": rounded(word.end),
        "confidence": rounded(word.confidence),
    }
    if response.punctuate:
        fields["punctuated_word"] = word.text
    if word.speaker is not None:
        fields["speaker"] = word.speaker
    if word.speaker_confidence is not None:
        fields["speaker_confidence"] = rounded(word.speaker_confidence)
    if word.language is not None:
        fields["language"] = word.language
    return fields


def _text(words: Sequence[Word], response: RecordingResponse) -> str:
    return " ".join(word.text if response.punctuate else raw(word.text) for word in words)


def _confidence(words: Sequence[Word]) -> float:
    return rounded(upper_median([word.confidence for word in words]))


def _without_marks(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words without tokens of punctuation alone."""
    return tuple(word for word in words if raw(word.text))
