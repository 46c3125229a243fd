"""Protocols between those who submit engine jobs, the pool that schedules them, and the workers that run them."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.engines.streaming import FeedJob


@dataclass(frozen=True, slots=True)
class JobLost:
    """Result of a job that was given up; `reason` is a sentence for the log, without words of the transcript."""

    reason: str


Deliver = Callable[[Hypothesis | JobLost], None]
"""Receives the result of one job, on the event loop's thread."""


class Pool(Protocol):
    """Runs the jobs of streams and recordings; everything on the event loop's thread."""

    @property
    def workers(self) -> int:
        """Number of jobs that can run at the same time."""

    @property
    def interim_stretch(self) -> float:
        """Factor by which live streams should request fewer interims, 1 or more."""

    def submit(self, owner: Hashable, job: SegmentJob, deliver: Deliver) -> None:
        """Schedule `job` for `owner`; `deliver` is called once with its result, never from inside this call.

        It is not called for an interim that a newer job of `owner` replaced before a worker took it, nor after
        `cancel(owner)`. One owner may have several jobs at once only if all are recordings' or finals.
        """

    def cancel(self, owner: Hashable) -> None:
        """Drop the jobs of `owner`: those that wait are not run, the results of running ones are discarded.

        The state that a worker keeps for `owner` is closed.
        """


class StreamPool(Pool, Protocol):
    """A pool for live streams, whose recognizers may be those of streaming engines."""

    def feed(self, owner: Hashable, job: FeedJob, deliver: Deliver) -> None:
        """Schedule `job` for `owner` in place of the one that it has out; otherwise as `submit` does.

        The worker that has the state of `owner` does it. If there is none, or it is replaced, another one opens a state
        and is fed all of the job's audio.
        """


class Worker(Protocol):
    """One loaded engine that runs one batch of jobs at a time: a process, a thread, or an actor elsewhere."""

    @property
    def name(self) -> str:
        """Unique among the workers of this server, for the log: a process id, for example."""

    @property
    def gone(self) -> bool:
        """Whether it has ended and will send nothing more."""

    async def start(self) -> None:
        """Load the engine.

        Raises:
            EngineError: it cannot be loaded, or the worker ended before it was; the sentence says which.
        """

    async def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """Run one batch; one call at a time. Returns one hypothesis for each job, in order.

        Raises:
            EngineError: the engine failed; the worker can take the next batch. The sentence quotes nothing of
                the transcript.
            ConnectionError: the worker is gone, or sent something that is no result.
        """

    async def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """Feed states of a streaming engine, which are opened where they begin, in one call; otherwise as `transcribe`.

        With the last job of a state it is closed. After EngineError the states of all these jobs are to be closed.
        """

    def close_states(self, states: Sequence[int]) -> None:
        """Close states after the batch that runs; returns at once. States that it does not have are passed over."""

    async def close(self) -> None:
        """End it at once and wait until it has, whether or not it was started; idempotent."""


NewWorker = Callable[[str, Callable[[], None]], Worker]
"""Makes a worker, not started, for the named engine; the callback is for the loop's thread, when it is gone."""
