"""Table of the states of streams that workers keep for a streaming engine: which worker has whose, and how far it is.

Pure. A state is in one worker, so its jobs go there; what is lost with a worker is fed again, to a state that begins
anew wherever the job is taken next. Its owner goes on without noticing. The rules:

- an owner has one state at most: a job with another number closes the one before;
- a worker has a bound of states: to open one more, it closes the one that was fed longest ago, which is that of a
  stream that pauses in mid-sentence, as long as not more streams speak at once than the bound;
- a state whose job failed is closed, for nobody knows how far it came.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from caesura.engines.streaming import FeedJob

Place = TypeVar("Place", bound=Hashable)
"""The place of a worker."""


@dataclass(slots=True)
class _WorkerState(Generic[Place]):
    number: int
    """Unique in this table."""
    of_owner: int
    """The owner's number for it."""
    place: Place
    fed: int = 0
    busy: bool = False


class StateTable(Generic[Place]):
    """Which states the workers have. Call `closed` after each other method, and have those states closed."""

    def __init__(self, most: int) -> None:
        """Start empty; `most`: states that one worker may have, at least as many as it is given in one batch."""
        self._most = most
        self._states: dict[Hashable, _WorkerState[Place]] = {}
        """By owner; those that were fed longest ago come first."""
        self._opened = 0
        self._closed: list[tuple[Place, int]] = []

    def count(self, place: Place) -> int:
        """How many states the worker at `place` has."""
        return sum(state.place == place for state in self._states.values())

    def place(self, owner: Hashable, job: FeedJob) -> Place | None:
        """The only place where `job` can go on with its state; None if any worker can begin one."""
        state = self._continued(owner, job)
        return None if state is None else state.place

    def fed(self, owner: Hashable, job: FeedJob) -> int:
        """How many samples of `job` its state has been fed already."""
        state = self._continued(owner, job)
        return 0 if state is None else state.fed

    def begin(self, owner: Hashable, job: FeedJob, place: Place) -> FeedJob:
        """The worker at `place` takes `job`: returns what it is to be sent. Call `done` or `failed` with that."""
        state = self._continued(owner, job)
        if state is None:
            self.drop(owner)
            self._make_room(place)
            self._opened += 1
            state = self._states[owner] = _WorkerState(self._opened, job.state, place)
        state.busy = True
        return replace(job.after(state.fed), state=state.number)

    def done(self, owner: Hashable, sent: FeedJob) -> None:
        """The worker has done what it was sent; with the last job of a state it has closed that."""
        state = self._sent(owner, sent)
        if state is not None:
            # Put back behind all others.
            del self._states[owner]
            state.fed, state.busy = sent.end, False
            if not sent.final:
                self._states[owner] = state

    def failed(self, owner: Hashable, sent: FeedJob) -> None:
        """The worker lives and could not do what it was sent: the state is closed."""
        if self._sent(owner, sent) is not None:
            self.drop(owner)

    def drop(self, owner: Hashable) -> None:
        """Close the state of `owner`, if there is one."""
        state = self._states.pop(owner, None)
        if state is not None:
            self._closed.append((state.place, state.number))

    def lose(self, place: Place) -> None:
        """The worker at `place` is gone, and its states with it."""
        self._states = {owner: state for owner, state in self._states.items() if state.place != place}
        self._closed = [closed for closed in self._closed if closed[0] != place]

    def closed(self) -> list[tuple[Place, int]]:
        """The states to be closed since the last call: the place of the worker, and the number that it knows."""
        closed, self._closed = self._closed, []
        return closed

    def _continued(self, owner: Hashable, job: FeedJob) -> _WorkerState[Place] | None:
        state = self._states.get(owner)
        return state if state is not None and state.of_owner == job.state else None

    def _sent(self, owner: Hashable, sent: FeedJob) -> _WorkerState[Place] | None:
        state = self._states.get(owner)
        return state if state is not None and state.number == sent.state else None

    def _make_room(self, place: Place) -> None:
        idle = [owner for owner, state in self._states.items() if state.place == place and not state.busy]
        for owner in idle[: max(0, self.count(place) + 1 - self._most)]:
            self.drop(owner)
