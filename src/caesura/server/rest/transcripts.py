"""Nothing in; the shapes of what a recording is answered with out, for the document of the API."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from caesura.server.rest.shapes import Time, Uuid

Seconds = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Url(BaseModel):
    """Where a recording lies."""

    url: str


class Accepted(BaseModel):
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


class Metadata(BaseModel):
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


class Word(BaseModel):
    """A word."""

    word: str
    start: Seconds
    end: Seconds
    confidence: Share
    punctuated_word: str | None = None
    speaker: int | None = None
    speaker_confidence: Share | None = None


class Sentence(BaseModel):
    """A sentence."""

    text: str
    start: Seconds
    end: Seconds


class Paragraph(BaseModel):
    """Sentences that belong together."""

    sentences: list[Sentence]
    speaker: int | None = None
    num_words: int
    start: Seconds
    end: Seconds


class Paragraphs(BaseModel):
    """With `paragraphs`."""

    transcript: str
    paragraphs: list[Paragraph]


class Alternative(BaseModel):
    """What was heard."""

    transcript: str
    confidence: Share
    words: list[Word]
    languages: list[str] | None = None
    paragraphs: Paragraphs | None = None


class Hit(BaseModel):
    """Where it may have been said."""

    confidence: Share
    start: Seconds
    end: Seconds
    snippet: str


class Search(BaseModel):
    """With `search`."""

    query: str
    hits: list[Hit]


class Channel(BaseModel):
    """One channel, or all of them mixed."""

    search: list[Search] | None = None
    alternatives: list[Alternative]
    detected_language: str | None = None


class Utterance(BaseModel):
    """With `utterances`: what was said between two pauses."""

    start: Seconds
    end: Seconds
    confidence: Share
    channel: int
    transcript: str
    words: list[Word]
    speaker: int | None = None
    id: Uuid


class Results(BaseModel):
    """What was heard."""

    channels: list[Channel]
    utterances: list[Utterance] | None = None


class Transcription(BaseModel):
    """What a recording is answered with."""

    metadata: Metadata
    results: Results
