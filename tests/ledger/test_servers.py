"""Servers that die while requests are open, and the recovery of those requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection

from caesura.ledger import servers
from caesura.ledger.database import Ledger, open_ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.requests import Outcome, RequestRecord, find_request, save_requests
from caesura.ledger.servers import LEASE_S, Server, heartbeat, open_requests, recover, register, unregister
from tests.ledger.rows import NOW, ended, opened

HERE = Server("22222222-0000-4000-8000-00000000000a", "house", 1, 100, NOW)
OTHER = Server("22222222-0000-4000-8000-00000000000b", "house", 2, 200, NOW)
ALIVE = {1: 100, 2: 200}

VICTIM = """
import sys, time
from datetime import UTC, datetime
from caesura.ledger.database import open_ledger
from caesura.ledger.requests import save_requests
from caesura.ledger.servers import register, this_server
from tests.ledger.rows import ended, opened
now = datetime.now(UTC)
ledger = open_ledger(sys.argv[1], now=now)
me = this_server(now)
with ledger.writing() as connection:
    register(connection, me)
    save_requests(connection, [ended(0, server_id=me.server_id), opened(1, server_id=me.server_id)])
print("open", flush=True)
time.sleep(600)
"""


def run(ledger: Ledger, now: datetime, alive: dict[int, int], here: Server = HERE) -> int:
    with ledger.writing() as connection:
        return recover(connection, here=here, now=now, started=alive.get)


def row(ledger: Ledger, number: int = 0) -> RequestRecord:
    with ledger.reading() as connection:
        found = find_request(connection, opened(number).request_id)
    assert found is not None
    return found


@pytest.fixture
def left_open(ledger: Ledger) -> Ledger:
    """Two servers, the other of which has one request open and one done."""

    def write(connection: Connection) -> None:
        register(connection, HERE)
        register(connection, OTHER)
        rows = [
            opened(0, server_id=OTHER.server_id),
            ended(1, server_id=OTHER.server_id),
            opened(2, server_id=HERE.server_id),
        ]
        save_requests(connection, rows)

    with ledger.writing() as connection:
        write(connection)
    return ledger


def test_open_requests_of_a_dead_server_are_marked_as_interrupted(left_open: Ledger) -> None:
    with left_open.writing() as connection:
        heartbeat(connection, OTHER, now=NOW + timedelta(seconds=5))
    assert run(left_open, NOW + timedelta(seconds=6), {1: 100}) == 1
    assert row(left_open, 0) == opened(
        0, server_id=OTHER.server_id, outcome=Outcome.INTERRUPTED, completed=NOW + timedelta(seconds=5)
    )
    assert row(left_open, 1).outcome == Outcome.SUCCEEDED
    assert row(left_open, 2).outcome == Outcome.OPEN


def test_a_process_of_the_same_number_that_began_later_is_another(left_open: Ledger) -> None:
    assert run(left_open, NOW, {1: 100, 2: 201}) == 1


def test_a_living_server_keeps_its_requests_however_long_it_was_not_seen(left_open: Ledger) -> None:
    assert run(left_open, NOW + timedelta(days=1), ALIVE) == 0
    assert row(left_open).outcome == Outcome.OPEN


@pytest.mark.parametrize("other", [replace(OTHER, place="elsewhere"), replace(OTHER, process_started=None)])
def test_a_server_whose_process_cannot_be_seen_is_dead_when_its_lease_is_over(ledger: Ledger, other: Server) -> None:
    with ledger.writing() as connection:
        register(connection, other)
        save_requests(connection, [opened(server_id=other.server_id)])
        heartbeat(connection, other, now=NOW + timedelta(seconds=10))
    over = NOW + timedelta(seconds=10 + LEASE_S)
    assert run(ledger, over, {}) == 0
    assert run(ledger, over + timedelta(milliseconds=1), {}) == 1


def test_a_request_that_began_after_the_last_sign_of_life_ends_no_earlier_than_it_began(left_open: Ledger) -> None:
    with left_open.writing() as connection:
        save_requests(connection, [opened(9, server_id=OTHER.server_id)])
    assert run(left_open, NOW + timedelta(seconds=10), {1: 100}) == 2
    assert row(left_open, 9).completed == row(left_open, 9).created
    assert row(left_open, 9).outcome == Outcome.INTERRUPTED


def test_open_requests_of_an_unregistered_server_are_marked_as_interrupted(left_open: Ledger) -> None:
    with left_open.writing() as connection:
        unregister(connection, OTHER)
    assert run(left_open, NOW, ALIVE) == 1


def test_a_server_wrongly_considered_dead_registers_again_and_writes_the_ends_of_its_requests(
    left_open: Ledger,
) -> None:
    assert run(left_open, NOW, {1: 100}) == 1
    with left_open.writing() as connection:
        heartbeat(connection, OTHER, now=NOW + timedelta(seconds=1))
        save_requests(connection, [ended(0, server_id=OTHER.server_id)])
    assert run(left_open, NOW + timedelta(seconds=2), ALIVE) == 0
    assert row(left_open) == ended(0, server_id=OTHER.server_id)


def test_open_requests_are_counted_over_all_servers_that_live(left_open: Ledger) -> None:
    with left_open.writing() as connection:
        heartbeat(connection, HERE, now=NOW + timedelta(seconds=10))
    with left_open.reading() as connection:
        assert open_requests(connection, now=NOW + timedelta(seconds=LEASE_S)) == {DEFAULT_PROJECT_ID: 2}
        assert open_requests(connection, now=NOW + timedelta(seconds=LEASE_S + 1)) == {DEFAULT_PROJECT_ID: 1}
        assert open_requests(connection, now=NOW + timedelta(seconds=LEASE_S + 11)) == {}


def test_this_process_is_a_server_that_lives() -> None:
    one, other = servers.this_server(NOW), servers.this_server(NOW)
    assert one.server_id != other.server_id
    assert (one.place, one.pid) == (other.place, os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says when a process began")
def test_the_start_of_a_process_distinguishes_it_from_all_others() -> None:
    ours = servers.process_start(os.getpid())
    assert ours is not None
    assert ours != servers.process_start(1)
    assert servers.process_start(2**30) is None


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lease decides, after half a minute")
def test_a_request_of_a_killed_server_is_interrupted_at_the_next_start(location: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (os.getcwd(), *sys.path) if path)}
    victim = subprocess.Popen([sys.executable, "-c", VICTIM, location], stdout=subprocess.PIPE, env=environment)
    with victim, open_ledger(location, now=NOW) as ledger:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"open\n"
        here = servers.this_server(NOW)
        with ledger.writing() as connection:
            assert recover(connection, here=here, now=NOW) == 0
        victim.send_signal(signal.SIGKILL)
        victim.wait(30)
        with ledger.writing() as connection:
            assert recover(connection, here=here, now=NOW) == 1
        assert row(ledger, 0).outcome == Outcome.SUCCEEDED
        assert row(ledger, 1).outcome == Outcome.INTERRUPTED
