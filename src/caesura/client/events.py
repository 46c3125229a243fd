"""Events of a line (a closed union of values) and the results of `send` and `finish`.

Times come in threes. *Stream* seconds count the audio sent on one connection. *Source* seconds count the audio that
was captured, pauses included: they go on across pauses, drops and reconnects. *Wall* is the UTC moment at which it
was captured. Source and wall are None where samples cannot be counted: in a container that is sent as it is.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Self

from caesura.errors import CaesuraError

# ---- words ----


@dataclass(frozen=True, slots=True)
class TimedWord:
    """One word: as one would print it (`text`), as on the wire (`word`), and its start and end on three clocks."""

    text: str
    word: str
    confidence: float
    stream_start: float
    stream_end: float
    source_start: float | None
    source_end: float | None
    wall_start: datetime | None
    wall_end: datetime | None
    speaker: int | None = None
    """Numbered anew on each connection: (`epoch`, `speaker`) identifies a person, `speaker` alone does not."""
    epoch: int = 0
    """Number of the connection it came on, counted from 0."""


@dataclass(frozen=True, slots=True)
class Interim:
    """Hypothesis for a segment that is still open; the next interim or final of its channel replaces it."""

    text: str
    words: tuple[TimedWord, ...]
    channel: int
    channels: int
    stream_start: float
    stream_end: float
    epoch: int
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class Final:
    """Transcript of a segment; never revised, and each word comes once."""

    text: str
    words: tuple[TimedWord, ...]
    channel: int
    channels: int
    stream_start: float
    stream_end: float
    epoch: int
    speech_final: bool
    """The utterance ends here."""
    from_finalize: bool
    """It answers `finalize` or `pause`."""
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Speech began; times of its start."""

    channel: int
    stream: float
    source: float | None
    wall: datetime | None
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """No word has followed for `utterance_end_ms`. Times of the last word's end; None when it is not known."""

    channel: int
    stream: float | None
    source: float | None
    wall: datetime | None
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


# ---- the line itself ----


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause has begun: the last words will follow, and KeepAlive holds the connection."""

    source: float | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """Audio resumes after `seconds` of pause."""

    source: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection was lost or could not be made; the next attempt follows after `delay_s`."""

    attempt: int
    """Counted from 1 in each outage."""
    delay_s: float
    why: str
    error: CaesuraError | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reconnected:
    """Connected again; `replay_s` of audio are sent again or late."""

    epoch: int
    request_id: str
    outage_s: float
    replay_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Captured audio that was lost: exactly source seconds `start` to `end`.

    They are None when samples cannot be counted: then some audio in flight was lost, of unknown length.
    """

    start: float | None
    end: float | None
    why: str

    @property
    def seconds(self) -> float:
        """Length of the loss; 0 when it is not known."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start

    def joined(self, later: Gap) -> Gap | None:
        """One gap for both, when `later` continues this one for the same reason; else None."""
        if self.end is None or self.end != later.start or self.why != later.why:
            return None
        return Gap(self.start, later.end, self.why)


@dataclass(frozen=True, slots=True)
class Notice:
    """Any other message of the server: its `Error` messages, and types that this package does not know."""

    type: str
    text: str
    raw: str = field(default="", repr=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Counters of a line."""

    connected_s: float = 0.0
    """Time with a connection, by our clock."""
    paused_s: float = 0.0
    """Time in pauses, by our clock."""
    captured_s: float = 0.0
    """Audio accepted by `send`; without audio sent during a pause."""
    audio_sent_s: float = 0.0
    """Audio sent on all connections, including audio sent again."""
    replayed_s: float = 0.0
    """Part of `audio_sent_s` that was sent again after a reconnect."""
    skipped_s: float = 0.0
    """Audio passed to `send` during pauses, and not sent."""
    lost_s: float = 0.0
    """Audio lost; each loss had a Gap event."""
    keepalives: int = 0
    connections: int = 0
    reconnects: int = 0
    events_dropped: int = 0
    """Events dropped because they were not read in time, the oldest first, interims before others."""
    provider_s: float | None = None
    """Audio by the server's own count, summed over the connections that reported it."""
    request_ids: tuple[str, ...] = ()
    """Request ids of the newest connections, oldest first."""


@dataclass(frozen=True, slots=True)
class Closed:
    """The last event. `error` is None when the line ended as it should."""

    code: int | None
    reason: str
    error: CaesuraError | None = field(default=None, compare=False)
    raw: str = field(default="", repr=False, compare=False)
    """The server's newest Metadata message as it came; "" when none came."""


Event = (
    Interim
    | Final
    | SpeechStarted
    | UtteranceEnd
    | Paused
    | Resumed
    | Reconnecting
    | Reconnected
    | Gap
    | Notice
    | Stats
    | Closed
)

# ---- results of send and finish ----


@dataclass(frozen=True, slots=True)
class _SendResult:
    """Result of `send`; awaiting it returns it once there is room for more audio that can wait."""

    until_room: Callable[[], Awaitable[None]] | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __await__(self) -> Generator[Any, None, Self]:
        if self.until_room is not None:
            yield from self.until_room().__await__()
        return self


@dataclass(frozen=True, slots=True)
class Accepted(_SendResult):
    """The audio is being sent."""


@dataclass(frozen=True, slots=True)
class Buffered(_SendResult):
    """The audio is kept and sent behind the audio that waits already; `ms` of audio wait now, this included."""

    ms: float


@dataclass(frozen=True, slots=True)
class Dropped(_SendResult):
    """Audio was lost: `ms` of it, the oldest first. `why` says how; a Gap event says which."""

    ms: float
    why: str


Sent = Accepted | Buffered | Dropped


@dataclass(frozen=True, slots=True)
class Transcript:
    """Complete result of a line."""

    finals: tuple[Final, ...]
    gaps: tuple[Gap, ...]
    stats: Stats
    complete: bool
    """All captured audio was transcribed, as the server confirmed; otherwise see `reason`."""
    error: CaesuraError | None = None

    @property
    def reason(self) -> str:
        """Why it is not complete, in sentences; "" when it is complete."""
        if self.complete:
            return ""
        lost: dict[str, float] = {}
        for gap in self.gaps:
            lost[gap.why] = lost.get(gap.why, 0.0) + gap.seconds
        sentences = [_loss(seconds, why) for why, seconds in lost.items()]
        if self.error is not None:
            sentences.append(str(self.error))
        return " ".join(sentences) or "The line was closed before the server had sent everything."

    @property
    def text(self) -> str:
        """Text of all finals, in order."""
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> tuple[TimedWord, ...]:
        """Words of all finals, in order."""
        return tuple(word for final in self.finals for word in final.words)


def _loss(seconds: float, why: str) -> str:
    return f"{seconds:.3f} s of audio was lost: {why}." if seconds else f"Audio was lost: {why}."
