"""Every exception of the package, in one tree.

CaesuraError
├── PeerError                  what the other side did
│   ├── BadParameter           a query parameter that is not honoured; names it, its value and what is right
│   │   ├── NoSuchModel        the model, its version or its language is not to be had here
│   │   └── NotForLive         the model exists, but only for recordings
│   ├── BadMessage             a text message that is no control message of the wire
│   ├── BadAudio               bytes that are not the audio they were declared to be
│   ├── Refused                a server answered the upgrade with an HTTP status instead
│   │   ├── BadCredentials     401, 403: the key is wrong, or may not do this
│   │   ├── PaymentRequired    402: the account has no credits
│   │   └── TooManyStreams     429: as many streams are open as may be
│   ├── BadUrl                 a URL that is none, or that leads where this server does not go
│   ├── NotFetched             the URL of a recording gave no recording
│   ├── ConnectionClosedByServer  without having been asked to
│   └── BadAnswer              a server said what is no message of the wire
├── UsageError                 what our caller did
├── LineError                  what broke in between
│   ├── Unreachable            nothing answers at that address
│   ├── RemoteFailed           what a URL names did not answer, or not as it should
│   ├── DownloadInterrupted    a download ended early, or the hub is busy; trying again helps
│   └── ReconnectFailed        no connection could be made again in the time allowed
└── InternalError              what broke inside
    ├── EngineError            an engine could not answer
    └── LedgerError            the ledger could not be read or written
"""

from __future__ import annotations

import warnings
from typing import Any


class CaesuraError(Exception):
    """Root of all exceptions that this package raises on purpose."""


class PeerError(CaesuraError):
    """The other side of the wire did something that cannot be honoured."""


class BadParameter(PeerError):
    """A query parameter that cannot be honoured.

    `message` is the sentence for the wire, printable ASCII; `name` the parameter, `value` what was
    given; `hint` says what would be right where `message` has a fixed wording that does not, else "".
    """

    def __init__(self, name: str, value: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.name = name
        self.value = value
        self.message = message
        self.hint = hint


class NoSuchModel(BadParameter):
    """No model of that name, version or language can be had here."""


class NotForLive(BadParameter):
    """The model named exists, but hears recordings only."""


class BadMessage(PeerError):
    """A text message that is no control message.

    `str()` is the description for the wire, `variant` the kind of error that it is announced as.
    """

    def __init__(self, description: str, variant: str = "SchemaError") -> None:
        super().__init__(description)
        self.variant = variant


class BadAudio(PeerError):
    """Bytes that are not the audio they were declared to be; `str()` says what was found and expected."""


class Refused(PeerError):
    """A server answered the upgrade with an HTTP status; `str()` says which, why, and what to do.

    `dg_error` and `request_id` are the headers `dg-error` and `dg-request-id`, or the same from the body; "" when
    there are none. `retry_after_s` is what `Retry-After` asked for.
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
    """The key is wrong, has expired, or may not do this (401, 403)."""


class PaymentRequired(Refused):
    """The account has no credits (402)."""


class TooManyStreams(Refused):
    """As many streams are open as may be (429)."""


class BadUrl(PeerError):
    """A URL that is none, or that leads where this server does not go.

    `str()` is a sentence for the wire: it names no address that a name resolved to. `detail` does, for the log.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail or message


class NotFetched(PeerError):
    """The URL of a recording gave no recording; `str()` says why, for the wire. `__cause__` may know more."""


class ConnectionClosedByServer(PeerError):
    """A server closed the connection without having been asked to.

    `code` and `reason` are those of its close frame, `request_id` is the connection's.
    """

    def __init__(self, code: int, reason: str = "", request_id: str = "") -> None:
        words = f": {reason}" if reason else ""
        super().__init__(f"The server closed the connection ({code}{words}).{_by_id(request_id)}")
        self.code = code
        self.reason = reason
        self.request_id = request_id


class BadAnswer(PeerError):
    """A server said what is no message of the wire; `str()` shows the beginning of it."""


class UsageError(CaesuraError):
    """Our caller asked for something that cannot be; `str()` says what to do instead."""


class LineError(CaesuraError):
    """Something broke between us and the server."""


class Unreachable(LineError):
    """Nothing answers at that address, or it does not speak this wire; `str()` says what to do.

    `retryable` is False where it was said at once that there is nothing: the connection was refused, the name is not
    known.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class RemoteFailed(LineError):
    """What a URL names could not be reached, or did not answer as it should; `str()` says how, for the wire.

    `retryable` is whether the same may work later; `retry_after_s` is what `Retry-After` asked for.
    """

    def __init__(self, message: str, *, retryable: bool, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.retry_after_s = retry_after_s


class DownloadInterrupted(LineError):
    """A download ended early, or the hub that gives it is busy; trying again helps."""


class ReconnectFailed(LineError):
    """No connection could be made again in the time allowed; `__cause__` is the last failure."""


class InternalError(CaesuraError):
    """Something broke inside."""


class EngineError(InternalError):
    """An engine could not answer."""


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
