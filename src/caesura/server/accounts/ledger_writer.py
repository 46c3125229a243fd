"""Asynchronous front of the ledger: buffers request records for one writer thread, and checks keys from memory.

The event loop never waits for the database. Records wait in a bounded buffer until the writer thread saves them; keys
are checked against a table in memory, which is loaded again when the ledger's revision changes; `on_revoked` is called
for each key that was revoked.
If the database fails, streams go on: records wait and are written later, and keys are checked against the last table.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from caesura.errors import LedgerError
from caesura.ledger import revision, servers
from caesura.ledger.access import Access, AccessTable, load_access, projects_by_id
from caesura.ledger.database import Ledger
from caesura.ledger.keys import digest
from caesura.ledger.prices import PriceTable, list_prices
from caesura.ledger.requests import RequestRecord, save_requests
from caesura.ledger.tokens import Token
from caesura.server.accounts.project_places import ProjectPlaces

_log = logging.getLogger("caesura.ledger")

Result = TypeVar("Result")

GATHER_S = 0.05
"""Time for which records are collected before they are written in one transaction."""
POLL_S = 0.5
"""Interval at which the revision is read: a key that another process revokes is refused within a second."""
ROUTE_THREADS = 4
"""Most reads and writes of management routes at a time."""
RETRY_S = 1.0
STOP_S = 5.0
"""How long a server that stops tries to write its last records."""
BATCH = 500
MAX_WAITING = 20_000
"""Most records that wait while the database fails: this many of started requests, and as many of ended ones."""


@dataclass(frozen=True, slots=True)
class LedgerHealth:
    """State of the writer, for metrics."""

    reachable: bool
    """Whether the last access to the database succeeded."""
    waiting: int
    """Records not written yet."""
    lost: int
    """Records of ended requests that were given up."""
    judged_alone: int = 0
    """Requests whose project's limit was judged without the database."""


class LedgerWriter:
    """Access to the ledger from the event loop.

    Construct it, call `start` inside a running loop, and `stop` at the end.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        flag_keys: Iterable[str] = (),
        prices: PriceTable | None = None,
        on_revoked: Callable[[str], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._ledger = ledger
        self._flag_keys = tuple(flag_keys)
        self._prices = list_prices() if prices is None else prices
        self._on_revoked = on_revoked
        self._clock = clock
        self._server = servers.this_server(clock())
        self._table: AccessTable | None = None
        self._thread = ThreadPoolExecutor(1, "caesura-ledger")
        self._route_threads = ThreadPoolExecutor(ROUTE_THREADS, "caesura-routes")
        """Threads for management routes only, so that nothing else that blocks delays them."""
        self._begun: dict[str, RequestRecord] = {}
        self._ended: dict[str, RequestRecord] = {}
        self._places = ProjectPlaces(ledger, self._server, limit_of=self._limit_of, clock=clock)
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._reachable = True
        self._lost = 0
        self._last_heartbeat = clock()

    # ---- access ----

    @property
    def server_id(self) -> str:
        """The id of this run of the server, which every record carries."""
        return self._server.server_id

    @property
    def started(self) -> bool:
        """Whether keys and projects have been loaded."""
        return self._table is not None

    @property
    def access(self) -> AccessTable:
        """Keys and projects as last loaded."""
        assert self._table is not None, "start the ledger writer first"
        return self._table

    @property
    def key_required(self) -> bool:
        """Whether every request needs a key."""
        return self.access.key_required

    def verify(self, presented: str | None) -> Access | None:
        """Access of this key or token, from memory; None if it is not valid."""
        return self.access.verify(presented, now=self._clock())

    def grant_token(self, access: Access, ttl_s: int) -> Token:
        """A temporary token for `access`, which must have the scope. Raises UsageError for a bad `ttl_s`."""
        return self.access.grant(access, ttl_s=ttl_s, now=self._clock())

    def is_limited(self, project_id: str) -> bool:
        """Whether requests of the project need a place."""
        return self._limit_of(project_id) is not None

    def has_capacity(self, project_id: str) -> bool:
        """Whether this server alone leaves the project room for one more request; then `reserve` decides."""
        limit = self._limit_of(project_id)
        return limit is None or self.open_requests(project_id) < limit

    async def reserve(self, request_id: str, project_id: str) -> bool:
        """Take a place for a request that is to be admitted, of the limit that all servers share.

        Returns whether there was one, within a quarter of a second. `end_request` or `release` gives it back.
        """
        return await self._places.reserve(request_id, project_id)

    def release(self, request_id: str) -> None:
        """Give back the place of a request that did not begin. Does nothing if it has none."""
        self._places.release(request_id)
        self._wake.set()

    @property
    def settling_places(self) -> bool:
        """Whether places are being reserved or given back."""
        return self._places.settling

    def _limit_of(self, project_id: str) -> int | None:
        project = self.access.projects.get(project_id)
        return None if project is None else project.concurrency_limit

    def has_credit(self, project_id: str) -> bool:
        """Whether the project has credit or needs none, as of the last poll: requests in progress may overdraw it."""
        project = self.access.projects.get(project_id)
        return project is None or project.may_spend

    def open_requests(self, project_id: str) -> int:
        """Requests of the project that are open on this server, or hold a place to begin."""
        return self._places.count(project_id)

    # ---- records ----

    def begin_request(self, record: RequestRecord) -> None:
        """Count a request against its project's concurrency limit, and buffer its record."""
        self._places.hold(record.request_id, record.project_id)
        self._begun[record.request_id] = record
        if len(self._begun) > MAX_WAITING:
            # The record of its end will contain everything that this one contains.
            del self._begun[next(iter(self._begun))]
        self._wake.set()

    def end_request(self, record: RequestRecord) -> RequestRecord:
        """Price and buffer the record of a request that ended, and return it priced.

        It is written even if `begin_request` was not called for it.
        """
        self._places.release(record.request_id)
        self._begun.pop(record.request_id, None)
        priced = self._ended[record.request_id] = self._prices.priced(record)
        if len(self._ended) > MAX_WAITING:
            self._lose(self._ended.pop(next(iter(self._ended))), "too many records wait")
        self._wake.set()
        return priced

    @property
    def health(self) -> LedgerHealth:
        """State of the writer now."""
        waiting = len(self._begun) + len(self._ended)
        return LedgerHealth(self._reachable, waiting, self._lost, self._places.judged_alone)

    async def flush(self) -> bool:
        """Write all buffered records; False when the database failed."""
        while self._begun or self._ended:
            if not await self._write():
                return False
        return True

    async def refresh(self) -> None:
        """Load keys and projects again if they changed; call it after changing them. Raises LedgerError."""
        before = self.access
        table = await self._in_thread(partial(self._read_table, before))
        known = self.access
        if table is before or table.revision < known.revision:
            return
        self._table = table
        self._places.recheck()
        for api_key_id in table.revoked() - known.revoked():
            self._on_revoked(api_key_id)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one read transaction on a route thread. Raises LedgerError, and whatever `work` raises."""

        def reading() -> Result:
            with self._ledger.reading() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._route_threads, reading)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """Run `work` in one write transaction on a route thread, then `refresh`.

        Raises LedgerError, and whatever `work` raises.
        """

        def writing() -> Result:
            with self._ledger.writing() as connection:
                return work(connection)

        made = await asyncio.get_running_loop().run_in_executor(self._route_threads, writing)
        await self.refresh()
        return made

    # ---- start and stop ----

    async def start(self) -> None:
        """Close requests that dead servers left open, load keys, start writing. Raises LedgerError."""
        recovered, self._table, self._places.servers = await self._in_thread(self._register)
        _log_recovered(recovered)
        self._report_flag_keys()
        self._task = asyncio.create_task(self._write_loop())

    def _report_flag_keys(self) -> None:
        """Log which static keys are also in the ledger, since the ledger alone decides whether those are valid."""
        for key in filter(None, (self.access.keys.get(digest(secret)) for secret in self._flag_keys)):
            if key.is_valid(self._clock()):
                _log.info("a static key is key %s of the ledger, which decides whether it is valid", key.api_key_id)
            else:
                _log.warning("a static key is not valid: it is revoked or expired in the ledger (%s)", key.api_key_id)

    async def stop(self) -> None:
        """Write buffered records, unregister this server, and release the threads. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self._finish()
        self._places.close()
        self._thread.shutdown(wait=False)
        self._route_threads.shutdown(wait=False)

    async def _finish(self) -> None:
        with contextlib.suppress(TimeoutError, LedgerError):
            async with asyncio.timeout(STOP_S):
                while not await self.flush():  # noqa: ASYNC110  # a database gives no event when it is back
                    await asyncio.sleep(RETRY_S)
                await self._places.stop()
                await self._in_thread(self._unregister)
        for record in self._ended.values():
            self._lose(record, "the server stops and the database fails")
        self._ended.clear()

    async def _write_loop(self) -> None:
        """Write records as they arrive, and poll the ledger every `POLL_S`, until cancelled."""
        loop = asyncio.get_running_loop()
        poll_at = loop.time() + POLL_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(poll_at):
                    await self._wake.wait()
                    await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                self._places.give_back()
                written = await self.flush()
                if loop.time() >= poll_at:
                    written = await self._poll() and written
                    poll_at = loop.time() + POLL_S
            except Exception:  # noqa: BLE001  # a bug of ours is logged, but must not end all writing
                _log.exception("writing the ledger failed")
                written = False
            if not written:
                await asyncio.sleep(RETRY_S)

    async def _poll(self) -> bool:
        """Refresh keys, and send a heartbeat if one is due. Returns whether the database answered."""
        try:
            await self.refresh()
            now = self._clock()
            if (now - self._last_heartbeat).total_seconds() >= servers.HEARTBEAT_S:
                recovered, registered, self._places.servers = await self._in_thread(partial(self._heartbeat, now))
                _log_recovered(recovered)
                if not registered:
                    self._places.recheck(forgotten=True)
                self._last_heartbeat = now
        except LedgerError as error:
            self._failed(error)
            return False
        self._answered()
        return True

    # ---- one batch ----

    async def _write(self) -> bool:
        """Write one batch. Returns False if the database failed; then the records stay buffered, before newer ones."""
        async with self._writing:
            opened = _take_batch(self._begun, BATCH)
            closed = _take_batch(self._ended, BATCH)
            try:
                await self._save_all(opened, closed)
            except LedgerError as error:
                self._put_back(opened, closed)
                self._failed(error)
                return False
            except asyncio.CancelledError:
                self._put_back(opened, closed)
                raise
            self._answered()
            return True

    async def _save_all(self, opened: dict[str, RequestRecord], closed: dict[str, RequestRecord]) -> None:
        """Write all records; those that the database rejects permanently are dropped and removed from the dicts.

        Raises LedgerError for a transient failure.
        """
        try:
            await self._in_thread(partial(self._save, [*opened.values(), *closed.values()]))
        except LedgerError as error:
            if error.transient:
                raise
            for rows in (opened, closed):
                await self._save_singly(rows)

    async def _save_singly(self, rows: dict[str, RequestRecord]) -> None:
        """Write records one by one after the batch was rejected, and drop those that are rejected again."""
        for request_id, record in list(rows.items()):
            try:
                await self._in_thread(partial(self._save, [record]))
            except LedgerError as error:
                if error.transient:
                    raise
                self._lose(record, str(error))
            del rows[request_id]

    def _put_back(self, opened: dict[str, RequestRecord], closed: dict[str, RequestRecord]) -> None:
        # A request that has ended meanwhile has a newer record.
        self._begun = {i: row for i, row in opened.items() if i not in self._ended} | self._begun
        self._ended = closed | self._ended

    def _lose(self, record: RequestRecord, why: str) -> None:
        self._lost += 1
        _log.error("%s: its record is lost: %s", record.request_id, why)

    def _failed(self, error: LedgerError) -> None:
        if self._reachable:
            _log.error("%s; streams go on, their records wait in memory", error)
        self._reachable = False

    def _answered(self) -> None:
        if not self._reachable:
            _log.warning("the ledger answers again; %d records wait", self.health.waiting)
        self._reachable = True

    # ---- on the writer thread ----

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _register(self) -> tuple[int, AccessTable, int]:
        with self._ledger.writing() as connection:
            servers.register(connection, self._server)
            now = self._clock()
            recovered = servers.recover(connection, here=self._server, now=now)
            return recovered, load_access(connection, self._flag_keys), servers.count_live(connection, now=now)

    def _heartbeat(self, now: datetime) -> tuple[int, bool, int]:
        with self._ledger.writing() as connection:
            registered = servers.heartbeat(connection, self._server, now=now)
            recovered = servers.recover(connection, here=self._server, now=now)
            return recovered, registered, servers.count_live(connection, now=now)

    def _unregister(self) -> None:
        with self._ledger.writing() as connection:
            servers.unregister(connection, self._server)

    def _read_table(self, before: AccessTable) -> AccessTable:
        with self._ledger.reading() as connection:
            if revision.current(connection) != before.revision:
                return load_access(connection, self._flag_keys)
            if any(project.obeys_credits for project in before.projects.values()):
                # The spending of projects changes with every request, without a new revision.
                return replace(before, projects=projects_by_id(connection))
            return before

    def _save(self, batch: list[RequestRecord]) -> None:
        with self._ledger.writing() as connection:
            save_requests(connection, batch)


def _take_batch(rows: dict[str, RequestRecord], most: int) -> dict[str, RequestRecord]:
    """Remove and return the oldest `most` records."""
    batch = {request_id: rows[request_id] for request_id in list(rows)[:most]}
    for request_id in batch:
        del rows[request_id]
    return batch


def _log_recovered(count: int) -> None:
    if count:
        _log.warning("%d requests were open when their server died: closed as interrupted", count)
