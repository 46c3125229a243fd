"""A request to transcribe a recording, and the refusals for all ways in which it can fail."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from caesura.errors import BadAudio, NotFetched
from caesura.protocol.closing import Refusal
from caesura.protocol.options import ListenOptions
from caesura.server.admission import Admitted
from caesura.server.prerecorded.body_rate import BodyTooSlow
from caesura.server.prerecorded.upload import BodyStalled, BodyTooLarge, ClientGone

CORRUPT = "Bad Request: failed to process audio: corrupt or unsupported data"
BAD_JSON = Refusal(400, "Bad Request", "Content-type was application/json, but we could not process the JSON payload.")
UNREAD = Refusal(422, "ASR_UNPROCESSABLE_ENTITY", "Unable to read the entire client request.")
TOO_SLOW = Refusal(408, "REQUEST_TIMEOUT", "The recording arrived too slowly to keep its slot.")
TOO_LARGE = Refusal(413, "PAYLOAD_TOO_LARGE", "The recording is larger than this server accepts.")
CLIENT_GONE = Refusal(499, "CLIENT_CLOSED_REQUEST", "The client disconnected before there was a response.")
INTERNAL = Refusal(500, "INTERNAL_SERVER_ERROR", "The recording could not be transcribed; the log has the reason.")


@dataclass(frozen=True, slots=True)
class RecordingRequest:
    """One admitted request for a transcript."""

    request_id: str
    created: datetime
    admitted: Admitted
    """The caller's access, the options, the engine, and the target of the callback."""

    @property
    def options(self) -> ListenOptions:
        """The parameters of the request."""
        return self.admitted.options


class RequestRejected(Exception):
    """The request is answered with a refusal instead of a transcript."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.err_msg)
        self.refusal = refusal


def refusal_of(error: Exception) -> Refusal | None:
    """The refusal for an error that the client, or the server of a URL, caused; None for an internal error."""
    match error:
        case RequestRejected():
            return error.refusal
        case ClientGone() | BodyStalled():
            return UNREAD
        case BodyTooSlow():
            return TOO_SLOW
        case BodyTooLarge():
            return TOO_LARGE
        case NotFetched():
            return Refusal(400, "REMOTE_CONTENT_ERROR", _header_text(str(error)))
        case BadAudio():
            return Refusal(400, "Bad Request", CORRUPT, str(error))
    return None


def names_url(request: Request) -> bool:
    """Whether the body is JSON with the URL of the recording, rather than the recording itself."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


def parse_url(body: bytes) -> str:
    """The URL in a JSON body. Raises RequestRejected."""
    try:
        read = json.loads(body)
    except (ValueError, RecursionError):
        raise RequestRejected(BAD_JSON) from None
    url = read.get("url") if isinstance(read, dict) else None
    if not isinstance(url, str) or not url:
        raise RequestRejected(BAD_JSON)
    return url


def _header_text(sentence: str) -> str:
    """The sentence as printable ASCII of bounded length, for the `dg-error` header."""
    text = "".join(char if char.isprintable() else " " for char in sentence[:500])
    return text.encode("ascii", "backslashreplace").decode("ascii")
