"""Order in which engine jobs are run: by priority, and in turns between streams.

The rules:

- finals go before interims;
- among finals the stream goes first whose last one was taken longest ago, so that one with twenty channels has the
  share of one; streams that had none yet, and the channels of a stream, go in the order in which their finals came;
- each owner has at most one interim waiting; a newer one takes its place, so that frequent requests gain nothing;
- among interims the one that has waited longest goes first;
- a final makes the waiting interim of its owner pointless, and removes it;
- jobs of recordings, which nobody waits for while speaking, go after all those of live streams, in their own order;
- a ticket that is put back, because its job failed, goes to the head of its class, and is then run alone: a job that
  fails must not take others of its batch with it a second time.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass
from typing import assert_never

from caesura.engines.base import SAMPLE_RATE, Priority, SegmentJob
from caesura.workers.base import Deliver


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A job that waits or runs: its owner, where the result goes, and how often it has failed."""

    owner: Hashable
    """A stream or recording, or a pair of a stream and one of its channels."""
    job: SegmentJob
    deliver: Deliver
    failures: int = 0
    since: float = 0.0
    """When it was submitted, on whatever clock the pool has."""

    @property
    def stream(self) -> Hashable:
        """The stream that it belongs to."""
        return self.owner[0] if isinstance(self.owner, tuple) else self.owner


class Scheduler:
    """The tickets that wait. Pure: knows no workers and no clock.

    It is not bounded by itself: an owner adds one interim at most, and as many finals as its own
    backlog of audio, or a recording's bound of jobs, allows.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._returned: deque[Ticket] = deque()
        """Finals that were put back."""
        self._finals: deque[Ticket] = deque()
        self._turns: dict[Hashable, int] = {}
        """The number of the last turn that each stream had, as long as finals wait."""
        self._interims: OrderedDict[Hashable, Ticket] = OrderedDict()
        self._recorded: deque[Ticket] = deque()
        self._samples = 0

    def __len__(self) -> int:
        """How many tickets wait."""
        return len(self._returned) + len(self._finals) + len(self._interims) + len(self._recorded)

    @property
    def seconds(self) -> float:
        """Seconds of live audio that wait; recordings do not count, since live jobs overtake them."""
        return self._samples / SAMPLE_RATE

    @property
    def oldest(self) -> float | None:
        """Submission time of the live ticket that has waited longest; None when none waits."""
        return min((ticket.since for ticket in (*self._live_finals, *self._interims.values())), default=None)

    def add(self, ticket: Ticket) -> None:
        """Let `ticket` wait for its turn; replaces the interim that it makes pointless."""
        match ticket.job.priority:
            case Priority.RECORDING:
                self._recorded.append(ticket)
                return
            case Priority.FINAL:
                self._drop_interim(ticket.owner)
                self._finals.append(ticket)
            case Priority.INTERIM:
                self._uncount(self._interims.get(ticket.owner))
                self._interims[ticket.owner] = ticket
            case _:
                assert_never(ticket.job.priority)
        self._samples += len(ticket.job.audio)

    def take(self, most: int = 1) -> list[Ticket]:
        """Remove and return the next tickets: up to `most`, all of one priority; empty when nothing waits."""
        first = self._next()
        if first is None:
            return []
        batch = [first]
        while not first.failures and len(batch) < most and self._next_priority is first.job.priority:
            ticket = self._next()
            assert ticket is not None
            batch.append(ticket)
        return batch

    def put_back(self, ticket: Ticket) -> bool:
        """Let a ticket whose job failed go first in its class.

        Returns False, and drops it, when it is an interim and its owner has added a newer job since.
        """
        match ticket.job.priority:
            case Priority.RECORDING:
                self._recorded.appendleft(ticket)
                return True
            case Priority.FINAL:
                self._returned.appendleft(ticket)
            case Priority.INTERIM:
                if ticket.owner in self._interims or any(ticket.owner == other.owner for other in self._live_finals):
                    return False
                self._interims[ticket.owner] = ticket
                self._interims.move_to_end(ticket.owner, last=False)
            case _:
                assert_never(ticket.job.priority)
        self._samples += len(ticket.job.audio)
        return True

    def remove(self, owner: Hashable) -> None:
        """Drop all waiting tickets of `owner`."""
        self._drop_interim(owner)
        for ticket in [ticket for ticket in self._live_finals if ticket.owner == owner]:
            self._uncount(ticket)
            (self._finals if ticket in self._finals else self._returned).remove(ticket)
        if any(ticket.owner == owner for ticket in self._recorded):
            self._recorded = deque(ticket for ticket in self._recorded if ticket.owner != owner)

    @property
    def _live_finals(self) -> tuple[Ticket, ...]:
        return (*self._returned, *self._finals)

    @property
    def _next_priority(self) -> Priority | None:
        """Priority of the ticket that is next, unless it failed before and is to be run alone."""
        if self._returned:
            return None
        if self._finals:
            return Priority.FINAL
        ahead = next(iter(self._interims.values()), None) or (self._recorded[0] if self._recorded else None)
        return None if ahead is None or ahead.failures else ahead.job.priority

    def _next(self) -> Ticket | None:
        if self._returned:
            ticket = self._returned.popleft()
        elif self._finals:
            ticket = self._next_final()
        elif self._interims:
            ticket = self._interims.popitem(last=False)[1]
        else:
            return self._recorded.popleft() if self._recorded else None
        self._uncount(ticket)
        return ticket

    def _next_final(self) -> Ticket:
        ticket = min(self._finals, key=lambda waiting: self._turns.get(waiting.stream, 0))
        self._finals.remove(ticket)
        self._turns[ticket.stream] = max(self._turns.values(), default=0) + 1
        if not self._finals:
            self._turns.clear()
        return ticket

    def _drop_interim(self, owner: Hashable) -> None:
        self._uncount(self._interims.pop(owner, None))

    def _uncount(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            self._samples -= len(ticket.job.audio)
