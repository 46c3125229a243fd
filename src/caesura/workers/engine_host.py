"""A loaded engine together with the speaker embedder: what every kind of worker runs its jobs on."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from caesura.engines.base import Engine, Hypothesis, SegmentJob
from caesura.engines.registry import AnyEngine, load_any_engine
from caesura.engines.streaming import FeedJob, Job, SegmentsByStreaming, StreamingEngine
from caesura.errors import EngineError, InternalError
from caesura.speech.embedding import speech_spans
from caesura.workers.state_host import StateHost

if TYPE_CHECKING:
    from caesura.speech.embedder import SpeakerEmbedder


def _load_embedder() -> SpeakerEmbedder:
    # Imported when first needed: most workers never embed, and onnxruntime starts a thread when it is imported.
    from caesura.speech.embedder import load_embedder

    return load_embedder()


class EngineHost:
    """Runs jobs on one engine; to be used by one thread. The embedder is loaded by the first job that needs it."""

    def __init__(self, engine: AnyEngine, *, load_embedder: Callable[[], SpeakerEmbedder] = _load_embedder) -> None:
        self._engine: Engine
        self._states: StateHost[Any] | None = None
        if isinstance(engine, StreamingEngine):
            self._engine, self._states = SegmentsByStreaming(engine), StateHost(engine)
        else:
            self._engine = engine
        self._load_embedder = load_embedder
        self._embedder: SpeakerEmbedder | None = None

    @classmethod
    def load(cls, engine: str) -> Self:
        """Load the engine of that name. Raises EngineError or UsageError, with the registry's or engine's sentence."""
        return cls(load_any_engine(engine))

    def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """One hypothesis for each job, in order, with speaker embeddings where the job asks for them.

        Raises:
            EngineError: the engine failed in whatever way; the sentence quotes nothing of the transcript.
        """
        try:
            hypotheses = tuple(self._engine.transcribe(list(jobs)))
            if len(hypotheses) == len(jobs):
                return tuple(map(self._with_embeddings, jobs, hypotheses))
        except Exception as error:
            raise EngineError(failure_reason(error)) from error
        raise EngineError(f"the engine returned {len(hypotheses)} hypotheses for {len(jobs)} jobs")

    def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """One hypothesis for each job, in order, of its state so far; see `Worker.feed`.

        Raises:
            EngineError: the engine failed in whatever way, or is not a streaming one; the sentence quotes nothing of
                the transcript.
        """
        if self._states is None:
            raise EngineError("the engine keeps no states that could be fed")
        try:
            return tuple(map(self._with_embeddings, jobs, self._states.feed(jobs)))
        except Exception as error:
            raise EngineError(failure_reason(error)) from error

    def close_states(self, states: Sequence[int]) -> None:
        """Close the states of these numbers; those that are not here are passed over."""
        if self._states is not None:
            self._states.close(states)

    def _with_embeddings(self, job: Job, hypothesis: Hypothesis) -> Hypothesis:
        if not job.embed_speakers or not hypothesis.words:
            return hypothesis
        if self._embedder is None:
            self._embedder = self._load_embedder()
        embeddings = self._embedder.embed(job.audio, speech_spans(hypothesis.words))
        return replace(hypothesis, speaker_embeddings=embeddings)


def failure_reason(error: Exception) -> str:
    """A sentence about an engine's exception: our own sentences pass, others may quote the transcript."""
    if isinstance(error, EngineError | InternalError):
        return str(error)
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"the engine raised {type(error).__name__} in {os.path.basename(place.filename)}, line {place.lineno}"
