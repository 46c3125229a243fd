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

    It comes again should a container turn out to hold more channels than was known.
    """

    channels: int
    """How many channels are transcribed separately (1 when they are mixed down)."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Voice activity detection confirmed speech on a channel; independent of words."""

    channel: int
    at: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A place where a search term may have been said; `snippet` is the transcript there."""

    confidence: float
    start: float
    end: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Search:
    """A search term, as the client sent it, and where it may have been said: likelier places first."""

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
    """The range `start`..`end` will not be revised."""
    endpoint: bool = False
    """The segment ends an utterance; never true unless `final`."""
    flushed: bool = False
    """The segment ends because the client asked for it; never true unless `final`."""
    searches: tuple[Search, ...] = ()
    """One for each search term."""


@dataclass(frozen=True, slots=True)
class UtteranceEnded:
    """No word followed for the whole utterance gap."""

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
    """The audio cannot be decoded; the transcript until there has been emitted; the last event of a stream."""

    reason: str
    seconds: float


@dataclass(frozen=True, slots=True)
class EngineFailed:
    """The engine failed although its job was tried again; the last event of a stream."""

    reason: str
    seconds: float


StreamEvent = AudioFound | SpeechBegan | TranscriptSegment | UtteranceEnded | Drained | AudioRefused | EngineFailed
