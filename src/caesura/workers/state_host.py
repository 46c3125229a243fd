"""States of streams that a worker keeps for a streaming engine, by the numbers that the pool gave them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic

from caesura.engines.base import Hypothesis
from caesura.engines.streaming import FeedJob, StateFeed, StateStart, StreamingEngine
from caesura.engines.streaming import State as State
from caesura.errors import InternalError


@dataclass(slots=True)
class _OpenState(Generic[State]):
    state: State
    fed: int
    """Samples that it was fed."""


class StateHost(Generic[State]):
    """Opens, feeds and closes the states of one streaming engine; to be used by one thread."""

    def __init__(self, engine: StreamingEngine[State]) -> None:
        self._engine = engine
        self._open: dict[int, _OpenState[State]] = {}

    def __len__(self) -> int:
        """How many states are open."""
        return len(self._open)

    def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """Feed each state what it has not been fed yet, all in one call; opens those that begin and closes the last.

        Returns one hypothesis for each job, in order. Raises whatever the engine raises, and InternalError for a job
        that goes on with a state that is not here; then call `close` for these states.
        """
        opened = [self._state(job) for job in jobs]
        self._engine.feed(
            [
                StateFeed(each.state, job.audio[each.fed - job.offset :], job.final)
                for each, job in zip(opened, jobs, strict=True)
            ]
        )
        for each, job in zip(opened, jobs, strict=True):
            each.fed = job.end
        hypotheses = tuple(self._engine.results(each.state) for each in opened)
        self.close(job.state for job in jobs if job.final)
        return hypotheses

    def close(self, states: Iterable[int]) -> None:
        """Close the states of these numbers; those that are not here are passed over."""
        for number in states:
            known = self._open.pop(number, None)
            if known is not None:
                self._engine.close(known.state)

    def _state(self, job: FeedJob) -> _OpenState[State]:
        known = self._open.get(job.state)
        if known is None and job.offset == 0:
            state = self._engine.open(StateStart(job.at, job.language, job.terms, job.detectable_languages))
            known = self._open[job.state] = _OpenState(state, 0)
        if known is None or not job.offset <= known.fed <= job.end:
            fed = "not here" if known is None else f"fed up to {known.fed}"
            raise InternalError(f"a job with samples {job.offset} to {job.end} of a state that is {fed}")
        return known
