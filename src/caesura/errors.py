"""All exceptions of the package, in one tree.

CaesuraError
├── PeerError                  the client, or a server that we called, did something wrong
│   ├── BadParameter           a query parameter cannot be honoured; names it, its value and what is right
│   │   ├── NoSuchModel        this server has no such model, version or language
│   │   └── NotForLive         the model transcribes recordings only
│   ├── BadMessage             a text message is not a valid control message
│   ├── BadAudio               the bytes are not audio in the declared format
│   ├── Refused                a server answered the upgrade with an HTTP status instead
│   │   ├── BadCredentials     401, 403: the key is wrong, or lacks a permission
│   │   ├── PaymentRequired    402: the account has no credits
│   │   └── TooManyStreams     429: the limit of open streams is reached
│   ├── BadUrl                 a URL is invalid, or this server must not connect to it
│   ├── NotFetched             the recording at a URL could not be fetched
│   ├── ConnectionClosedByServer  a server closed the connection on its own
│   └── BadAnswer              a server sent something that is not a message of the wire
├── UsageError                 the caller, or the operator, passed something invalid
├── LineError                  the connection, or the network, failed
│   ├── Unreachable            nothing answers at the address
│   ├── RemoteFailed           the server of a URL did not answer, or not as expected
│   ├── DownloadInterrupted    a download ended early, or the hub is busy; trying again helps
│   └── ReconnectFailed        no new connection could be made in the time allowed
└── InternalError              something in this process failed
    ├── EngineError            an engine failed
    └── LedgerError            the ledger could not be read or written
"""

from __future__ import annotations

import warnings
from typing import Any


class CaesuraError(Exception):
    """Root of all exceptions that this package raises on purpose."""


class PeerError(CaesuraError):
    """The client, or a server that we called, did something that cannot be honoured."""


class BadParameter(PeerError):
    """A query parameter that cannot be honoured.

    `message` is the sentence for the wire, in printable ASCII. `name` is the parameter and `value` what was given.
    `hint` says what would be right if `message` has a fixed wording that does not; otherwise it is "".
    """

    def __init__(self, name: str, value: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.value = value
        self.message = message
        self.hint = hint


class NoSuchModel(BadParameter):
    """This server has no model with that name, version or language."""


class NotForLive(BadParameter):
    """The requested model exists, but transcribes recordings only."""


class BadMessage(PeerError):
    """A text message is not a valid control message.

    `str()` is the description for the wire, and `variant` the name of the error on the wire.
    """

    def __init__(self, description: str, variant: str = "SchemaError") -> None:
        super().__init__(description)
        self.variant = variant


class BadAudio(PeerError):
    """The bytes are not audio in the declared format; `str()` says what was found and what was expected."""


class Refused(PeerError):
    """A server answered the upgrade with an HTTP status; `str()` says which, why, and what to do.

    `dg_error` and `request_id` are the headers `dg-error` and `dg-request-id`, or the same from the body; "" if
    there are none. `retry_after_s` is the value of the header `Retry-After`.
    """

    def __init__(
        self, status: int, dg_error: str = "", request_id: str = "", *, retry_after_s: float | None = None, do: str = ""
    ) -> None:
        words = f": {dg_error}" if dg_error else ""
        super().__init__(f"The server refused ({status}{words})." + (f" {do}" if do else "") + _by_id(request_id))
        self.status = status
        self.dg_error = dg_error
        self.request_id = request_id
        self.retry_after_s = retry_after_s


class BadCredentials(Refused):
    """The key is wrong, has expired, or lacks a permission (401, 403)."""


class PaymentRequired(Refused):
    """The account has no credits (402)."""


class TooManyStreams(Refused):
    """The limit of open streams is reached (429)."""


class BadUrl(PeerError):
    """A URL is invalid, or this server must not connect to it.

    `str()` is a sentence for the wire, without the addresses that the host name resolved to; `detail` has them, for
    the log.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


class NotFetched(PeerError):
    """The recording at a URL could not be fetched; `str()` says why, for the wire. `__cause__` may have details."""


class ConnectionClosedByServer(PeerError):
    """A server closed the connection although the client had not requested it.

    `code` and `reason` are those of the close frame; `request_id` identifies the connection.
    """

    def __init__(self, code: int, reason: str = "", request_id: str = "") -> None:
        words = f": {reason}" if reason else ""
        super().__init__(f"The server closed the connection ({code}{words}).{_by_id(request_id)}")
        self.code = code
        self.reason = reason
        self.request_id = request_id


class BadAnswer(PeerError):
    """A server sent something that is not a message of the wire; `str()` shows its beginning."""


class UsageError(CaesuraError):
    """The caller, or the operator, passed something invalid; `str()` says what to do instead."""


class LineError(CaesuraError):
    """The connection to a server, or the network, failed."""


class Unreachable(LineError):
    """Nothing answers at that address, or it does not speak this wire; `str()` says what to do.

    `retryable` is False if it is certain that there is no server: the connection was refused, or the name is unknown.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class RemoteFailed(LineError):
    """The server of a URL could not be reached, or did not answer as expected; `str()` says why, for the wire.

    `retryable` is whether the same request may succeed later; `retry_after_s` is the value of `Retry-After`.
    """

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class DownloadInterrupted(LineError):
    """A download ended early, or the hub is busy; trying again helps."""


class ReconnectFailed(LineError):
    """No new connection could be made in the time allowed; `__cause__` is the last failure."""


class InternalError(CaesuraError):
    """Something in this process failed."""


class EngineError(InternalError):
    """An engine failed."""


class LedgerError(InternalError):
    """The ledger could not be read or written; `str()` says why, `transient` whether trying again may help."""

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient


_RENAMED: dict[str, type[CaesuraError]] = {"GaveUp": ReconnectFailed, "HungUp": ConnectionClosedByServer}


def __getattr__(name: str) -> Any:
    if name not in _RENAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    renamed = _RENAMED[name]
    warnings.warn(f"caesura.{name} is now called caesura.{renamed.__name__}", DeprecationWarning, stacklevel=2)
    return renamed


def _by_id(request_id: str) -> str:
    return f" [request {request_id}]" if request_id else ""
