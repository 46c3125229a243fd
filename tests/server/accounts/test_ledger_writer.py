"""The ledger writer: when rows are written, which keys are valid, and how a failing database is handled."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from caesura.errors import LedgerError
from caesura.ledger import keys, projects, requests, schema, scopes, servers
from caesura.ledger.balances import add_credit
from caesura.ledger.database import Ledger, open_ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.requests import Outcome, RequestFilter, RequestRecord, find_requests, save_requests
from caesura.server.accounts import ledger_writer as ledger_writer_module
from caesura.server.accounts.ledger_writer import LedgerHealth, LedgerWriter
from tests import postgres
from tests.ledger.fresh import fresh_ledger
from tests.ledger.rows import NOW, ended, opened
from tests.waiting import until

WITHIN_S = 60.0


class Flaky(Ledger):
    """A ledger whose database fails on command."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.error: LedgerError | None = None
        self.refuses: set[str] = set()

    @property
    def where(self) -> str:
        return self._ledger.where

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.error is not None:
            raise self.error
        with self._ledger.writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self.error is not None:
            raise self.error
        with self._ledger.reading() as connection:
            yield connection

    def rows(self) -> dict[str, RequestRecord]:
        """The written rows by id, read also while the database fails."""
        with self._ledger.reading() as connection:
            return {row.request_id: row for row in find_requests(connection, RequestFilter(), limit=1000)}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Flaky]:
    with fresh_ledger(tmp_path / "ledger.db") as opened_ledger:
        yield Flaky(opened_ledger)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer_module, "GATHER_S", 0.001)
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)
    monkeypatch.setattr(ledger_writer_module, "RETRY_S", 0.02)


def run(ledger: Ledger, story: Callable[[LedgerWriter], Awaitable[None]], **options: Any) -> None:
    """Run a story with a ledger writer, from its start to its end."""

    async def whole() -> None:
        writer = LedgerWriter(ledger, **options)
        await writer.start()
        try:
            await asyncio.wait_for(story(writer), WITHIN_S)
        finally:
            await writer.stop()

    asyncio.run(whole())


def make_key(ledger: Ledger, **wanted: Any) -> keys.NewKey:
    defaults: dict[str, Any] = {"project_id": DEFAULT_PROJECT_ID, "now": datetime.now(UTC)}
    with ledger.writing() as connection:
        return keys.create_key(connection, **(defaults | wanted))


def test_starts_and_ends_are_written_without_a_flush(ledger: Flaky) -> None:
    async def story(writer: LedgerWriter) -> None:
        writer.begin_request(opened(server_id=writer.server_id))
        await until(ledger.rows)
        assert ledger.rows()[opened().request_id].outcome is Outcome.OPEN
        writer.end_request(ended(server_id=writer.server_id))
        await until(lambda: ledger.rows()[opened().request_id].outcome is Outcome.SUCCEEDED)
        await until(lambda: writer.health == LedgerHealth(True, 0, 0))

    run(ledger, story)


def test_the_end_is_written_with_its_price(ledger: Flaky) -> None:
    async def story(writer: LedgerWriter) -> None:
        writer.end_request(ended(usd=0.0, saved_usd=0.0))
        assert await writer.flush()

    run(ledger, story)
    (row,) = ledger.rows().values()
    assert (row.usd, row.saved_usd) == (pytest.approx(0.0024), pytest.approx(0.0016))


def test_stopping_writes_what_waits_and_signs_off(ledger: Flaky) -> None:
    async def story(writer: LedgerWriter) -> None:
        writer.end_request(ended())

    run(ledger, story)
    assert len(ledger.rows()) == 1
    with ledger.reading() as connection:
        assert connection.execute(schema.servers.select()).all() == []


def test_stopping_twice_or_without_a_start_is_allowed(ledger: Flaky) -> None:
    async def whole() -> None:
        writer = LedgerWriter(ledger)
        await writer.stop()
        writer = LedgerWriter(ledger)
        await writer.start()
        await writer.stop()
        await writer.stop()

    asyncio.run(whole())


def test_a_start_closes_what_a_dead_server_left_open(ledger: Flaky, caplog: pytest.LogCaptureFixture) -> None:
    with ledger.writing() as connection:
        save_requests(connection, [opened()])

    async def story(_: LedgerWriter) -> None:
        assert ledger.rows()[opened().request_id].outcome is Outcome.INTERRUPTED

    run(ledger, story)
    assert "1 requests were open when their server died" in caplog.text


def test_a_database_that_fails_stops_no_stream_and_loses_no_row(
    ledger: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_key(ledger)

    async def story(writer: LedgerWriter) -> None:
        ledger.error = LedgerError("the disk is full")
        writer.begin_request(opened(0))
        writer.end_request(ended(1))
        await until(lambda: not writer.health.reachable)
        writer.begin_request(opened(2))
        writer.end_request(ended(0))
        assert not await writer.flush()
        assert writer.health == LedgerHealth(reachable=False, waiting=3, lost=0)
        assert writer.verify(made.secret) is not None
        assert writer.verify("wrong") is None
        ledger.error = None
        await until(lambda: writer.health == LedgerHealth(True, 0, 0))

    run(ledger, story)
    assert [row.outcome for row in ledger.rows().values()] == [Outcome.OPEN, Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert caplog.text.count("the disk is full; streams go on, their records wait in memory") == 1
    assert "the ledger answers again" in caplog.text


def test_a_row_that_the_database_will_not_have_takes_no_other_with_it(
    ledger: Flaky, caplog: pytest.LogCaptureFixture
) -> None:
    async def story(writer: LedgerWriter) -> None:
        writer.end_request(ended(0))
        writer.end_request(ended(1, project_id="nobody"))
        writer.end_request(ended(2))
        assert await writer.flush()
        assert writer.health == LedgerHealth(True, 0, 1)

    run(ledger, story)
    assert set(ledger.rows()) == {ended(0).request_id, ended(2).request_id}
    assert f"{ended(1).request_id}: its record is lost" in caplog.text


@pytest.mark.parametrize("end", ["fails", "stops"])
def test_rows_wait_if_the_database_fails_while_a_bad_row_is_searched(
    ledger: Flaky, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    save = requests.save_requests
    looked_for: list[RequestRecord] = []

    def leaving(connection: Connection, batch: list[RequestRecord]) -> None:
        if len(batch) > 1:
            raise LedgerError("one of them is bad", transient=False)
        looked_for.extend(batch)
        if len(looked_for) == 2:
            raise LedgerError("away") if end == "fails" else asyncio.CancelledError
        save(connection, batch)

    async def story(writer: LedgerWriter) -> None:
        monkeypatch.setattr(ledger_writer_module, "save_requests", leaving)
        for number in range(3):
            writer.end_request(ended(number))
        with contextlib.suppress(asyncio.CancelledError):
            assert not await writer.flush()
        assert (writer.health.waiting, writer.health.lost) == (2, 0)
        monkeypatch.setattr(ledger_writer_module, "save_requests", save)
        assert await writer.flush()

    run(ledger, story)
    assert set(ledger.rows()) == {ended(number).request_id for number in range(3)}


def test_no_more_rows_wait_than_there_is_room_for(
    ledger: Flaky, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_writer_module, "MAX_WAITING", 2)

    async def story(writer: LedgerWriter) -> None:
        ledger.error = LedgerError("away")
        for number in range(3):
            writer.end_request(ended(number))
            writer.begin_request(opened(10 + number))
        assert writer.health.waiting == 4
        assert writer.health.lost == 1
        ledger.error = None
        assert await writer.flush()

    run(ledger, story)
    assert {int(each[-12:]) for each in ledger.rows()} == {1, 2, 11, 12}
    assert f"{ended(0).request_id}: its record is lost: too many records wait" in caplog.text


def test_a_stop_while_the_database_is_down_logs_what_is_lost_and_does_not_hang(
    ledger: Flaky, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_writer_module, "STOP_S", 0.1)

    async def story(writer: LedgerWriter) -> None:
        ledger.error = LedgerError("away")
        writer.end_request(ended())

    run(ledger, story)
    assert f"{ended().request_id}: its record is lost: the server stops" in caplog.text


def test_the_loop_does_not_wait_for_the_database(ledger: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    real = requests.save_requests

    def slow(connection: Connection, batch: list[RequestRecord]) -> None:
        go_on.wait(WITHIN_S)
        real(connection, batch)

    monkeypatch.setattr(ledger_writer_module, "save_requests", slow)

    async def story(writer: LedgerWriter) -> None:
        writer.end_request(ended(0))
        flushing = asyncio.create_task(writer.flush())
        await asyncio.sleep(0)
        writer.end_request(ended(1))
        assert writer.verify(None) is not None
        assert not flushing.done()
        go_on.set()
        assert await flushing

    run(ledger, story)
    assert len(ledger.rows()) == 2


def test_a_mistake_of_our_own_is_reported_and_ends_nothing(
    ledger: Flaky, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:

        async def story(writer: LedgerWriter) -> None:
            broken.setattr(ledger_writer_module, "save_requests", lambda *_: 1 / 0)
            writer.begin_request(opened())
            await until(lambda: "writing the ledger failed" in caplog.text)
            broken.undo()
            writer.end_request(ended())
            await until(ledger.rows)

        run(ledger, story)


# ---- access ----


def test_keys_are_required_once_another_process_created_one(ledger: Flaky) -> None:
    async def story(writer: LedgerWriter) -> None:
        assert not writer.key_required
        assert writer.verify(None) is not None
        made = make_key(ledger)
        await until(lambda: writer.key_required)
        assert writer.verify(None) is None
        access = writer.verify(made.secret)
        assert access is not None
        assert access.may(scopes.LISTEN)

    run(ledger, story)


def test_a_key_revoked_elsewhere_is_reported_once_and_is_refused(ledger: Flaky) -> None:
    made, other = make_key(ledger), make_key(ledger)
    told: list[str] = []

    async def story(writer: LedgerWriter) -> None:
        with ledger.writing() as connection:
            keys.revoke_key(connection, made.key.api_key_id, now=datetime.now(UTC))
        await until(lambda: told)
        assert writer.verify(made.secret) is None
        assert writer.verify(other.secret) is not None
        make_key(ledger)
        await writer.refresh()

    run(ledger, story, on_revoked=told.append)
    assert told == [made.key.api_key_id]


def test_what_a_route_writes_is_obeyed_at_once_and_reported_once(
    ledger: Flaky, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 600)
    told: list[str] = []

    async def story(writer: LedgerWriter) -> None:
        now = datetime.now(UTC)
        made = await writer.write(lambda each: keys.create_key(each, project_id=DEFAULT_PROJECT_ID, now=now))
        assert writer.verify(made.secret) is not None
        assert await writer.read(lambda each: keys.find_key(each, made.key.api_key_id)) is not None
        await writer.write(lambda each: keys.revoke_key(each, made.key.api_key_id, now=now))
        assert writer.verify(made.secret) is None
        assert told == [made.key.api_key_id]

    run(ledger, story, on_revoked=told.append)
    assert len(told) == 1


def test_two_concurrent_refreshes_report_a_revoked_key_once(ledger: Flaky) -> None:
    made = make_key(ledger)
    told: list[str] = []

    async def story(writer: LedgerWriter) -> None:
        with ledger.writing() as connection:
            keys.revoke_key(connection, made.key.api_key_id, now=datetime.now(UTC))
        await asyncio.gather(writer.refresh(), writer.refresh(), writer.refresh())

    run(ledger, story, on_revoked=told.append)
    assert told == [made.key.api_key_id]


def test_a_token_is_granted_and_accepted(ledger: Flaky) -> None:
    made = make_key(ledger)

    async def story(writer: LedgerWriter) -> None:
        access = writer.verify(made.secret)
        assert access is not None
        token = writer.grant_token(access, 30)
        through = writer.verify(token.access_token)
        assert through is not None
        assert through.api_key_id == made.key.api_key_id

    run(ledger, story)


def test_keys_given_by_flag_are_accepted(ledger: Flaky) -> None:
    async def story(writer: LedgerWriter) -> None:
        assert writer.key_required
        assert writer.verify("secret") is not None
        assert writer.verify(None) is None

    run(ledger, story, flag_keys=["secret"])


def test_a_project_has_room_until_its_limit_and_again_when_one_ends(ledger: Flaky) -> None:
    with ledger.writing() as connection:
        projects.limit_project(connection, DEFAULT_PROJECT_ID, 2)

    async def story(writer: LedgerWriter) -> None:
        writer.begin_request(opened(0))
        writer.begin_request(opened(0))
        assert writer.has_capacity(DEFAULT_PROJECT_ID)
        writer.begin_request(opened(1))
        assert not writer.has_capacity(DEFAULT_PROJECT_ID)
        assert writer.open_requests(DEFAULT_PROJECT_ID) == 2
        assert writer.has_capacity("another")
        writer.end_request(ended(0))
        writer.end_request(ended(0))
        assert writer.has_capacity(DEFAULT_PROJECT_ID)
        assert writer.open_requests(DEFAULT_PROJECT_ID) == 1

    run(ledger, story)


def test_a_project_without_credit_is_known_at_the_next_poll(ledger: Flaky) -> None:
    with ledger.writing() as connection:
        add_credit(connection, DEFAULT_PROJECT_ID, 0.001, now=NOW)

    async def story(writer: LedgerWriter) -> None:
        writer.end_request(ended())
        assert await writer.flush()
        assert writer.has_credit(DEFAULT_PROJECT_ID)
        with ledger.writing() as connection:
            projects.obey_credits(connection, DEFAULT_PROJECT_ID, True)
        await until(lambda: not writer.has_credit(DEFAULT_PROJECT_ID))
        with ledger.writing() as connection:
            add_credit(connection, DEFAULT_PROJECT_ID, 1, now=NOW)
        await until(lambda: writer.has_credit(DEFAULT_PROJECT_ID))
        writer.end_request(ended(1, billed_seconds=60_000.0))
        await until(lambda: not writer.has_credit(DEFAULT_PROJECT_ID))
        assert writer.has_credit("nobody")

    run(ledger, story)


def test_a_server_sends_heartbeats(ledger: Flaky, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(servers, "HEARTBEAT_S", 0.0)

    async def story(writer: LedgerWriter) -> None:
        with ledger.reading() as connection:
            before = connection.execute(schema.servers.select()).one()
        assert before.server_id == writer.server_id

        def later() -> bool:
            with ledger.reading() as connection:
                return bool(connection.execute(schema.servers.select()).one().seen > before.seen)

        await until(later)

    run(ledger, story)


@pytest.mark.slow
@pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL is not installed")
def test_every_row_is_written_after_postgresql_crashed_and_restarted(caplog: pytest.LogCaptureFixture) -> None:
    with postgres.running() as server, open_ledger(server.url, now=NOW) as opened_ledger:
        away = Flaky(opened_ledger)
        made = make_key(away)

        async def story(writer: LedgerWriter) -> None:
            writer.begin_request(opened(0))
            assert await writer.flush()
            await asyncio.to_thread(server.stop)
            writer.end_request(ended(0))
            writer.end_request(ended(1))
            await until(lambda: not writer.health.reachable)
            assert writer.verify(made.secret) is not None
            await asyncio.to_thread(server.start)
            await until(lambda: writer.health == LedgerHealth(True, 0, 0))

        run(away, story)
        assert [row.outcome for row in away.rows().values()] == [Outcome.SUCCEEDED, Outcome.SUCCEEDED]
    assert "streams go on" in caplog.text


SERVER = """
import asyncio, sys
from datetime import UTC, datetime
from caesura.ledger.database import open_ledger
from caesura.server.accounts.ledger_writer import LedgerWriter
from tests.ledger.fresh import fresh_ledger
from tests.ledger.rows import ended, opened

async def main():
    writer = LedgerWriter(open_ledger(sys.argv[1], now=datetime.now(UTC)))
    await writer.start()
    writer.end_request(ended(0, server_id=writer.server_id))
    writer.begin_request(opened(1, server_id=writer.server_id))
    assert await writer.flush()
    print("open", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lease decides, after half a minute")
def test_a_killed_server_loses_only_open_requests_which_the_next_start_marks(
    ledger: Flaky, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (os.getcwd(), *sys.path) if path)}
    command = [sys.executable, "-c", SERVER, str(tmp_path / "ledger.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"open\n"
        victim.send_signal(signal.SIGKILL)

    async def story(_: LedgerWriter) -> None:
        rows = ledger.rows()
        assert rows[ended(0).request_id].outcome is Outcome.SUCCEEDED
        assert rows[opened(1).request_id].outcome is Outcome.INTERRUPTED

    run(ledger, story)
