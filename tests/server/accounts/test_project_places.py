"""Places of projects on one server: granted by the ledger, given back once, and judged alone while that fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from caesura.errors import LedgerError
from caesura.ledger import schema, servers
from caesura.ledger.database import Ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID, create_project, limit_project
from caesura.ledger.servers import Server
from caesura.server.accounts import project_places
from caesura.server.accounts.project_places import ProjectPlaces, may_hold
from tests.ledger.fresh import fresh_ledger
from tests.waiting import until

WITHIN_S = 60.0


class Gate(Ledger):
    """A ledger whose write transactions wait, or fail, on command."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.opened = threading.Event()
        self.opened.set()
        self.error: LedgerError | None = None
        self.entered = 0
        """Number of write transactions that have begun."""

    @property
    def where(self) -> str:
        return self._ledger.where

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        self.entered += 1
        self.opened.wait(WITHIN_S)
        if self.error is not None:
            raise self.error
        with self._ledger.writing() as connection:
            yield connection


class House:
    """A ledger, the limits that a server knows, and two servers that share them."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.gate = Gate(ledger)
        self.limits: dict[str, int] = {}
        self.here = ProjectPlaces(self.gate, self.server(1), limit_of=self.limits.get, clock=_now)
        self.there = ProjectPlaces(ledger, self.server(2), limit_of=self.limits.get, clock=_now)

    def server(self, number: int) -> Server:
        server = Server(f"22222222-0000-4000-8000-00000000000{number}", "house", number, None, _now())
        with self.ledger.writing() as connection:
            servers.register(connection, server)
        return server

    def limit(self, limit: int | None, project_id: str = DEFAULT_PROJECT_ID) -> None:
        with self.ledger.writing() as connection:
            limit_project(connection, project_id, limit)
        self.limits.pop(project_id, None)
        if limit is not None:
            self.limits[project_id] = limit

    def places(self) -> list[int]:
        """The places that are taken, by server and project."""
        with self.ledger.reading() as connection:
            rows = connection.execute(select(schema.places).order_by(schema.places.c.server_id)).all()
        return [row.live for row in rows]

    async def come(self, places: ProjectPlaces, *names: str) -> int:
        """How many of these requests, which come at once, get a place."""
        return sum(await asyncio.gather(*(places.reserve(name, DEFAULT_PROJECT_ID) for name in names)))


def _now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with fresh_ledger(tmp_path / "ledger.db") as opened:
        yield House(opened)


def run(house: House, story: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        try:
            await asyncio.wait_for(story(), WITHIN_S)
        finally:
            house.gate.opened.set()
            for places in (house.here, house.there):
                await places.stop()
                places.close()

    asyncio.run(whole())


def names(prefix: str, count: int) -> list[str]:
    return [f"{prefix}{number}" for number in range(count)]


def test_requests_that_come_at_once_on_two_servers_share_the_limit(house: House) -> None:
    house.limit(10)

    async def story() -> None:
        granted = await asyncio.gather(
            house.come(house.here, *names("a", 100)), house.come(house.there, *names("b", 100))
        )
        assert sum(granted) == 10
        assert [house.here.count(DEFAULT_PROJECT_ID), house.there.count(DEFAULT_PROJECT_ID)] == granted
        assert sum(house.places()) == 10
        assert house.here.judged_alone == house.there.judged_alone == 0

    run(house, story)


def test_a_crowd_costs_few_transactions(house: House) -> None:
    house.limit(50)

    async def story() -> None:
        assert await house.come(house.here, *names("a", 100)) == 50
        assert house.gate.entered == 1
        assert await house.come(house.here, "late") == 0
        assert house.gate.entered == 1, "its own requests alone reach the limit"

    run(house, story)


def test_a_place_is_given_back_once_however_often_it_is_released(house: House) -> None:
    house.limit(2)

    async def story() -> None:
        assert await house.come(house.here, "one", "two") == 2
        house.here.hold("one", DEFAULT_PROJECT_ID)
        for _ in range(3):
            house.here.release("one")
            house.here.release("nobody")
        house.here.give_back()
        await until(lambda: house.places() == [1])
        assert await house.come(house.there, "three", "four") == 1

    run(house, story)


def test_a_project_without_a_limit_never_asks_the_ledger(house: House) -> None:
    async def story() -> None:
        for name in names("a", 20):
            assert await house.here.reserve(name, DEFAULT_PROJECT_ID)
            house.here.hold(name, DEFAULT_PROJECT_ID)
        house.here.recheck()
        house.here.give_back()
        for name in names("a", 20):
            house.here.release(name)
        house.here.give_back()
        assert house.gate.entered == 0

    run(house, story)


def test_streams_count_that_were_open_before_their_project_was_given_a_limit(house: House) -> None:
    async def story() -> None:
        for name in names("a", 3):
            house.here.hold(name, DEFAULT_PROJECT_ID)
        house.limit(4)
        house.here.recheck()
        house.here.give_back()
        await until(lambda: house.places() == [3])
        assert await house.come(house.there, "four", "five") == 1
        house.limit(None)
        for places in (house.here, house.there):
            places.recheck()
            places.give_back()
        await until(lambda: house.places() == [])

    run(house, story)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_request_that_is_cancelled_while_it_waits_leaves_no_place(house: House, when: str) -> None:
    """The transaction that it waits for has begun; it ends after, or just before, the request is cancelled."""
    house.limit(1)

    async def story() -> None:
        house.gate.opened.clear()
        waiting = asyncio.create_task(house.here.reserve("gone", DEFAULT_PROJECT_ID))
        await until(lambda: house.gate.entered == 1)
        if when == "before":
            waiting.cancel()
            house.gate.opened.set()
        else:
            house.gate.opened.set()
            await until(lambda: house.here.count(DEFAULT_PROJECT_ID) or waiting.done())
            waiting.cancel()
        outcome = (await asyncio.gather(waiting, return_exceptions=True))[0]
        if outcome is True:
            house.here.release("gone")
        house.here.give_back()
        await until(lambda: not house.here.settling)
        assert (house.places(), house.here.count(DEFAULT_PROJECT_ID)) == ([], 0)
        assert await house.come(house.there, "next") == 1

    run(house, story)


def test_while_the_ledger_does_not_answer_the_last_known_counts_decide(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A limit of 10, of which the other server has 4: this one may have 6."""
    house.limit(10)

    async def story() -> None:
        assert await house.come(house.there, *names("b", 4)) == 4
        assert await house.come(house.here, *names("a", 3)) == 3
        monkeypatch.setattr(project_places, "ANSWER_S", 0.02)
        house.gate.opened.clear()
        assert await house.come(house.here, *names("c", 9)) == 3
        before = house.gate.entered
        house.here.release("a0")
        assert await house.come(house.here, "d0", "d1") == 1, "a place of its own is free again"
        assert house.here.judged_alone == 11
        assert house.gate.entered == before, "the transaction under way shows that it would not be answered"
        house.gate.opened.set()
        await until(lambda: house.places() == [6, 4])
        monkeypatch.setattr(project_places, "ANSWER_S", WITHIN_S)
        assert await house.come(house.there, "late") == 0

    run(house, story)
    assert caplog.text.count("did not answer within 0.02 s; limits of projects are judged by what was known last") == 1
    assert "limits of projects are shared with other servers again" in caplog.text


def test_a_server_that_never_knew_the_others_admits_its_even_share(house: House) -> None:
    house.limit(10)

    async def story() -> None:
        house.gate.error = LedgerError("the disk is full")
        house.here.servers = 3
        assert await house.come(house.here, *names("a", 9)) == 4
        house.gate.error = None
        house.here.give_back()
        await until(lambda: house.places() == [4])
        assert await house.come(house.there, *names("b", 9)) == 6

    run(house, story)


def test_a_mistake_of_our_own_lets_nobody_wait(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    house.limit(2)
    monkeypatch.setattr(project_places, "settle", broken)

    async def story() -> None:
        assert await house.come(house.here, *names("a", 5)) == 2

    run(house, story)
    assert "reserving places failed" in caplog.text


def test_a_server_wrongly_considered_dead_takes_all_its_places_again(house: House) -> None:
    house.limit(5)
    with house.ledger.writing() as connection:
        other = create_project(connection, "other", now=_now(), concurrency_limit=7).project_id
    house.limits[other] = 7

    async def story() -> None:
        assert await house.come(house.here, "one") == 1
        assert await house.here.reserve("two", other)
        with house.ledger.writing() as connection:
            connection.execute(schema.places.delete())
            connection.execute(schema.servers.delete().where(schema.servers.c.pid == 1))
        assert await house.here.reserve("three", other)
        await until(lambda: sorted(house.places()) == [1, 2])

    run(house, story)


@pytest.mark.parametrize(
    ("limit", "own", "others", "count", "may"),
    [
        (10, 5, 4, 2, True),
        (10, 6, 4, 2, False),
        (10, 4, 10, 2, True),
        (10, 5, 10, 2, False),
        (10, 3, None, 3, True),
        (10, 4, None, 3, False),
        (10, 9, None, 1, True),
        (10, 10, None, 1, False),
        (1, 0, 1, 4, True),
        (1, 1, 0, 4, False),
    ],
)
def test_what_a_server_may_hold_alone(limit: int, own: int, others: int | None, count: int, may: bool) -> None:
    """Up to the limit with what the others had, and its even share whatever they had."""
    assert may_hold(limit, own, others=others, servers=count) is may
