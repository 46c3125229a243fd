"""What a line tells its user: a closed union of small values, and what `send` and `finish` answer.

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
    """One word: as it would be printed (`text`), as the wire has it (`word`), and when it was said, three times."""

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
    """Counted anew on each connection: (`epoch`, `speaker`) names a person, `speaker` alone does not."""
    epoch: int = 0
    """Which connection heard it, counted from 0."""


@dataclass(frozen=True, slots=True)
class Interim:
    """What has been heard so far in a stretch of audio that is still open; the next one replaces it."""

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
    """What was said in a stretch of audio; never revised, and each word comes once."""

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
    """It was asked for, by `finalize` or `pause`."""
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """Somebody began to speak."""

    channel: int
    stream: float
    source: float | None
    wall: datetime | None
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class UtteranceEnd:
    """No word has followed for the gap that was asked for. Times of its last word's end; None when it is not known."""

    channel: int
    stream: float | None
    source: float | None
    wall: datetime | None
    raw: str = field(default="", repr=False, compare=False)
    """The server's message as it came."""


# ---- the line itself ----


@dataclass(frozen=True, slots=True)
class Paused:
    """The pause has begun: the last words are on their way, and KeepAlive holds the line."""

    source: float | None


@dataclass(frozen=True, slots=True)
class Resumed:
    """Audio goes on after `seconds` of pause."""

    source: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Reconnecting:
    """The connection is gone, or could not be made; another attempt follows after `delay_s`."""

    attempt: int
    """Counted from 1 in each outage."""
    delay_s: float
    why: str
    error: CaesuraError | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reconnected:
    """There is a connection again; `replay_s` of audio are sent again, or late."""

    epoch: int
    request_id: str
    outage_s: float
    replay_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Captured audio that will never be words, exactly: source seconds `start` to `end`.

    They are None when samples cannot be counted: then some of what was on its way is lost, and nobody knows how much.
    """

    start: float | None
    end: float | None
    why: str

    @property
    def seconds(self) -> float:
        """How much is lost; 0 when nobody knows."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start

    def joined(self, later: Gap) -> Gap | None:
        """Both in one, when `later` goes on where this one ends and for the same reason; else None."""
        if self.end is None or self.end != later.start or self.why != later.why:
            return None
        return Gap(self.start, later.end, self.why)


@dataclass(frozen=True, slots=True)
class Notice:
    """Anything else the server said: its `Error` messages, and messages this package does not know."""

    type: str
    text: str
    raw: str = field(default="", repr=False)
    """The server's message as it came."""


@dataclass(frozen=True, slots=True)
class Stats:
    """What a line has done so far."""

    connected_s: float = 0.0
    """Time with a connection, by our clock."""
    paused_s: float = 0.0
    """Time in pauses, by our clock."""
    captured_s: float = 0.0
    """Audio taken by `send`; what came during a pause is not counted."""
    audio_sent_s: float = 0.0
    """Audio sent on all connections, what was sent again included."""
    replayed_s: float = 0.0
    """Of that, sent again after a reconnect."""
    skipped_s: float = 0.0
    """Audio that came during pauses, and was not sent."""
    lost_s: float = 0.0
    """Audio that will never be words; each loss had a Gap event."""
    keepalives: int = 0
    connections: int = 0
    reconnects: int = 0
    events_dropped: int = 0
    """Events that nobody took in time: the oldest ones went, interims first."""
    provider_s: float | None = None
    """Audio by the server's own count, summed over the connections that said it."""
    request_ids: tuple[str, ...] = ()
    """Of the newest connections, oldest first."""


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

# ---- answers ----


@dataclass(frozen=True, slots=True)
class _Answer:
    """What `send` answers; awaited, it is the same again once there is room for more audio that can wait."""

    until_room: Callable[[], Awaitable[None]] | None = field(default=None, repr=False, compare=False, kw_only=True)

    def __await__(self) -> Generator[Any, None, Self]:
        if self.until_room is not None:
            yield from self.until_room().__await__()
        return self


@dataclass(frozen=True, slots=True)
class Accepted(_Answer):
    """It is on its way."""


@dataclass(frozen=True, slots=True)
class Buffered(_Answer):
    """It is kept, and goes out behind the audio that waits: `ms` of it, this included."""

    ms: float


@dataclass(frozen=True, slots=True)
class Dropped(_Answer):
    """Audio was lost: `ms` of it, the oldest first. `why` says how; a Gap event says which."""

    ms: float
    why: str


Sent = Accepted | Buffered | Dropped


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything a line heard, and how it went."""

    finals: tuple[Final, ...]
    gaps: tuple[Gap, ...]
    stats: Stats
    complete: bool
    """Every captured sample was heard, and the server said so; `reason` says why not."""
    error: CaesuraError | None = None

    @property
    def reason(self) -> str:
        """Why it is not complete, in sentences; "" when it is."""
        if self.complete:
            return ""
        lost: dict[str, float] = {}
        for gap in self.gaps:
            lost[gap.why] = lost.get(gap.why, 0.0) + gap.seconds
        sentences = [_loss(seconds, why) for why, seconds in lost.items()]
        if self.error is not None:
            sentences.append(str(self.error))
        return " ".join(sentences) or "The line was closed before the server had said everything."

    @property
    def text(self) -> str:
        """All that was said, in order of the finals."""
        return " ".join(final.text for final in self.finals if final.text)

    @property
    def words(self) -> tuple[TimedWord, ...]:
        """All words, in order of the finals."""
        return tuple(word for final in self.finals for word in final.words)


def _loss(seconds: float, why: str) -> str:
    return f"{seconds:.3f} s of audio was lost: {why}." if seconds else f"Audio was lost: {why}."
