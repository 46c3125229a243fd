"""Messages of the live wire as plain values; `codec` and `client_codec` turn them into JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# ---- from the client ----


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """Holds the connection through a pause; nothing answers it."""


@dataclass(frozen=True, slots=True)
class Finalize:
    """Everything pending becomes final. `channel` None means all channels."""

    channel: int | None = None


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Finish, then close."""


@dataclass(frozen=True, slots=True)
class Configure:
    """Settings change from here on in the audio; what is not named stays."""

    features: Mapping[str, bool] = field(default_factory=dict)
    keyterms: tuple[str, ...] | None = None
    """They replace all former ones; None leaves them."""
    unsupported: str | None = None
    """A field of the wire that was given and cannot be honoured."""


ClientMessage = KeepAlive | Finalize | CloseStream | Configure

# ---- from the server ----


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """The model that produced a transcript."""

    uuid: str
    name: str
    version: str
    arch: str


@dataclass(frozen=True, slots=True)
class WireWord:
    """A word on the wire; fields with a default are sent only where an option requests them."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None
    speaker: int | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class SearchHit:
    """A place in the audio where a search term may have been spoken."""

    confidence: float
    start: float
    end: float
    snippet: str


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A search term, and where it may have been spoken."""

    query: str
    hits: tuple[SearchHit, ...]


@dataclass(frozen=True, slots=True)
class Results:
    """Transcript of `start`..`start + duration` (seconds of stream audio) on one channel."""

    channel: int
    channels: int
    start: float
    duration: float
    is_final: bool
    speech_final: bool
    from_finalize: bool
    transcript: str
    confidence: float
    words: tuple[WireWord, ...]
    request_id: str
    model: ModelInfo
    extra: Mapping[str, str] = field(default_factory=dict)
    searches: tuple[SearchResult, ...] = ()
    diarizer: ModelInfo | None = None
    """The speaker embedding model; None without diarization."""
    languages: tuple[str, ...] = ()
    """Of the words, the most frequent first; empty where the language was not detected."""
    detected_language: str | None = None
    """Of most words of the channel so far, where detection was requested; None before its first word."""
    language_confidence: float | None = None
    """Mean probability, in 0..1, of `detected_language` over the words in it; None where the engine knows none."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """The last message of a stream. `model` is None when no audio was processed."""

    request_id: str
    sha256: str
    created: str
    """RFC 3339, UTC, milliseconds, `Z`."""
    duration: float
    channels: int
    model: ModelInfo | None
    extra: Mapping[str, str] = field(default_factory=dict)
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SpeechStartedMessage:
    """Voice activity detection found the start of speech."""

    channel: int
    channels: int
    timestamp: float


@dataclass(frozen=True, slots=True)
class UtteranceEndMessage:
    """No word followed for utterance_end_ms. `last_word_end` is -1 when speech_final closed the utterance."""

    channel: int
    channels: int
    last_word_end: float


@dataclass(frozen=True, slots=True)
class Error:
    """Reply to a text that is no control message; does not close the stream."""

    variant: str
    description: str
    message: str


@dataclass(frozen=True, slots=True)
class ConfigureSuccess:
    """A Configure is in force; `keyterms` are its keyterms, None when it had none."""

    request_id: str
    keyterms: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ConfigureFailure:
    """A Configure was rejected and changed nothing."""

    request_id: str
    code: str
    description: str


ServerMessage = (
    Results | Metadata | SpeechStartedMessage | UtteranceEndMessage | Error | ConfigureSuccess | ConfigureFailure
)

__all__ = [
    "ClientMessage",
    "CloseStream",
    "Configure",
    "ConfigureFailure",
    "ConfigureSuccess",
    "Error",
    "Finalize",
    "KeepAlive",
    "Metadata",
    "ModelInfo",
    "Results",
    "SearchHit",
    "SearchResult",
    "ServerMessage",
    "SpeechStartedMessage",
    "UtteranceEndMessage",
    "WireWord",
]
