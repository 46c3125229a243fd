"""Two servers on one ledger: limits of projects count over both, and a revoked key is out on both."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from socket import SO_LINGER, SOL_SOCKET

import httpx2
import pytest
from sqlalchemy import Connection, func, select
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from caesura.ledger import keys, projects, schema, servers
from caesura.ledger.database import Ledger, open_ledger
from caesura.server.accounts import ledger_writer as ledger_writer_module
from caesura.server.accounts import project_places
from caesura.server.accounts.ledger_writer import LedgerWriter
from caesura.server.settings import Settings
from tests import postgres
from tests.in_process_server import InProcessServer, in_process_server
from tests.live_client import live_client
from tests.server.scenes import LINEAR, refusal
from tests.waiting import WITHIN_S, until

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)
    monkeypatch.setattr(ledger_writer_module, "GATHER_S", 0.001)
    monkeypatch.setattr(ledger_writer_module, "RETRY_S", 0.02)


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The database may take as long as it takes on a busy machine."""
    monkeypatch.setattr(project_places, "ANSWER_S", WITHIN_S)


@pytest.fixture(params=["sqlite", "postgresql"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return postgres.new_database(request.getfixturevalue("postgres_url"))


class Shared:
    """A ledger that two servers share, with one key of a project that has a limit."""

    def __init__(self, ledger: Ledger, limit: int | None) -> None:
        self.ledger = ledger
        now = datetime.now(UTC)
        with ledger.writing() as connection:
            self.project_id = projects.create_project(connection, "small", now=now, concurrency_limit=limit).project_id
            self.key = keys.create_key(connection, project_id=self.project_id, now=now)

    def read(self, work: Callable[[Connection], int]) -> int:
        with self.ledger.reading() as connection:
            return work(connection)

    @property
    def places(self) -> int:
        """Places that all servers have taken of the project."""
        return self.read(lambda connection: connection.scalar(select(func.sum(schema.places.c.live))) or 0)

    @property
    def open(self) -> int:
        """Open requests that `caesura projects list` shows."""
        now = datetime.now(UTC)
        return self.read(lambda connection: servers.open_requests(connection, now=now).get(self.project_id, 0))

    async def come(self, server: InProcessServer, count: int, lines: AsyncExitStack) -> int:
        """How many of so many streams that come at once are admitted; they stay open."""

        async def one() -> ClientConnection | int:
            headers = {"Authorization": f"Token {self.key.secret}"}
            try:
                return await connect(server.url, additional_headers=headers, open_timeout=WITHIN_S)
            except InvalidStatus as error:
                return error.response.status_code

        came = await asyncio.gather(*(one() for _ in range(count)))
        admitted = [line for line in came if not isinstance(line, int)]
        assert [status for status in came if isinstance(status, int)] == [429] * (count - len(admitted))
        for line in admitted:
            lines.push_async_callback(line.close)
        return len(admitted)


Story = Callable[[Shared, InProcessServer, InProcessServer], Awaitable[None]]


def two_servers(location: str, story: Story, *, limit: int | None) -> None:
    """Run a story with two servers on the ledger at `location`; when they have stopped, they have left no place."""
    with open_ledger(location, now=datetime.now(UTC)) as ledger:
        shared = Shared(ledger, limit)

        async def main() -> None:
            settings = Settings(engines=("scripted",), workers=1, database=location)
            async with in_process_server(settings) as one, in_process_server(settings) as other:
                await asyncio.wait_for(story(shared, one, other), 2 * WITHIN_S)

        asyncio.run(main())
        assert shared.places == 0


@pytest.mark.usefixtures("_patient")
def test_of_200_streams_at_once_on_two_servers_as_many_as_the_limit_are_admitted(location: str) -> None:
    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        for _ in range(2):
            async with AsyncExitStack() as lines:
                admitted = await asyncio.gather(shared.come(one, 100, lines), shared.come(other, 100, lines))
                assert sum(admitted) == 10
                assert shared.places == 10
                await until(lambda: shared.open == 10)
            # Each gives its place back once.
            await until(lambda: shared.places == 0)
            await until(lambda: shared.open == 0)

    two_servers(location, story, limit=10)


@pytest.mark.usefixtures("_patient")
def test_a_recording_takes_a_place_on_all_servers(location: str) -> None:
    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        headers = {"Authorization": f"Token {shared.key.secret}", "Content-Type": "audio/wav"}
        async with httpx2.AsyncClient(base_url=other.http, headers=headers) as client:
            async with live_client(one.url, key=shared.key.secret, **LINEAR):
                assert (await client.post("/v1/listen", content=b"RIFF")).status_code == 429
            await until(lambda: shared.places == 0)
            for _ in range(3):
                assert (await client.post("/v1/listen", content=b"RIFF")).status_code == 400
                await until(lambda: shared.places == 0)
                await until(lambda: not other.service.ledger_writer.open_requests(shared.project_id))

    two_servers(location, story, limit=1)


def test_a_key_that_is_revoked_is_out_on_all_servers(location: str) -> None:
    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        key = shared.key.secret
        async with (
            live_client(one.url, key=key, **LINEAR) as first,
            live_client(other.url, key=key, **LINEAR) as second,
        ):
            with shared.ledger.writing() as connection:
                assert keys.revoke_key(connection, shared.key.key.api_key_id, now=datetime.now(UTC))
            await asyncio.wait_for(asyncio.gather(first.listen(), second.listen()), WITHIN_S)
            assert first.closed_with == second.closed_with == (1008, "The API key was revoked.")
            for server in (one, other):
                assert (await refusal(server.url, key=key))[0] == 401

    two_servers(location, story, limit=None)


@contextmanager
def _locked(ledger: Ledger) -> Iterator[None]:
    """While this lasts, nobody else writes to the file, or to the projects."""
    with ledger.writing() as connection:
        connection.execute(schema.projects.update().values(name=schema.projects.c.name))
        yield


def test_while_the_database_is_blocked_the_last_known_counts_decide(location: str) -> None:
    """The limit is 10. One server has 5 and knows of 3 at the other, which has 3 and knows of 4."""

    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        async with AsyncExitStack() as lines:
            with pytest.MonkeyPatch.context() as patient:
                patient.setattr(project_places, "ANSWER_S", WITHIN_S)
                assert await shared.come(one, 4, lines) == 4
                assert await shared.come(other, 3, lines) == 3
                assert await shared.come(one, 1, lines) == 1
            with _locked(shared.ledger):
                assert await shared.come(one, 9, lines) == 2
                assert await shared.come(other, 9, lines) == 3
                text = one.service.metrics.render()[0].decode()
                assert "caesura_limits_judged_alone_total 9.0" in text
            await until(lambda: shared.places == 13)

    two_servers(location, story, limit=10)


@asynccontextmanager
async def _stopped(server: postgres.Postgres) -> AsyncIterator[None]:
    await asyncio.to_thread(server.stop)
    try:
        yield
    finally:
        await asyncio.to_thread(server.start)


@pytest.mark.skipif(postgres.programs() is None, reason="PostgreSQL is not installed")
def test_while_postgresql_is_stopped_the_last_known_counts_decide() -> None:
    """The limit is 5. One server has 3 and knows of 1 at the other, which has 1 and knows of 2."""
    with postgres.running() as database:

        async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
            async with AsyncExitStack() as lines:
                with pytest.MonkeyPatch.context() as patient:
                    patient.setattr(project_places, "ANSWER_S", WITHIN_S)
                    assert await shared.come(one, 2, lines) == 2
                    assert await shared.come(other, 1, lines) == 1
                    assert await shared.come(one, 1, lines) == 1
                async with _stopped(database):
                    assert await shared.come(one, 9, lines) == 1
                    assert await shared.come(other, 9, lines) == 2
                await until(lambda: one.service.ledger_writer.health.reachable)
                await until(lambda: other.service.ledger_writer.health.reachable)
                await until(lambda: shared.places == 7)
                with pytest.MonkeyPatch.context() as patient:
                    patient.setattr(project_places, "ANSWER_S", WITHIN_S)
                    assert await shared.come(one, 1, lines) == 0

        two_servers(database.url, story, limit=5)


async def _ask(server: InProcessServer, key: str) -> asyncio.StreamWriter:
    """Send an upgrade, and read no answer."""
    _, writer = await asyncio.open_connection(*server.address)
    writer.write(
        b"GET /v1/listen HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        b"Authorization: Token " + key.encode() + b"\r\n\r\n"
    )
    await writer.drain()
    return writer


@pytest.mark.usefixtures("_patient")
def test_a_client_that_vanishes_while_its_place_is_taken_leaves_none(location: str) -> None:
    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        with _locked(shared.ledger):
            for _ in range(5):
                writer = await _ask(one, shared.key.secret)
                raw = writer.get_extra_info("socket")
                raw.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            await until(lambda: one.service.ledger_writer.settling_places)
        await until(lambda: not one.service.ledger_writer.settling_places)
        await until(lambda: not one.service.live and not one.service.ledger_writer.open_requests(shared.project_id))
        await until(lambda: shared.places == 0)
        async with AsyncExitStack() as lines:
            assert await shared.come(other, 3, lines) == 2

    two_servers(location, story, limit=2)


@pytest.mark.usefixtures("_patient")
def test_a_stream_that_waits_for_its_place_when_the_server_stops_gets_503(location: str) -> None:
    async def story(shared: Shared, one: InProcessServer, other: InProcessServer) -> None:
        with _locked(shared.ledger):
            waiting = asyncio.create_task(refusal(one.url, key=shared.key.secret))
            await until(lambda: one.service.ledger_writer.settling_places)
            one.service.refuse_requests()
        assert (await waiting)[0] == 503
        await until(lambda: shared.places == 0)

    two_servers(location, story, limit=2)


VICTIM = """
import asyncio, sys
from datetime import UTC, datetime
from caesura.ledger.database import open_ledger
from caesura.server.accounts import project_places
from caesura.server.accounts.ledger_writer import LedgerWriter

project_places.ANSWER_S = 60.0

async def main():
    writer = LedgerWriter(open_ledger(sys.argv[1], now=datetime.now(UTC)))
    await writer.start()
    for number in range(10):
        assert await writer.reserve(str(number), sys.argv[2])
    print("full", flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


@pytest.mark.usefixtures("_patient")
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the lease decides, after half a minute")
def test_the_places_of_a_killed_server_are_free_once_another_recovers_it(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (os.getcwd(), *sys.path) if path)}

    async def story(shared: Shared, writer: LedgerWriter, victim: subprocess.Popen[bytes]) -> None:
        assert victim.stdout is not None
        assert await asyncio.to_thread(victim.stdout.readline) == b"full\n"
        assert not await writer.reserve("first", shared.project_id)
        victim.send_signal(signal.SIGKILL)
        await asyncio.to_thread(victim.wait, WITHIN_S)
        assert shared.places == 10
        monkeypatch.setattr(servers, "HEARTBEAT_S", 0.0)
        await until(lambda: shared.places == 0)
        for number in range(11):
            assert await writer.reserve(str(number), shared.project_id) is (number < 10)

    async def main(shared: Shared, victim: subprocess.Popen[bytes]) -> None:
        writer = LedgerWriter(shared.ledger)
        await writer.start()
        try:
            await asyncio.wait_for(story(shared, writer, victim), 2 * WITHIN_S)
        finally:
            await writer.stop()

    with open_ledger(location, now=datetime.now(UTC)) as ledger:
        shared = Shared(ledger, 10)
        command = [sys.executable, "-c", VICTIM, location, shared.project_id]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as victim:
            try:
                asyncio.run(main(shared, victim))
            finally:
                victim.kill()
