"""Places of projects: what several servers are granted together, whatever order they come and die in."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from caesura.ledger import schema
from caesura.ledger.database import Ledger
from caesura.ledger.places import Claim, Settlement, Share, settle
from caesura.ledger.projects import DEFAULT_PROJECT_ID, create_project, limit_project
from caesura.ledger.servers import LEASE_S, Server, count_live, heartbeat, recover, register, unregister
from tests.example_count import examples
from tests.ledger.fresh import fresh_ledger
from tests.ledger.rows import NOW

ONE, TWO, THREE = (
    Server(f"22222222-0000-4000-8000-00000000000{number}", f"house {number}", number, None, NOW) for number in range(3)
)
LATER = NOW + timedelta(seconds=LEASE_S, milliseconds=1)


@pytest.fixture
def shared(ledger: Ledger) -> Ledger:
    """A ledger with two servers, whose default project has a limit of 10."""
    with ledger.writing() as connection:
        register(connection, ONE)
        register(connection, TWO)
        limit_project(connection, DEFAULT_PROJECT_ID, 10)
    return ledger


def claim(
    ledger: Ledger,
    server: Server,
    held: int,
    wanted: int = 0,
    *,
    now: datetime = NOW,
    project: str = DEFAULT_PROJECT_ID,
) -> Settlement:
    with ledger.writing() as connection:
        return settle(connection, server, [Claim(project, held, wanted)], now=now)


def share(ledger: Ledger, server: Server, held: int, wanted: int = 0, *, now: datetime = NOW) -> Share:
    return claim(ledger, server, held, wanted, now=now).shares[DEFAULT_PROJECT_ID]


def rows(ledger: Ledger) -> set[tuple[str, str, int]]:
    with ledger.reading() as connection:
        return {(row.project_id, row.server_id, row.live) for row in connection.execute(select(schema.places))}


def test_two_servers_share_a_limit(shared: Ledger) -> None:
    assert share(shared, ONE, 0, 7) == Share(granted=7, live=7, others=0)
    assert share(shared, TWO, 0, 5) == Share(granted=3, live=3, others=7)
    assert share(shared, ONE, 7, 1) == Share(granted=0, live=7, others=3)
    assert share(shared, TWO, 1) == Share(granted=0, live=1, others=7)
    assert share(shared, ONE, 7, 9) == Share(granted=2, live=9, others=1)
    assert rows(shared) == {(DEFAULT_PROJECT_ID, ONE.server_id, 9), (DEFAULT_PROJECT_ID, TWO.server_id, 1)}


def test_a_server_without_places_has_no_row(shared: Ledger) -> None:
    share(shared, ONE, 0, 1)
    assert len(rows(shared)) == 1
    share(shared, ONE, 0)
    assert rows(shared) == set()


def test_what_is_open_is_kept_even_if_it_is_more_than_the_limit(shared: Ledger) -> None:
    """A limit may be lowered, or set while streams are open."""
    assert share(shared, ONE, 12, 1) == Share(granted=0, live=12, others=0)
    assert share(shared, TWO, 0, 1) == Share(granted=0, live=0, others=12)


def test_a_project_without_a_limit_gets_all_and_leaves_no_row(shared: Ledger) -> None:
    share(shared, ONE, 0, 5)
    with shared.writing() as connection:
        limit_project(connection, DEFAULT_PROJECT_ID, None)
    assert share(shared, ONE, 5, 100) == Share(granted=100, live=0, others=0)
    assert rows(shared) == set()
    assert claim(shared, ONE, 1, 1, project="nobody").shares["nobody"] == Share(1, 0, 0)


def test_projects_do_not_share_with_each_other(shared: Ledger) -> None:
    with shared.writing() as connection:
        other = create_project(connection, "other", now=NOW, concurrency_limit=3).project_id
        both = [Claim(other, 0, 9), Claim(DEFAULT_PROJECT_ID, 0, 9)]
        found = settle(connection, ONE, both, now=NOW)
        assert (found.shares[other].granted, found.shares[DEFAULT_PROJECT_ID].granted) == (3, 9)
        found = settle(connection, TWO, both, now=NOW)
        assert (found.shares[other].granted, found.shares[DEFAULT_PROJECT_ID].granted) == (0, 1)


def test_the_places_of_a_server_do_not_count_once_its_lease_is_over(shared: Ledger) -> None:
    share(shared, ONE, 0, 10)
    assert share(shared, TWO, 0, 1, now=LATER - timedelta(milliseconds=1)).granted == 0
    assert share(shared, TWO, 0, 1, now=LATER) == Share(granted=1, live=1, others=0)


def test_a_server_whose_heartbeat_is_late_counts_as_soon_as_it_claims(shared: Ledger) -> None:
    assert claim(shared, ONE, 4, now=LATER).registered
    assert share(shared, TWO, 0, 9, now=LATER) == Share(granted=6, live=6, others=4)


def test_the_number_of_servers_that_share_is_known(shared: Ledger) -> None:
    assert claim(shared, ONE, 0).servers == 2
    with shared.writing() as connection:
        register(connection, THREE)
        heartbeat(connection, THREE, now=LATER)
        assert count_live(connection, now=LATER) == 1
    assert claim(shared, ONE, 0).servers == 3
    assert claim(shared, ONE, 0, now=LATER).servers == 2


@pytest.mark.parametrize("end", ["dies", "stops"])
def test_the_places_of_a_server_that_is_gone_are_free(shared: Ledger, end: str) -> None:
    share(shared, ONE, 0, 10)
    with shared.writing() as connection:
        if end == "stops":
            unregister(connection, ONE)
        else:
            heartbeat(connection, TWO, now=LATER)
            recover(connection, here=TWO, now=LATER)
    assert rows(shared) == set()
    assert share(shared, TWO, 0, 10, now=LATER).granted == 10


def test_a_server_wrongly_considered_dead_learns_that_its_places_are_gone(shared: Ledger) -> None:
    share(shared, ONE, 0, 4)
    with shared.writing() as connection:
        recover(connection, here=TWO, now=LATER)
        assert heartbeat(connection, TWO, now=LATER)
    found = claim(shared, ONE, 4, now=LATER)
    assert not found.registered
    assert share(shared, TWO, 0, 10, now=LATER) == Share(granted=6, live=6, others=4)
    with shared.writing() as connection:
        assert heartbeat(connection, ONE, now=LATER)


def test_places_that_a_removed_server_wrote_late_are_given_back(shared: Ledger) -> None:
    with shared.writing() as connection:
        row = {"project_id": DEFAULT_PROJECT_ID, "server_id": THREE.server_id, "live": 10}
        connection.execute(schema.places.insert().values(row))
    assert share(shared, ONE, 0, 1).granted == 1
    with shared.writing() as connection:
        recover(connection, here=ONE, now=NOW)
    assert rows(shared) == {(DEFAULT_PROJECT_ID, ONE.server_id, 1)}


def test_servers_that_want_the_last_places_at_once_do_not_both_get_them(shared: Ledger) -> None:
    begin = threading.Barrier(8)

    def take(server: Server) -> int:
        begin.wait(60)
        with shared.writing() as connection:
            return (
                settle(connection, server, [Claim(DEFAULT_PROJECT_ID, 0, 3)], now=NOW)
                .shares[DEFAULT_PROJECT_ID]
                .granted
            )

    crowd = [replace(ONE, server_id=f"22222222-0000-4000-8000-00000000010{number}") for number in range(8)]
    with shared.writing() as connection:
        for server in crowd:
            register(connection, server)
    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(take, crowd))
    assert sum(granted) == 10
    assert sum(live for _, _, live in rows(shared)) == 10


@pytest.fixture(scope="module")
def one_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with fresh_ledger(tmp_path_factory.mktemp("ledger") / "ledger.db") as opened:
        yield opened


STEPS = st.one_of(
    st.tuples(st.just("reserve"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("release"), st.integers(0, 2), st.integers(1, 4)),
    st.tuples(st.just("die"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("recover"), st.integers(0, 2), st.just(0)),
    st.tuples(st.just("pass"), st.just(0), st.sampled_from([1, 29, 30, 31])),
)


@examples(60)
@given(limit=st.integers(1, 6), steps=st.lists(STEPS, max_size=30))
def test_the_sum_never_exceeds_the_limit(one_file: Ledger, limit: int, steps: list[tuple[str, int, int]]) -> None:
    """Over any order of reserving, releasing and dying: a server that died holds nothing, and another follows it."""
    now = NOW
    names = iter(range(1000))
    with one_file.writing() as connection:
        connection.execute(schema.places.delete())
        connection.execute(schema.servers.delete())
        limit_project(connection, DEFAULT_PROJECT_ID, limit)

        def newcomer() -> Server:
            server = Server(f"33333333-0000-4000-8000-{next(names):012}", "elsewhere", 1, None, now)
            register(connection, server)
            return server

        alive = [newcomer() for _ in range(3)]
        held = [0, 0, 0]
        for step, who, amount in steps:
            for server in alive:
                heartbeat(connection, server, now=now)
            match step:
                case "reserve":
                    claims = [Claim(DEFAULT_PROJECT_ID, held[who], amount)]
                    granted = settle(connection, alive[who], claims, now=now).shares[DEFAULT_PROJECT_ID].granted
                    taken = connection.scalar(select(func.sum(schema.places.c.live))) or 0
                    assert granted == amount or taken >= limit
                    held[who] += granted
                case "release":
                    held[who] = max(held[who] - amount, 0)
                    settle(connection, alive[who], [Claim(DEFAULT_PROJECT_ID, held[who])], now=now)
                case "die":
                    alive[who], held[who] = newcomer(), 0
                case "recover":
                    recover(connection, here=alive[who], now=now)
                case _:
                    now += timedelta(seconds=amount)
            assert sum(held) <= limit
