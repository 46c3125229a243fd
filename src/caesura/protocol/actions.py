"""Actions of a session: a closed union of small values, which the shell carries out in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FeedAudio:
    """Hand these bytes to the audio stream."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FlushAudio:
    """Make everything fed so far final; `channel` None means all channels."""

    channel: int | None


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """Change style and keyterms from the end of everything fed so far on; what is not named stays."""

    features: Mapping[str, bool]
    """Of `configure.FEATURES`."""
    keyterms: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class ReleaseHeldFinals:
    """Audio pauses: emit the finals that wait for the end of a number, and hold none until audio comes again."""


@dataclass(frozen=True, slots=True)
class EndAudio:
    """No more audio comes: make the rest final, then report it drained."""


@dataclass(frozen=True, slots=True)
class StopAudio:
    """No more audio is taken: make the rest final, of speech that goes on only whole words, then report it drained."""


@dataclass(frozen=True, slots=True)
class Covered:
    """The audio that a transcript covers: that of `channel` from its last final to `until_s`."""

    channel: int
    until_s: float


@dataclass(frozen=True, slots=True)
class Send:
    """Send this text frame. The other fields are all that a shell needs to know of its contents."""

    text: str
    sheddable: bool = False
    """It may be left out when the client reads slowly, because a later one replaces it: an interim."""
    covers: Covered | None = None
    """The audio that it transcribes; None: it is no transcript."""
    reply: bool = False
    """It replies to a message of the client, and is not part of the transcript that goes to a callback."""


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the socket with this code and reason; nothing is sent after it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Log this as a warning: the client makes a mistake."""

    text: str


Action = FeedAudio | FlushAudio | Reconfigure | ReleaseHeldFinals | EndAudio | StopAudio | Send | CloseSocket | Warn
