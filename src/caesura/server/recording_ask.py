"""What belongs to one request for the words of a recording: who is told what, what is taken, how it is declined."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

from caesura.engines.base import Term
from caesura.protocol.closing import Refusal
from caesura.protocol.formatting_runs import FormatRun
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions

CORRUPT = "Bad Request: failed to process audio: corrupt or unsupported data"
BAD_JSON = Refusal(400, "Bad Request", "Content-type was application/json, but we could not process the JSON payload.")
UNREAD = Refusal(422, "ASR_UNPROCESSABLE_ENTITY", "Unable to read the entire client request.")
TOO_SLOW = Refusal(408, "REQUEST_TIMEOUT", "The recording came too slowly to keep its place.")
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
    """How long a body may bring nothing; over so long it must bring 64 bytes a second."""
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
    write: FormatRun
    """Writes words in the style that the options ask for; used by one thread at a time."""
    account: Callable[[RecordingUse], None]
    """Told once, when everything is over but the delivery."""
    fetch: Fetch
    deliver: Deliver
    """Used only when the options name a callback."""
    terms: tuple[Term, ...] = ()
    diarizer: ModelInfo | None = None
    """What tells the speakers apart; None: nobody asked who speaks."""


class Declined(Exception):
    """The request cannot be answered with words."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.err_msg)
        self.refusal = refusal
