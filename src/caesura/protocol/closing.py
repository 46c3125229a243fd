"""Close frames and HTTP refusals of the wire, with their exact wording."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from caesura.errors import BadParameter, NoSuchModel, NotForLive


@dataclass(frozen=True, slots=True)
class Close:
    """A close frame. `reason` fits the 123 bytes that a close frame has room for."""

    code: int
    reason: str


FINISHED = Close(1000, "")
"""The stream was closed by CloseStream or an empty binary message."""

NET_0000 = Close(
    1011,
    "Deepgram did not provide a response message within the timeout window. See https://dpgr.am/net0000",
)
"""The server sent no message for too long."""

NET_0001 = Close(
    1011,
    "Deepgram did not receive audio data or a text message within the timeout window. See https://dpgr.am/net0001",
)
"""The client sent nothing for the whole idle window."""

DATA_0000 = Close(1008, "DATA-0000")
"""The audio cannot be decoded."""

RESTART = Close(1012, "")
"""The server is being stopped; the transcript of everything received was sent before."""

REVOKED = Close(1008, "The API key was revoked.")
"""The key that opened the stream was revoked."""

TOO_MANY_FRAMES = Close(1008, "Too many control frames or small fragments.")
"""The client floods the connection with frames that carry no message."""

NOT_UTF8 = Close(1007, "The text is not UTF-8.")
"""A text message cannot be decoded."""

CALLBACK_FAILED = Close(1011, "The callback failed; the server's log says why.")
"""The results cannot be delivered."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP answer instead of the upgrade.

    `err_msg` is printable ASCII: it goes into the `dg-error` header as well. `details` says which values
    are accepted where `err_msg` has a fixed wording that does not; it is left out when empty.
    """

    status: int
    err_code: str
    err_msg: str
    details: str = ""
    retry_after_s: int = 0
    """Seconds for the `Retry-After` header; 0: no such header."""
    parameter: str = field(default="", compare=False)
    """Name of the query parameter that is refused, for the log; empty for other refusals."""
    why: str = field(default="other", compare=False)
    """Cause in a word or two, from a closed set, for metrics: one status has several."""

    @property
    def logged(self) -> str:
        """The reason for the log, without the value of a parameter, which may be private."""
        return f"{self.err_code}, {self.parameter}" if self.parameter else self.err_msg


INVALID_AUTH = Refusal(401, "INVALID_AUTH", "Invalid credentials.", why="credentials")
INSUFFICIENT_PERMISSIONS = Refusal(
    401, "INSUFFICIENT_PERMISSIONS", "User does not have sufficient permissions.", why="permissions"
)
PAYMENT_REQUIRED = Refusal(
    402,
    "ASR_PAYMENT_REQUIRED",
    "Project does not have enough credits for an ASR request and does not have an overage agreement.",
    why="credit",
)
TOO_MANY_REQUESTS = Refusal(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later")
SERVICE_UNAVAILABLE = Refusal(503, "Service Unavailable", "Please try again later", retry_after_s=1, why="not ready")

# The recorded refusal of a bad value has a body of 145 bytes: with its message and an id of 36
# characters, INVALID_QUERY_PARAMETER is the one known code that fits.
_PARAMETER_REFUSALS: dict[type[BadParameter], tuple[int, str]] = {
    BadParameter: (400, "INVALID_QUERY_PARAMETER"),
    NoSuchModel: (400, "Bad Request"),
    NotForLive: (405, "Method Not Allowed"),
}


def too_many(why: str, *, retry_after_s: int = 0) -> Refusal:
    """The refusal of what is one too many, for this cause."""
    return replace(TOO_MANY_REQUESTS, why=why, retry_after_s=retry_after_s)


def refusal_for(error: BadParameter) -> Refusal:
    """The refusal of a query parameter that cannot be honoured."""
    status, err_code = _PARAMETER_REFUSALS[type(error)]
    return Refusal(status, err_code, error.message, error.hint, parameter=error.name, why="parameter")


def refusal_body(refusal: Refusal, request_id: str) -> str:
    """The JSON body: `err_code`, `err_msg`, `request_id`, and `details` when there are any."""
    body = {"err_code": refusal.err_code, "err_msg": refusal.err_msg, "request_id": request_id}
    if refusal.details:
        body["details"] = refusal.details
    return json.dumps(body, separators=(",", ":"))
