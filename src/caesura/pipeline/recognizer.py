"""Protocol of a recognizer: it turns the audio of one channel into transcript events, with the help of an engine.

A recognizer is a pure machine: no clock, no thread, no I/O. After each call its owner drains `events()` and takes
`next_job()`, has the job done by the engine's pool, and hands the result back with `receive`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from caesura.engines.base import Hypothesis, Samples, Term
from caesura.engines.streaming import Job
from caesura.events import SpeechBegan, TranscriptSegment, UtteranceEnded
from caesura.speech.diarizer import Diarizer

RecognizerEvent = SpeechBegan | TranscriptSegment | UtteranceEnded


@dataclass(frozen=True, slots=True)
class RecognitionConfig:
    """How a channel is recognized; lengths in seconds of audio."""

    endpointing_s: float | None
    """Silence that ends an utterance; None: no endpointing."""
    interim_interval_s: float | None
    """Audio between interims; None: no interims."""
    utterance_gap_s: float | None
    """Audio without words after which UtteranceEnded is emitted; None: never."""
    max_segment_s: float
    context_s: float = 0.0
    """Audio that the engine hears at once where it is given the words before a segment; 0: it knows no prefix."""
    language: str | None = None
    """A primary subtag of the engine's; None: it is to detect the language."""
    detectable_languages: tuple[str, ...] = ()
    """Primary subtags of the engine's among which it is to detect the language; empty: all of them."""
    terms: tuple[Term, ...] = ()
    """Terms to prefer, until `bias` replaces them."""
    diarize: bool = False
    """Give each word its speaker."""


class Recognizer(Protocol):
    """Recognizes one channel."""

    def feed(self, samples: Samples, voice: Iterable[float]) -> None:
        """Take the next samples, shape (n,), and the voice activity of the VAD frames that they completed."""

    def flush(self) -> None:
        """Make everything fed so far final, and emit a final segment even when there is nothing."""

    def bias(self, terms: tuple[Term, ...]) -> None:
        """Replace the preferred terms; a job that is out keeps its own."""

    def pause(self) -> None:
        """Audio pauses: release what was only kept to recognize better what follows."""

    def stretch_interims(self, factor: float) -> None:
        """From now on request interims from the engine that much less often; infinity: not at all.

        Interims that cost no inference, of silence and of a final that is held, come as often as before.
        """

    def end(self) -> None:
        """The audio is over: make the rest final."""

    def stop(self) -> None:
        """The audio is stopped here: make final what ends in a pause, and speech that goes on up to between two words.

        What lies behind that, the newest word or the last of the silence, is not made final, so that the next word can
        be heard whole elsewhere.
        """

    def events(self) -> list[RecognizerEvent]:
        """The events since the last call, in order; each is returned once."""

    def next_job(self) -> Job | None:
        """The job to run now, in place of the one that is out; None when there is no new one."""

    def receive(self, job: Job, hypothesis: Hypothesis) -> None:
        """Take the result of `job`; ignored unless it is the last one that `next_job` returned."""

    @property
    def settled_until_s(self) -> float:
        """End of the audio (stream seconds) whose words have all been emitted."""

    @property
    def pending_s(self) -> float:
        """Seconds of audio that no final covers yet."""

    @property
    def pending_segments(self) -> int:
        """Segments whose end is decided and whose words have not been emitted."""

    @property
    def job_out(self) -> bool:
        """Whether a job of this channel waits for its result."""

    @property
    def drained(self) -> bool:
        """Whether a final covers every segment whose end is decided, and speech that was stopped is cut."""

    @property
    def at_pause(self) -> bool:
        """Whether nothing is being said at the end of what was fed, so that a stop there cuts no word."""


NewRecognizer = Callable[[int, RecognitionConfig, Diarizer | None], Recognizer]
"""Makes the recognizer of a channel from its index, its config, and its diarizer if speakers are wanted."""
