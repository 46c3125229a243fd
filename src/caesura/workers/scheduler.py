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
  fails must not take others of its batch with it a second time;
- a worker may be able to take only some of the tickets, since the state of a stream is in one of them; for it the
  others count as absent.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import assert_never

from caesura.engines.base import SAMPLE_RATE, Priority
from caesura.engines.streaming import Job
from caesura.workers.base import Deliver


@dataclass(frozen=True, slots=True, eq=False)
class Ticket:
    """A job that waits or runs: its owner, where the result goes, and how often it has failed."""

    owner: Hashable
    """A stream or recording, or a pair of a stream and one of its channels."""
    job: Job
    deliver: Deliver
    failures: int = 0
    since: float = 0.0
    """When it was submitted, on whatever clock the pool has."""
    fed: int = 0
    """Samples of the job that need no more work, when it was submitted."""

    @property
    def samples(self) -> int:
        """Samples of audio that are work."""
        return len(self.job.audio) - self.fed

    @property
    def stream(self) -> Hashable:
        """The stream that it belongs to."""
        return self.owner[0] if isinstance(self.owner, tuple) else self.owner


Fits = Callable[[Ticket], bool]
"""Whether a worker can take a ticket."""


def _fits_all(ticket: Ticket) -> bool:
    return True


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
        self._samples += ticket.samples

    def take(self, most: int = 1, fits: Fits = _fits_all) -> list[Ticket]:
        """Remove and return the next tickets that fit: up to `most`, all of one priority; empty when none waits."""
        batch: list[Ticket] = []
        while len(batch) < most:
            ticket = next(self._waiting(fits), None)
            if ticket is None or (batch and not _may_join(ticket, batch[0])):
                break
            self._take_out(ticket)
            batch.append(ticket)
        return batch

    def has(self, fits: Fits) -> bool:
        """Whether a ticket waits that fits."""
        return any(True for _ in self._waiting(fits))

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
        self._samples += ticket.samples
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

    def _waiting(self, fits: Fits) -> Iterator[Ticket]:
        """The tickets that fit, class by class; only the first is certain to be the next."""
        yield from filter(fits, self._returned)
        finals = [ticket for ticket in self._finals if fits(ticket)]
        if finals:
            yield min(finals, key=lambda waiting: self._turns.get(waiting.stream, 0))
        yield from filter(fits, self._interims.values())
        yield from filter(fits, self._recorded)

    def _take_out(self, ticket: Ticket) -> None:
        """Remove a ticket whose turn it is."""
        match ticket.job.priority:
            case Priority.RECORDING:
                self._recorded.remove(ticket)
                return
            case Priority.INTERIM:
                del self._interims[ticket.owner]
            case Priority.FINAL if ticket in self._returned:
                self._returned.remove(ticket)
            case Priority.FINAL:
                self._take_final(ticket)
            case _:
                assert_never(ticket.job.priority)
        self._uncount(ticket)

    def _take_final(self, ticket: Ticket) -> None:
        self._finals.remove(ticket)
        self._turns[ticket.stream] = max(self._turns.values(), default=0) + 1
        if not self._finals:
            self._turns.clear()

    def _drop_interim(self, owner: Hashable) -> None:
        self._uncount(self._interims.pop(owner, None))

    def _uncount(self, ticket: Ticket | None) -> None:
        if ticket is not None:
            self._samples -= ticket.samples


def _may_join(ticket: Ticket, first: Ticket) -> bool:
    """Whether a batch that begins with `first` can go on with `ticket`."""
    same = ticket.job.priority is first.job.priority and type(ticket.job) is type(first.job)
    return same and not ticket.failures and not first.failures
