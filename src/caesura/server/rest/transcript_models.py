"""Models of the response to a recording, for the OpenAPI document; the response itself is written elsewhere."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from caesura.server.rest.response_models import Time, Uuid

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class RecordingUrl(BaseModel):
    """Where a recording lies."""

    url: str


class CallbackAccepted(BaseModel):
    """The answer comes later, to the callback."""

    request_id: Uuid


class ModelFacts(BaseModel):
    """What ran."""

    name: str
    version: str
    arch: str


class Diarizer(BaseModel):
    """What told the speakers apart."""

    model_uuid: Uuid
    arch: str


class MetadataModel(BaseModel):
    """About the recording."""

    transaction_key: str
    request_id: Uuid
    sha256: str
    created: Time
    duration: Seconds
    channels: int
    models: list[Uuid]
    model_info: dict[str, ModelFacts]
    diarize_info: Diarizer | None = None
    tags: list[str] | None = None
    extra: dict[str, str] | None = None


class WordModel(BaseModel):
    """A word."""

    word: str
    start: Seconds
    end: Seconds
    confidence: Share
    punctuated_word: str | None = None
    speaker: int | None = None
    speaker_confidence: Share | None = None


class SentenceModel(BaseModel):
    """A sentence."""

    text: str
    start: Seconds
    end: Seconds


class ParagraphModel(BaseModel):
    """Sentences that belong together."""

    sentences: list[SentenceModel]
    speaker: int | None = None
    num_words: int
    start: Seconds
    end: Seconds


class ParagraphsModel(BaseModel):
    """With `paragraphs`."""

    transcript: str
    paragraphs: list[ParagraphModel]


class AlternativeModel(BaseModel):
    """What was heard."""

    transcript: str
    confidence: Share
    words: list[WordModel]
    languages: list[str] | None = None
    paragraphs: ParagraphsModel | None = None


class HitModel(BaseModel):
    """Where it may have been said."""

    confidence: Share
    start: Seconds
    end: Seconds
    snippet: str


class SearchModel(BaseModel):
    """With `search`."""

    query: str
    hits: list[HitModel]


class ChannelModel(BaseModel):
    """One channel, or all of them mixed."""

    search: list[SearchModel] | None = None
    alternatives: list[AlternativeModel]
    detected_language: str | None = None


class UtteranceModel(BaseModel):
    """With `utterances`: what was said between two pauses."""

    start: Seconds
    end: Seconds
    confidence: Share
    channel: int
    transcript: str
    words: list[WordModel]
    speaker: int | None = None
    id: Uuid


class ResultsModel(BaseModel):
    """What was heard."""

    channels: list[ChannelModel]
    utterances: list[UtteranceModel] | None = None


class Transcription(BaseModel):
    """What a recording is answered with."""

    metadata: MetadataModel
    results: ResultsModel
