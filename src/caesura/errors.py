"""Every exception of the package, in one tree.

CaesuraError
├── PeerError                  what the other side did
│   ├── BadParameter           a query parameter that is not honoured; names it, its value and what is right
│   │   ├── NoSuchModel        the model, its version or its language is not to be had here
│   │   └── NotForLive         the model exists, but only for recordings
│   ├── BadMessage             a text message that is no control message of the wire
│   └── BadAudio               bytes that are not the audio they were declared to be
├── UsageError                 what our caller did
└── InternalError              what broke inside
    └── EngineError            an engine could not answer
"""

from __future__ import annotations


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


class UsageError(CaesuraError):
    """Our caller asked for something that cannot be; `str()` says what to do instead."""


class InternalError(CaesuraError):
    """Something broke inside."""


class EngineError(InternalError):
    """An engine could not answer."""
