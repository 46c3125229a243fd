"""Events from the pipeline to a session: a closed union of small values, all times in seconds of stream audio."""

from __future__ import annotations

from dataclasses import dataclass

from caesura.words import Word

HOLD_S = 3.0
"""How long a final that ends inside a number is held for its end: seconds of silence in the audio, or, while no audio
comes, of the clock. The hosted service waits as long."""


@dataclass(frozen=True, slots=True)
class AudioFound:
    """The first audio was decoded; comes before every event that names a channel.

    It is emitted again if a container turns out to have more channels than were known.
    """

    channels: int
    """Number of channels that are transcribed separately (1 when they are mixed down)."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Voice activity detection has confirmed speech on a channel, whether or not words are recognized."""

    channel: int
    at: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a search term may have been spoken; `snippet` is the transcript at that place."""

    confidence: float
    start: float
    end: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search term, as the client sent it, and the places where it may have been spoken, likeliest first."""

    query: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """The transcript of one segment; a segment's interims share its `start`, finals tile the stream."""

    channel: int
    start: float
    end: float
    words: tuple[Word, ...]
    final: bool
    """Whether the range `start`..`end` will not be revised."""
    endpoint: bool = False
    """Whether the segment ends an utterance; only true if `final`."""
    flushed: bool = False
    """Whether the segment ends because the client requested it; only true if `final`."""
    searches: tuple[Search, ...] = ()
    """Search results, one for each search term."""


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """No further word was recognized for `utterance_end_ms` of audio."""

    channel: int
    last_word_end: float | None
    """None when an endpoint has already closed that utterance."""


@dataclass(frozen=True, slots=True)
class Drained:
    """The audio has ended and its whole transcript has been emitted; the last event of a stream."""

    seconds: float
    """Length of all audio decoded."""


@dataclass(frozen=True, slots=True)
class AudioRefused:
    """The audio cannot be decoded.

    The transcript up to that point has been emitted, and this is the last event of a stream.
    """

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine failed, also when its job was tried again; the last event of a stream."""

    reason: str
    seconds: float


StreamEvent = AudioFound | SpeechBegan | TranscriptSegment | UtteranceEnded | Drained | AudioRefused | EngineFailed
