"""Models of the response to a recording, for the OpenAPI document; `prerecorded/response.py` builds the response."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from caesura.server.rest.response_models import Time, Uuid

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class RecordingUrl(BaseModel):
    """The URL of a recording."""

    url: str


class CallbackAccepted(BaseModel):
    """The request was accepted; the transcript is sent to the callback."""

    request_id: Uuid


class ModelFacts(BaseModel):
    """The model that transcribed."""

    name: str
    version: str
    arch: str


class DiarizerModel(BaseModel):
    """The model that assigned speakers."""

    model_uuid: Uuid
    arch: str


class MetadataModel(BaseModel):
    """Metadata of the recording."""

    transaction_key: str
    request_id: Uuid
    sha256: str
    created: Time
    duration: Seconds
    channels: int
    models: list[Uuid]
    model_info: dict[str, ModelFacts]
    diarize_info: DiarizerModel | None = None
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
    language: str | None = None


class SentenceModel(BaseModel):
    """A sentence."""

    text: str
    start: Seconds
    end: Seconds


class ParagraphModel(BaseModel):
    """A paragraph."""

    sentences: list[SentenceModel]
    speaker: int | None = None
    num_words: int
    start: Seconds
    end: Seconds


class ParagraphsModel(BaseModel):
    """The transcript in paragraphs, with `paragraphs=true`."""

    transcript: str
    paragraphs: list[ParagraphModel]


class AlternativeModel(BaseModel):
    """The transcript of a channel."""

    transcript: str
    confidence: Share
    words: list[WordModel]
    languages: list[str] | None = None
    paragraphs: ParagraphsModel | None = None


class HitModel(BaseModel):
    """A place where the searched text may have been spoken."""

    confidence: Share
    start: Seconds
    end: Seconds
    snippet: str


class SearchModel(BaseModel):
    """Hits for one searched text, with `search`."""

    query: str
    hits: list[HitModel]


class ChannelModel(BaseModel):
    """Results of one channel, or of all channels mixed."""

    search: list[SearchModel] | None = None
    alternatives: list[AlternativeModel]
    detected_language: str | None = None
    language_confidence: Share | None = None


class UtteranceModel(BaseModel):
    """Speech between two pauses, with `utterances=true`."""

    start: Seconds
    end: Seconds
    confidence: Share
    channel: int
    transcript: str
    words: list[WordModel]
    speaker: int | None = None
    id: Uuid


class ResultsModel(BaseModel):
    """Results of all channels."""

    channels: list[ChannelModel]
    utterances: list[UtteranceModel] | None = None


class Transcription(BaseModel):
    """The response to a recording."""

    metadata: MetadataModel
    results: ResultsModel
