"""The scheduler: every rule by example, then every short history against a model that states them plainly."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.workers.base import JobLost
from caesura.workers.scheduler import Scheduler, Ticket
from tests.example_count import examples
from tests.recognizer_bench import sound


def discard(result: Hypothesis | JobLost) -> None:
    """The scheduler delivers nothing."""
    raise AssertionError(result)


def interim(owner: str, seconds: float = 1.0) -> Ticket:
    """An interim's ticket."""
    return Ticket(owner, SegmentJob(np.zeros(int(seconds * 16_000), np.float32), 0.0, Priority.INTERIM), discard)


def final(owner: str, seconds: float = 1.0) -> Ticket:
    """A final's ticket."""
    return Ticket(owner, SegmentJob(np.zeros(int(seconds * 16_000), np.float32), 0.0, Priority.FINAL), discard)


def recorded(owner: str) -> Ticket:
    """A ticket of a recording."""
    return Ticket(owner, SegmentJob(np.zeros(16_000, np.float32), 0.0, Priority.RECORDING), discard)


def drained(scheduler: Scheduler) -> Iterator[Ticket]:
    """All that waits, in turn."""
    while batch := scheduler.take():
        yield from batch


def filled(*tickets: Ticket) -> Scheduler:
    """A scheduler to which these were added."""
    scheduler = Scheduler()
    for ticket in tickets:
        scheduler.add(ticket)
    return scheduler


def test_nothing_waits_at_first() -> None:
    """An empty scheduler has no next ticket, no length and no seconds."""
    scheduler = Scheduler()
    assert scheduler.take() == []
    assert (len(scheduler), scheduler.seconds) == (0, 0.0)


def test_the_oldest_is_the_live_ticket_that_came_first() -> None:
    """Recordings wait for those and do not count."""
    waits = filled(replace(recorded("r"), since=1.0), replace(final("a"), since=3.0), replace(interim("b"), since=2.0))
    assert waits.oldest == 2.0
    assert filled(recorded("r")).oldest is None


def test_finals_go_before_interims_in_the_order_they_came() -> None:
    """A final that comes last overtakes interims, but no final."""
    first, second, early, late = final("a"), final("b"), interim("c"), interim("d")
    assert list(drained(filled(early, first, late, second))) == [first, second, early, late]


def test_a_batch_has_jobs_of_one_priority_in_the_usual_order() -> None:
    """As many as the worker can use; interims do not fill up a batch of finals."""
    finals, interims, recordings = (
        [final("a"), final("b")],
        [interim("c"), interim("d")],
        [recorded("r"), recorded("r")],
    )
    scheduler = filled(*recordings, *interims, *finals)
    assert [scheduler.take(3) for _ in range(4)] == [finals, interims, recordings, []]


def test_a_batch_takes_turns_between_streams() -> None:
    """The second channel of one stream waits for the first of the other."""
    one, two, other = of_channel("many", 0), of_channel("many", 1), final("one")
    assert filled(one, two, other).take(2) == [one, other]


@pytest.mark.parametrize("make", [final, interim, recorded])
def test_a_job_that_failed_is_run_alone(make: Callable[[str], Ticket]) -> None:
    """Whether it was first or would have joined: it must not take others with it again."""
    failed, others = replace(make("a"), failures=1), [make("b"), make("c")]
    scheduler = filled(*others)
    scheduler.put_back(failed)
    assert [scheduler.take(5), scheduler.take(5)] == [[failed], others]


def test_a_worker_that_can_take_only_some_tickets_gets_the_next_of_those() -> None:
    """The others count as absent, and keep their turns."""
    tickets = [final("a"), interim("b"), final("c"), recorded("r")]
    scheduler = filled(*tickets)
    assert scheduler.has(lambda ticket: ticket.owner == "b")
    assert not scheduler.has(lambda ticket: ticket.owner == "x")
    assert scheduler.take(5, lambda ticket: ticket.owner in ("b", "c")) == [tickets[2]]
    assert scheduler.take(5, lambda ticket: ticket.owner == "x") == []
    assert scheduler.take(5, lambda ticket: ticket.owner == "r") == [tickets[3]]
    assert list(drained(scheduler)) == [tickets[0], tickets[1]]
    assert scheduler.seconds == 0.0


def test_a_batch_has_jobs_of_one_kind() -> None:
    """A worker feeds states in one call and transcribes segments in another."""
    feeds = [replace(interim(owner), job=FeedJob(0, sound(0, 100), 0.0, Priority.INTERIM)) for owner in "ab"]
    segment = interim("c")
    scheduler = filled(feeds[0], segment, feeds[1])
    assert [scheduler.take(5) for _ in range(3)] == [[feeds[0]], [segment], [feeds[1]]]


def test_audio_that_a_state_has_already_does_not_count() -> None:
    job = FeedJob(0, sound(0, 16_000), 0.0, Priority.INTERIM)
    scheduler = filled(replace(interim("a"), job=job, fed=12_000))
    assert scheduler.seconds == 0.25
    scheduler.take()
    assert scheduler.seconds == 0.0


def of_channel(stream: str, channel: int) -> Ticket:
    """A final of one of several channels."""
    return replace(final(stream), owner=(stream, channel))


def test_a_stream_of_many_channels_has_the_share_of_one() -> None:
    """A stream with one channel waits for one final of the other stream, not for twenty."""
    many = [of_channel("many", channel) for channel in range(20)]
    scheduler = filled(*many)
    assert scheduler.take() == [many[0]]
    scheduler.add(one := final("one"))
    scheduler.add(two := final("two"))
    assert [scheduler.take()[0] for _ in range(3)] == [one, two, many[1]]
    scheduler.add(again := final("one"))
    assert [scheduler.take()[0] for _ in range(3)] == [again, many[2], many[3]]


def test_the_stream_that_was_served_less_recently_goes_first() -> None:
    """No stream starves: one with many channels gets its turns between those of others that submit continuously."""
    scheduler = filled(of_channel("many", 0), of_channel("many", 1), of_channel("many", 2), final("one"))
    served = []
    for _ in range(6):
        (ticket,) = scheduler.take()
        served.append(ticket.stream)
        if ticket.stream == "one":
            scheduler.add(final("one"))
    assert served == ["many", "one", "many", "one", "many", "one"]


def test_a_newer_interim_takes_the_place_of_the_older() -> None:
    """It neither waits twice nor loses its turn."""
    old, other, new = interim("a"), interim("b"), interim("a", 2.0)
    scheduler = filled(old, other, new)
    assert scheduler.seconds == 3.0
    assert list(drained(scheduler)) == [new, other]


def test_an_owner_that_was_served_queues_up_again() -> None:
    """Submitting again at once does not overtake owners that wait."""
    scheduler = filled(interim("a"), interim("b"))
    (served,) = scheduler.take()
    assert served.owner == "a"
    scheduler.add(interim("a"))
    assert [ticket.owner for ticket in drained(scheduler)] == ["b", "a"]


def test_a_final_removes_the_interim_of_its_owner_only() -> None:
    """The final supersedes the interim."""
    other, last = interim("b"), final("a")
    scheduler = filled(interim("a"), other, last)
    assert (len(scheduler), scheduler.seconds) == (2, 2.0)
    assert list(drained(scheduler)) == [last, other]


def test_an_interim_after_a_final_waits_too() -> None:
    """It belongs to the next segment."""
    last, following = final("a"), interim("a")
    assert list(drained(filled(last, following))) == [last, following]


def test_a_final_put_back_goes_first() -> None:
    """Before the finals that came while it was being done."""
    scheduler = filled(final("a"), interim("c"))
    (undone,) = scheduler.take()
    scheduler.add(waiting := final("b"))
    assert scheduler.put_back(undone)
    assert list(drained(scheduler))[:2] == [undone, waiting]


def test_an_interim_put_back_goes_first_among_interims() -> None:
    """Finals still go before it."""
    undone, other, last = interim("a"), interim("b"), final("c")
    scheduler = filled(other, last)
    assert scheduler.put_back(undone)
    assert scheduler.seconds == 3.0
    assert list(drained(scheduler)) == [last, undone, other]


@pytest.mark.parametrize("newer", [interim("a"), final("a")])
def test_a_superseded_interim_is_not_put_back(newer: Ticket) -> None:
    """Its owner has submitted something newer since."""
    scheduler = filled(newer)
    assert not scheduler.put_back(interim("a"))
    assert scheduler.seconds == 1.0
    assert list(drained(scheduler)) == [newer]


def test_an_owner_is_removed_with_all_that_waits() -> None:
    """Finals and interim; others stay, and an unknown owner is nothing."""
    stays, other = final("b"), interim("c")
    scheduler = filled(final("a"), stays, final("a"), interim("a"), other)
    scheduler.remove("a")
    scheduler.remove("nobody")
    assert (len(scheduler), scheduler.seconds) == (2, 2.0)
    assert list(drained(scheduler)) == [stays, other]


def test_recordings_wait_for_all_live_streams() -> None:
    """Among themselves they keep their order, and several jobs of one owner wait together."""
    first, second, third = recorded("r"), recorded("r"), recorded("s")
    late, last = interim("a"), final("b")
    scheduler = filled(first, second, third, late, last)
    assert (len(scheduler), scheduler.seconds) == (5, 2.0)
    assert list(drained(scheduler)) == [last, late, first, second, third]
    assert (len(scheduler), scheduler.seconds) == (0, 0.0)


def test_a_recorded_job_put_back_goes_first_among_recorded_ones() -> None:
    """Live jobs still go before it."""
    undone, waiting, live = recorded("r"), recorded("s"), interim("a")
    scheduler = filled(waiting, live)
    assert scheduler.put_back(undone)
    assert list(drained(scheduler)) == [live, undone, waiting]


def test_a_recording_is_removed_with_all_its_jobs() -> None:
    """Other recordings stay, and so do live streams."""
    stays, live = recorded("s"), final("a")
    scheduler = filled(recorded("r"), stays, recorded("r"), live)
    scheduler.remove("r")
    assert list(drained(scheduler)) == [live, stays]


class Model:
    """The rules as a list that is sorted at each turn; slow, and plain to see."""

    def __init__(self) -> None:
        self.waiting: list[Ticket] = []
        self.returned: list[Ticket] = []
        self.turns: list[str] = []
        """The streams in the order of their last turns, as long as a final waits that was not put back."""

    def step(self, action: str, owner: str, ticket: Ticket) -> None:
        """Do the same as the scheduler."""
        mine = [other for other in self.waiting if other.owner == owner]
        pending = [other for other in mine if not other.job.final]
        match action:
            case "final":
                self.waiting = [other for other in self.waiting if other not in pending] + [ticket]
            case "interim" if pending:
                self.waiting[self.waiting.index(pending[0])] = ticket
            case "interim":
                self.waiting.append(ticket)
            case "remove":
                self.waiting = [other for other in self.waiting if other.owner != owner]
            case "back" if ticket.job.final or not mine:
                self.waiting.insert(0, ticket)
                self.returned += [ticket] if ticket.job.final else []

    def next(self) -> Ticket | None:
        """A final that was put back, else that of the stream served longest ago, else the oldest interim."""
        ticket = min(self.waiting, key=self._rank, default=None)
        if ticket is None:
            return None
        self.waiting.remove(ticket)
        if ticket.job.final and ticket not in self.returned:
            self.turns = [owner for owner in self.turns if owner != ticket.owner] + [str(ticket.owner)]
            if not any(other.job.final and other not in self.returned for other in self.waiting):
                self.turns = []
        self.returned = [other for other in self.returned if other is not ticket]
        return ticket

    def _rank(self, ticket: Ticket) -> tuple[int, int]:
        if not ticket.job.final:
            return 2, 0
        if ticket in self.returned:
            return 0, 0
        return 1, self.turns.index(str(ticket.owner)) + 1 if ticket.owner in self.turns else 0


def run(history: list[tuple[str, str]]) -> None:
    """Play a history on both, and compare the jobs taken and those that wait."""
    scheduler, model, taken = Scheduler(), Model(), list[Ticket]()
    for action, owner in history:
        if action == "next":
            batch, expected = scheduler.take(), model.next()
            assert batch == ([] if expected is None else [expected])
            taken += batch
            continue
        ticket = final(owner, 0.5) if action == "final" else interim(owner, 0.25)
        if action == "back":
            if not taken:
                continue
            ticket = taken.pop()
            owner = str(ticket.owner)
        model.step(action, owner, ticket)
        match action:
            case "back":
                scheduler.put_back(ticket)
            case "remove":
                scheduler.remove(owner)
            case _:
                scheduler.add(ticket)
        assert len(scheduler) == len(model.waiting)
        assert scheduler.seconds == sum(len(other.job.audio) for other in model.waiting) / 16_000
    assert list(drained(scheduler)) == list(iter(model.next, None))


STEPS = [*itertools.product(("interim", "final", "remove"), "ab"), ("next", ""), ("back", "")]


def test_every_history_of_up_to_four_steps() -> None:
    """Two owners, every action in every order: 4,680 histories."""
    for length in range(1, 5):
        for history in itertools.product(STEPS, repeat=length):
            run(list(history))


@examples(200)
@given(st.lists(st.sampled_from([*STEPS, ("interim", "c"), ("final", "c"), ("next", "")]), max_size=40))
def test_long_histories(history: list[tuple[str, str]]) -> None:
    """Three owners and many steps, drawn at random."""
    run(history)
