"""Whose job is done next: tickets in, the most urgent ticket out.

The rules:

- finals go before interims;
- among finals the stream goes first whose last one was taken longest ago, so that one with twenty channels has the
  share of one; streams that had none yet, and the channels of a stream, go in the order in which their finals came;
- each owner has at most one interim waiting; a newer one takes its place, so that nobody gains by asking often;
- among interims the owner who has waited longest goes first;
- a final makes the waiting interim of its owner pointless, and removes it;
- jobs of recordings, for which nobody waits while speaking, go after all those of live streams, in their own order;
- what is put back, because it was not done, goes to the head of its class.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from caesura.engines.base import SAMPLE_RATE, Hypothesis, SegmentJob


@dataclass(frozen=True, slots=True)
class Lost:
    """The answer when a job could not be done; `reason` is a sentence for the log, without what was said."""

    reason: str


Answer = Callable[[Hypothesis | Lost], None]


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A job on its way: who asked, where the answer goes, and how often it has failed."""

    owner: Hashable
    """Who asked: a stream, or a pair of a stream and one of its channels."""
    job: SegmentJob
    answer: Answer
    failures: int = 0
    recorded: bool = False
    """It belongs to a recording; its job is a final."""
    since: float = 0.0
    """When it came, on whatever clock the pool has."""

    @property
    def stream(self) -> Hashable:
        """The stream that it belongs to."""
        return self.owner[0] if isinstance(self.owner, tuple) else self.owner


class Schedule:
    """The tickets that wait. Pure: knows no workers and no clock.

    It is not bounded by itself: an owner adds one interim at most, and as many finals as its own
    backlog of audio, or a recording's bound of jobs, allows.
    """

    def __init__(self) -> None:
        """Nothing waits."""
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
        """Seconds of live audio that wait; recordings delay nobody who speaks."""
        return self._samples / SAMPLE_RATE

    @property
    def oldest(self) -> float | None:
        """When the live ticket came that waits longest; None when none does."""
        return min((ticket.since for ticket in (*self._live_finals, *self._interims.values())), default=None)

    def add(self, ticket: Ticket) -> None:
        """Lets `ticket` wait for its turn; replaces what it makes pointless."""
        if ticket.recorded:
            self._recorded.append(ticket)
            return
        if ticket.job.final:
            self._drop_interim(ticket.owner)
            self._finals.append(ticket)
        else:
            self._uncount(self._interims.get(ticket.owner))
            self._interims[ticket.owner] = ticket
        self._samples += len(ticket.job.audio)

    def next(self) -> Ticket | None:
        """Takes out the ticket whose turn it is; None when nothing waits."""
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

    def put_back(self, ticket: Ticket) -> bool:
        """Lets a ticket that was not done go first in its class.

        Returns False, and drops it, when it is an interim and its owner has added a newer job since.
        """
        if ticket.recorded:
            self._recorded.appendleft(ticket)
            return True
        if ticket.job.final:
            self._returned.appendleft(ticket)
        elif ticket.owner in self._interims or any(ticket.owner == other.owner for other in self._live_finals):
            return False
        else:
            self._interims[ticket.owner] = ticket
            self._interims.move_to_end(ticket.owner, last=False)
        self._samples += len(ticket.job.audio)
        return True

    def remove(self, owner: Hashable) -> None:
        """Drops everything that waits for `owner`; does nothing when nothing does."""
        self._drop_interim(owner)
        for ticket in [ticket for ticket in self._live_finals if ticket.owner == owner]:
            self._uncount(ticket)
            (self._finals if ticket in self._finals else self._returned).remove(ticket)
        if any(ticket.owner == owner for ticket in self._recorded):
            self._recorded = deque(ticket for ticket in self._recorded if ticket.owner != owner)

    @property
    def _live_finals(self) -> tuple[Ticket, ...]:
        return (*self._returned, *self._finals)

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
