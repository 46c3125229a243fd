"""The table of states: where a job can go on, what it is sent, and which states are to be closed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from caesura.engines.base import Priority
from caesura.engines.streaming import FeedJob
from caesura.workers.states import StateTable
from tests.recognizer_bench import sound


def job(state: int, samples: int, *, last: bool = False) -> FeedJob:
    """A job of an owner's state so numbered, with so much audio."""
    return FeedJob(state, sound(0, samples), 0.0, Priority.FINAL if last else Priority.INTERIM)


def fed(table: StateTable[str], owner: str, wanted: FeedJob, place: str) -> FeedJob:
    """Have a job done; returns what the worker was sent."""
    sent = table.begin(owner, wanted, place)
    table.done(owner, sent)
    return sent


def test_a_state_begins_anywhere_and_goes_on_where_it_is_with_what_is_new() -> None:
    table: StateTable[str] = StateTable(4)
    assert table.place("one", job(0, 100)) is None
    first = fed(table, "one", job(0, 100), "a")
    assert (first.offset, first.end) == (0, 100)
    assert (table.place("one", job(0, 150)), table.fed("one", job(0, 150))) == ("a", 100)
    second = fed(table, "one", job(0, 150), "a")
    assert (second.offset, second.end, second.state) == (100, 150, first.state)
    assert table.closed() == []


def test_states_of_two_owners_have_different_numbers() -> None:
    table: StateTable[str] = StateTable(4)
    assert fed(table, "one", job(0, 1), "a").state != fed(table, "two", job(0, 1), "a").state
    assert (table.count("a"), table.count("b")) == (2, 0)


def test_another_number_opens_another_state_and_closes_the_one_before() -> None:
    table: StateTable[str] = StateTable(4)
    before = fed(table, "one", job(0, 100), "a")
    assert table.place("one", job(1, 50)) is None
    after = fed(table, "one", job(1, 50), "b")
    assert (after.offset, table.closed()) == (0, [("a", before.state)])
    assert (table.count("a"), table.count("b")) == (0, 1)


def test_the_last_job_ends_the_state_and_its_worker_closes_it() -> None:
    table: StateTable[str] = StateTable(4)
    fed(table, "one", job(0, 100, last=True), "a")
    assert (table.count("a"), table.closed()) == (0, [])


def test_a_state_whose_job_failed_is_closed_and_begins_anew_anywhere() -> None:
    table: StateTable[str] = StateTable(4)
    fed(table, "one", job(0, 100), "a")
    sent = table.begin("one", job(0, 200), "a")
    table.failed("one", sent)
    assert table.closed() == [("a", sent.state)]
    assert table.place("one", job(0, 200)) is None
    again = table.begin("one", job(0, 200), "b")
    assert (again.offset, again.end) == (0, 200)
    assert again.state != sent.state


def test_states_are_lost_with_their_worker_and_need_not_be_closed() -> None:
    table: StateTable[str] = StateTable(4)
    fed(table, "one", job(0, 100), "a")
    fed(table, "two", job(0, 100), "b")
    table.drop("one")
    table.lose("a")
    assert table.closed() == []
    assert (table.count("a"), table.count("b")) == (0, 1)
    assert table.begin("one", job(0, 200), "b").offset == 0


def test_a_full_worker_closes_the_state_that_was_fed_longest_ago() -> None:
    table: StateTable[str] = StateTable(2)
    one, two = (fed(table, owner, job(0, 100), "a") for owner in ("one", "two"))
    fed(table, "elsewhere", job(0, 100), "b")
    fed(table, "one", job(0, 200), "a")
    fed(table, "three", job(0, 100), "a")
    assert table.closed() == [("a", two.state)]
    assert table.count("a") == 2
    assert table.fed("one", job(0, 300)) == 200
    assert table.fed("two", job(0, 300)) == 0
    assert one.state != two.state


def test_a_state_that_is_being_fed_is_not_closed_for_another() -> None:
    table: StateTable[str] = StateTable(2)
    running = [table.begin(owner, job(0, 100), "a") for owner in ("one", "two")]
    table.done("one", running[0])
    table.begin("three", job(0, 100), "a")
    assert table.closed() == [("a", running[0].state)]


def test_a_state_that_was_dropped_while_it_was_fed_is_closed_and_not_known_afterwards() -> None:
    table: StateTable[str] = StateTable(2)
    sent = table.begin("one", job(0, 100), "a")
    table.drop("one")
    again = table.begin("one", job(0, 100), "b")
    table.done("one", sent)
    table.failed("one", sent)
    assert table.closed() == [("a", sent.state)]
    assert (table.place("one", job(0, 100)), table.fed("one", job(0, 100))) == ("b", 0)
    table.done("one", again)
    assert table.fed("one", job(0, 100)) == 100


def test_a_job_with_embeddings_is_sent_whole() -> None:
    table: StateTable[str] = StateTable(2)
    fed(table, "one", job(0, 100), "a")
    assert fed(table, "one", replace(job(0, 200), embed_speakers=True), "a").offset == 0
    assert table.fed("one", job(0, 300)) == 200


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 3), st.booleans()), max_size=40))
def test_no_worker_has_more_states_than_it_may(steps: list[tuple[int, int, int, bool]]) -> None:
    table: StateTable[int] = StateTable(3)
    lengths: dict[tuple[int, int], int] = {}
    known: set[tuple[int, int]] = set()
    for owner, state, place, last in steps:
        length = lengths[owner, state] = lengths.get((owner, state), 0) + 10
        wanted = job(state, length, last=last)
        where = table.place(owner, wanted)
        where = place if where is None else where
        sent = table.begin(owner, wanted, where)
        for closed in table.closed():
            known.remove(closed)
        assert sent.end == length
        assert ((where, sent.state) in known) is (sent.offset > 0)
        known.add((where, sent.state))
        table.done(owner, sent)
        if last:
            known.remove((where, sent.state))
        assert all(table.count(each) == sum(at == each for at, _ in known) <= 3 for each in range(4))
