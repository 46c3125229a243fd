"""What belongs to one request for the words of a recording: who is told what, what is taken, how it is declined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from caesura.engines.base import EngineInfo, Term
from caesura.errors import BadParameter
from caesura.pipeline.pool import EnginePool
from caesura.protocol.closing import Refusal
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions
from caesura.protocol.writing import Write
from caesura.speech.vad import SileroModel

CORRUPT = "Bad Request: failed to process audio: corrupt or unsupported data"
BAD_JSON = Refusal(400, "Bad Request", "Content-type was application/json, but we could not process the JSON payload.")
UNREAD = Refusal(422, "ASR_UNPROCESSABLE_ENTITY", "Unable to read the entire client request.")
LEFT = Refusal(499, "CLIENT_CLOSED_REQUEST", "The client hung up before there was an answer.")
BROKEN = Refusal(500, "INTERNAL_SERVER_ERROR", "The recording could not be transcribed; the log says why.")

Fetch = Callable[[str], AsyncIterator[bytes]]
"""The bytes behind a URL. Raises PeerError with a sentence for the wire when there are none to be had."""
Deliver = Callable[[str], Awaitable[None]]
"""Brings a JSON text to the callback that was asked for, as often as that takes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What is taken at most."""

    most_bytes: int = 2 * 1024**3
    """Of one recording, uploaded or fetched."""
    most_at_once: int = 8
    """Recordings being heard; more are refused with 429."""
    stall_timeout_s: float = 60.0
    """How long a body may bring nothing."""
    folder: str | None = None
    """Where files lie that must be complete to be decoded, or that a callback waits for; None: the system's."""


@dataclass(frozen=True, slots=True)
class RecordingUse:
    """What one request used, for the ledger. Only what was answered with 200 is billed."""

    request_id: str
    method: str
    """`sync`, or `async` when the result goes to a callback."""
    code: int
    created: str
    completed: str
    model_uuid: str
    tags: tuple[str, ...]
    audio_seconds: float
    channels: int
    billed_seconds: float
    bytes_in: int


@dataclass(frozen=True, slots=True)
class Ask:
    """One admitted request, and where its parts go."""

    request_id: str
    options: ListenOptions
    write: Write
    """Writes words in the style that the options ask for; used by one thread at a time."""
    account: Callable[[RecordingUse], None]
    """Told once, when everything is over but the delivery."""
    fetch: Fetch
    deliver: Deliver
    """Used only when the options name a callback."""
    terms: tuple[Term, ...] = ()
    diarizer: ModelInfo | None = None


class Heard(Protocol):
    """What the handler needs of a running service."""

    engine: EngineInfo
    model: ModelInfo
    pool: EnginePool

    @property
    def vad(self) -> SileroModel:
        """The voice activity network."""

    @property
    def ready(self) -> bool:
        """Whether the engine is loaded."""


class Declined(Exception):
    """The request cannot be answered with words."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.err_msg)
        self.refusal = refusal


def check_recording(options: ListenOptions, engine: EngineInfo) -> None:
    """Raises BadParameter for what only another engine could do."""
    if options.detect_language and not engine.detects_language:
        message = (
            f"'detect_language=true' needs an engine that finds out languages, such as whisper; this server runs "
            f"{engine.name}, which hears {', '.join(engine.languages)}; leave it out or send detect_language=false."
        )
        raise BadParameter("detect_language", "true", message)
