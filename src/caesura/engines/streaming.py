"""Streaming engines: the interface of an engine that keeps a state for each stream, and the jobs that feed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar, runtime_checkable

from caesura.engines.base import Hypothesis, Priority, Samples, SegmentJob, Term

State = TypeVar("State")
"""What an engine keeps of one stream: a class of its own."""


@dataclass(frozen=True, slots=True)
class FeedJob:
    """The speech of one segment so far, to be fed to a state of a streaming engine.

    It holds all audio of the state from its first sample, so any worker can do it: one that has the state is only sent
    the part that is new, any other opens a state and feeds it everything.

    `state`: the number of the state: here among those of its owner, for whom a new number opens another and closes the
    one before; in a worker among all states of the pool.
    `audio`: float32 in -1..1, shape (n,), 16 kHz mono. `at`: stream seconds of the state's first sample. `priority`:
    its place in the queue; of any but `INTERIM` the job is the state's last: it returns its final words and is closed.
    `offset`: how many of the state's samples lie before `audio`, and are left out; only the pool sets it. `language`:
    one of the engine's primary subtags, or None if the engine is to detect the language. `terms`: words to prefer, from
    the job that opens the state. `embed_speakers`: the worker adds speaker embeddings to the hypothesis.
    `detectable_languages`: those of the engine's primary subtags among which it is to detect the language; empty: all
    of them.
    """

    state: int
    audio: Samples
    at: float
    priority: Priority
    offset: int = 0
    language: str | None = None
    terms: tuple[Term, ...] = ()
    embed_speakers: bool = False
    detectable_languages: tuple[str, ...] = ()

    @property
    def final(self) -> bool:
        """Whether the state is fed nothing more, and its words will not be revised."""
        return self.priority is not Priority.INTERIM

    @property
    def end(self) -> int:
        """How many samples the state has been fed once the job is done."""
        return self.offset + len(self.audio)

    def after(self, fed: int) -> FeedJob:
        """The same job without the state's first `fed` samples; unchanged if speakers are to be embedded."""
        # Embeddings are computed from all of the audio.
        if self.embed_speakers or fed <= self.offset:
            return self
        return replace(self, audio=self.audio[fed - self.offset :], offset=fed)


Job = SegmentJob | FeedJob
"""What a recognizer has done: by a segment engine or by a streaming engine."""


@dataclass(frozen=True, slots=True)
class StateStart:
    """Where and how a state begins.

    `at`: stream seconds of its first sample (for engines that play a script, and for logs). `language`: one of the
    engine's primary subtags, or None if the engine is to detect the language. `terms`: words to prefer.
    `detectable_languages`: those of the engine's primary subtags among which it is to detect the language; empty: all
    of them.
    """

    at: float
    language: str | None = None
    terms: tuple[Term, ...] = ()
    detectable_languages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StateFeed(Generic[State]):
    """The next audio of one state: float32 in -1..1, shape (n,), 16 kHz mono; `last`: no more follows."""

    state: State
    audio: Samples
    last: bool


@runtime_checkable
class StreamingEngine(Protocol[State]):
    """A loaded streaming engine. Used by one thread.

    A state takes one stretch of speech from its beginning. Its words must depend on its audio alone, neither on how
    that was divided into feeds nor on which states were fed together: a lost state is made again from the same audio.
    """

    def open(self, start: StateStart) -> State:
        """Begin a new state. Raises EngineError."""
        ...

    def feed(self, feeds: Sequence[StateFeed[State]]) -> None:
        """Feed each state its audio, which may be empty, and decode as far as that goes, all of them in one call.

        Each state occurs once. With `last` it is decoded to its end. Raises EngineError; then all of them are closed.
        """
        ...

    def results(self, state: State) -> Hypothesis:
        """All words of the state so far; times count from its first sample. Final once it was fed its last audio."""
        ...

    def close(self, state: State) -> None:
        """Free what the state holds; it is not used again."""
        ...


class SegmentsByStreaming(Generic[State]):
    """A streaming engine as a segment engine: opens a state for each job, feeds it everything, and closes it."""

    def __init__(self, engine: StreamingEngine[State]) -> None:
        self._engine = engine

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """One hypothesis for each job, in order. Raises whatever the engine raises."""
        feeds: list[StateFeed[State]] = []
        try:
            for job in jobs:
                state = self._engine.open(StateStart(job.at, job.language, job.terms, job.detectable_languages))
                feeds.append(StateFeed(state, job.audio, last=True))
            self._engine.feed(feeds)
            return [self._engine.results(feed.state) for feed in feeds]
        finally:
            for feed in feeds:
                self._engine.close(feed.state)
