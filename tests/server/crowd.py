"""Simulation of a crowd of real-time streams on a few workers, with the parts that the server judges them by.

Time is simulated, so the outcome depends on the parts and the costs alone and not on the machine that runs the tests.
The costs are about those of the built-in engine (docs/figures.md).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from caesura.engines.base import Priority, SegmentJob
from caesura.server.load_control import SAMPLE_S, TURN_S, UNPROVEN_PER_WORKER
from caesura.server.overload import OverloadGuard
from caesura.server.slow_start import SlowStart
from caesura.workers.scheduler import Scheduler, Ticket

TICK_S = 0.02
UTTERANCE_S, PAUSE_S = 3.5, 0.7
INTERIM_S = 0.04
FINAL_S = 0.03
FINAL_PER_S = 0.02
"""Seconds of a worker: for an interim, for a final, and for each second of audio in a final."""
INTERVAL_S = 1.0


@dataclass
class Speaker:
    """A client that wants in, then speaks in utterances without end."""

    name: int
    tries_at: float
    waits_since: float | None = None
    begun: float | None = None
    proven: bool = False
    interim_at: float = 0.0
    utterance_at: float = 0.0
    job_out: bool = False


@dataclass
class Crowd:
    """The outcome of a simulated crowd."""

    admitted_at: list[float] = field(default_factory=list)
    refusals: int = 0
    interims: int = 0
    stretches: list[float] = field(default_factory=list)
    finals: list[tuple[float, float]] = field(default_factory=list)
    """When each final was due, and how late it came."""
    unfinished: int = 0
    refusing_changes: int = 0

    def late_p95(self, since: float = 0.0) -> float:
        """How late finals came at most, but for one in twenty."""
        late = sorted(late for due, late in self.finals if due >= since)
        return late[int(0.95 * len(late))]


class Simulation:
    """So many clients that connect at once; `run` it for some seconds."""

    def __init__(self, clients: int, *, workers: int = 2, bounded: bool = True, seed: int = 1) -> None:
        self.random = random.Random(seed)
        self.speakers = [Speaker(name, 0.0) for name in range(clients)]
        self.bounded = bounded
        self.guard = OverloadGuard()
        self.slow_start = SlowStart(UNPROVEN_PER_WORKER * workers)
        self.schedule = Scheduler()
        self.workers: list[tuple[float, Ticket | None]] = [(0.0, None)] * workers
        self.crowd = Crowd()
        self.now = 0.0

    def run(self, seconds: float) -> Crowd:
        """Run the simulation; jobs in progress at the end count as unfinished if they are a second late."""
        for step in itertools.count():
            self.now = step * TICK_S
            if self.now >= seconds:
                break
            if step % round(SAMPLE_S / TICK_S) == 0:
                self._sample()
            for speaker in self.speakers:
                self._step(speaker)
            self.workers = [self._work(free_at, ticket) for free_at, ticket in self.workers]
        self.crowd.unfinished = sum(ticket.job.final and self.now - ticket.since > 1.0 for ticket in self._waiting())
        return self.crowd

    def _waiting(self) -> Iterator[Ticket]:
        while batch := self.schedule.take():
            yield from batch

    def _sample(self) -> None:
        before = self.guard.refusing
        oldest = self.schedule.oldest
        self.guard.sample(0.0 if oldest is None else self.now - oldest, now=self.now)
        self.crowd.refusing_changes += self.guard.refusing is not before
        self.crowd.stretches.append(self.guard.interim_stretch)

    def _step(self, speaker: Speaker) -> None:
        if speaker.begun is None:
            self._knock(speaker)
            return
        if self.bounded and not speaker.proven:
            speaker.proven = self.slow_start.audio(speaker.name, now=self.now)
        if self.now >= speaker.utterance_at + UTTERANCE_S:
            self._submit(speaker, UTTERANCE_S, final=True)
            speaker.utterance_at = speaker.interim_at = self.now + PAUSE_S
        elif not speaker.job_out and self.now - speaker.interim_at >= INTERVAL_S * self._stretch:
            speaker.interim_at = self.now
            self._submit(speaker, self.now - speaker.utterance_at, final=False)

    @property
    def _stretch(self) -> float:
        return self.guard.interim_stretch if self.bounded else 1.0

    def _knock(self, speaker: Speaker) -> None:
        if self.now < speaker.tries_at:
            return
        if not self.bounded or self.slow_start.has_room(now=self.now, calm=self.guard.calm):
            self.slow_start.opened(speaker.name, now=self.now)
            speaker.begun = speaker.utterance_at = speaker.interim_at = self.now
            # Streams do not begin in phase.
            speaker.utterance_at -= self.random.uniform(0, UTTERANCE_S)
            self.crowd.admitted_at.append(self.now)
            return
        speaker.waits_since = self.now if speaker.waits_since is None else speaker.waits_since
        if self.guard.refusing or self.now - speaker.waits_since >= TURN_S:
            self.crowd.refusals += 1
            speaker.waits_since = None
            speaker.tries_at = self.now + self.random.choice((1, 2, 3))

    def _submit(self, speaker: Speaker, seconds: float, *, final: bool) -> None:
        job = SegmentJob(
            np.zeros(int(max(seconds, 0.1) * 16_000), np.float32), 0.0, Priority.FINAL if final else Priority.INTERIM
        )
        speaker.job_out = True
        self.schedule.add(Ticket(speaker.name, job, lambda _: None, since=self.now))

    def _work(self, free_at: float, ticket: Ticket | None) -> tuple[float, Ticket | None]:
        if free_at > self.now:
            return free_at, ticket
        if ticket is not None:
            self._done(ticket)
        batch = self.schedule.take()
        if not batch:
            return self.now, None
        (ticket,) = batch
        seconds = len(ticket.job.audio) / 16_000
        return self.now + (FINAL_S + FINAL_PER_S * seconds if ticket.job.final else INTERIM_S), ticket

    def _done(self, ticket: Ticket) -> None:
        assert isinstance(ticket.owner, int)
        self.speakers[ticket.owner].job_out = False
        if ticket.job.final:
            self.crowd.finals.append((ticket.since, self.now - ticket.since))
        else:
            self.crowd.interims += 1
