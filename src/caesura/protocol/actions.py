"""What a session wants done: a closed union of small values, carried out by the shell in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from caesura.protocol.messages import ServerMessage


@dataclass(frozen=True, slots=True)
class FeedAudio:
    """Hand these bytes to the audio stream."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FlushAudio:
    """Have everything fed so far made final; `channel` None means all channels."""

    channel: int | None


@dataclass(frozen=True, slots=True)
class Reconfigure:
    """From the end of everything fed so far on, write and listen in another way; what is not named stays."""

    features: Mapping[str, bool]
    """Of `FEATURES`."""
    keyterms: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class TellHeld:
    """Audio pauses: tell the finals that wait for the end of a number, and let none wait until audio comes again."""


@dataclass(frozen=True, slots=True)
class EndAudio:
    """No more audio comes: have the rest made final, then report it drained."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message as one text frame."""

    message: ServerMessage


@dataclass(frozen=True, slots=True)
class CloseSocket:
    """Close the socket with this code and reason; nothing is sent after it."""

    code: int
    reason: str


@dataclass(frozen=True, slots=True)
class Warn:
    """Log this as a warning: the client does something it will regret."""

    text: str


Action = FeedAudio | FlushAudio | Reconfigure | TellHeld | EndAudio | Send | CloseSocket | Warn
