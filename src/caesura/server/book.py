"""Requests as they begin and end in; rows of the ledger, who is let in, and keys that were revoked, out.

The event loop never waits for the database: one thread talks to it, whatever is written waits in a bounded buffer, and
who is let in is answered from a table in memory that is read anew when the ledger says that it changed.
A database that fails stops no stream: rows wait and are tried again, keys are answered from the last table.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
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
from caesura.ledger.requests import Request, save_requests
from caesura.ledger.tokens import Token

_log = logging.getLogger("caesura.ledger")

Result = TypeVar("Result")

GATHER_S = 0.05
"""What begins or ends within so long is written in one transaction."""
POLL_S = 0.5
"""How often the ledger is asked whether keys changed: a key revoked by another process is out within a second."""
ROUTE_THREADS = 4
"""What management routes read and write at once."""
RETRY_S = 1.0
STOP_S = 5.0
"""How long a server that stops tries to write its last rows."""
BATCH = 500
MOST_WAITING = 20_000
"""Rows of either kind that wait while the database fails."""


@dataclass(frozen=True, slots=True)
class BookHealth:
    """How writing goes, for metrics and readiness."""

    reachable: bool
    """Whether the database answered last time."""
    waiting: int
    """Rows not written yet."""
    lost: int
    """Ends of requests that will never be written."""


class Book:
    """The ledger as the event loop sees it. Construct, `start` inside a running loop, `stop`."""

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
        """For management routes alone: nothing else that blocks can keep them waiting."""
        self._opened: dict[str, Request] = {}
        self._closed: dict[str, Request] = {}
        self._live: dict[str, str] = {}
        self._per_project: Counter[str] = Counter()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._reachable = True
        self._lost = 0
        self._beaten = clock()

    # ---- who is let in ----

    @property
    def server_id(self) -> str:
        """The id of this run of the server, which every record carries."""
        return self._server.server_id

    @property
    def started(self) -> bool:
        """Whether the keys have been read."""
        return self._table is not None

    @property
    def access(self) -> AccessTable:
        """Keys and projects as last read."""
        assert self._table is not None, "start the book first"
        return self._table

    @property
    def required(self) -> bool:
        """Whether every request needs a key."""
        return self.access.required

    def verify(self, presented: str | None) -> Access | None:
        """Whom this key or token lets in; None: nobody. Answered from memory."""
        return self.access.admit(presented, now=self._clock())

    def grant(self, access: Access, ttl_s: int) -> Token:
        """A temporary token for `access`, which must be allowed to grant. Raises UsageError for the time."""
        return self.access.grant(access, ttl_s=ttl_s, now=self._clock())

    def room(self, project_id: str) -> bool:
        """Whether the project may have one more request at once through this server. Other servers count their own."""
        project = self.access.projects.get(project_id)
        limit = None if project is None else project.concurrency_limit
        return limit is None or self._per_project[project_id] < limit

    def paid(self, project_id: str) -> bool:
        """Whether the project has credit left or needs none, as of the last poll: it may overdraw by what runs."""
        project = self.access.projects.get(project_id)
        return project is None or project.may_spend

    def live(self, project_id: str) -> int:
        """How many requests of the project are open here."""
        return self._per_project[project_id]

    # ---- what is written ----

    def open(self, record: Request) -> None:
        """A request begins, and takes one of its project's places. It is written within `GATHER_S` and a write."""
        if record.request_id not in self._live:
            self._live[record.request_id] = record.project_id
            self._per_project[record.project_id] += 1
        self._opened[record.request_id] = record
        if len(self._opened) > MOST_WAITING:
            # Its end will say all that this row would have said.
            del self._opened[next(iter(self._opened))]
        self._wake.set()

    def close(self, record: Request) -> Request:
        """A request ends: takes the record with everything in it but its price, returns it priced.

        One never opened is written too.
        """
        project_id = self._live.pop(record.request_id, None)
        if project_id is not None:
            self._per_project[project_id] -= 1
        self._opened.pop(record.request_id, None)
        priced = self._closed[record.request_id] = self._prices.priced(record)
        if len(self._closed) > MOST_WAITING:
            self._lose(self._closed.pop(next(iter(self._closed))), "too many wait")
        self._wake.set()
        return priced

    @property
    def health(self) -> BookHealth:
        """How writing goes."""
        return BookHealth(self._reachable, len(self._opened) + len(self._closed), self._lost)

    async def flush(self) -> bool:
        """Write what waits now; whether nothing waits any more."""
        while self._opened or self._closed:
            if not await self._write():
                return False
        return True

    async def refresh(self) -> None:
        """Read keys and projects anew if they changed; call it after changing them. Raises LedgerError."""
        before = self.access
        table = await self._in_thread(partial(self._read_table, before))
        known = self.access
        if table is before or table.revision < known.revision:
            return
        self._table = table
        for api_key_id in table.revoked() - known.revoked():
            self._on_revoked(api_key_id)

    async def read(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` reads in one transaction, for routes; in a thread. Raises LedgerError and what it raises."""

        def reading() -> Result:
            with self._ledger.reading() as connection:
                return work(connection)

        return await asyncio.get_running_loop().run_in_executor(self._route_threads, reading)

    async def write(self, work: Callable[[Connection], Result]) -> Result:
        """What `work` makes in one transaction, which this server obeys at once. Raises as `read`."""

        def writing() -> Result:
            with self._ledger.writing() as connection:
                return work(connection)

        made = await asyncio.get_running_loop().run_in_executor(self._route_threads, writing)
        await self.refresh()
        return made

    # ---- the life of a book ----

    async def start(self) -> None:
        """Close what dead servers left open, read the keys, begin to write. Raises LedgerError."""
        recovered, self._table = await self._in_thread(self._sign_on)
        _tell_recovered(recovered)
        self._report_flag_keys()
        self._task = asyncio.create_task(self._keep())

    def _report_flag_keys(self) -> None:
        """Log which static keys are keys of the ledger, since those are judged by the ledger alone."""
        for key in filter(None, (self.access.keys.get(digest(secret)) for secret in self._flag_keys)):
            if key.lets_in(self._clock()):
                _log.info("a static key is key %s of the ledger, which alone judges it", key.api_key_id)
            else:
                _log.warning("a static key lets nobody in: the ledger has revoked or expired it (%s)", key.api_key_id)

    async def stop(self) -> None:
        """Write what waits, sign off, let go. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
            await self._finish()
        self._thread.shutdown(wait=False)
        self._route_threads.shutdown(wait=False)

    async def _finish(self) -> None:
        with contextlib.suppress(TimeoutError, LedgerError):
            async with asyncio.timeout(STOP_S):
                while not await self.flush():  # noqa: ASYNC110  # no event says that a database answers again
                    await asyncio.sleep(RETRY_S)
                await self._in_thread(self._sign_off)
        for record in self._closed.values():
            self._lose(record, "the server stops and the database fails")
        self._closed.clear()

    async def _keep(self) -> None:
        """Write when there is something to write, poll when it is time, for ever."""
        loop = asyncio.get_running_loop()
        poll_at = loop.time() + POLL_S
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(poll_at):
                    await self._wake.wait()
                    await asyncio.sleep(GATHER_S)
            self._wake.clear()
            try:
                written = await self.flush()
                if loop.time() >= poll_at:
                    written = await self._poll() and written
                    poll_at = loop.time() + POLL_S
            except Exception:  # noqa: BLE001  # our own mistake, said aloud, must not end all writing
                _log.exception("writing the ledger broke")
                written = False
            if not written:
                await asyncio.sleep(RETRY_S)

    async def _poll(self) -> bool:
        """Look whether keys changed, and say that we live; whether the database answered."""
        try:
            await self.refresh()
            now = self._clock()
            if (now - self._beaten).total_seconds() >= servers.BEAT_S:
                _tell_recovered(await self._in_thread(partial(self._beat, now)))
                self._beaten = now
        except LedgerError as error:
            self._failed(error)
            return False
        self._answered()
        return True

    # ---- one batch ----

    async def _write(self) -> bool:
        """Write one batch; whether it is done with. What could not be written waits on, ahead of what came since."""
        async with self._writing:
            opened = _take(self._opened, BATCH)
            closed = _take(self._closed, BATCH)
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

    async def _save_all(self, opened: dict[str, Request], closed: dict[str, Request]) -> None:
        """Write them, or those of them that the database will have; what was given up is taken out of them.

        Raises LedgerError when it may have them later.
        """
        try:
            await self._in_thread(partial(self._save, [*opened.values(), *closed.values()]))
        except LedgerError as error:
            if error.passing:
                raise
            for rows in (opened, closed):
                await self._save_singly(rows)

    async def _save_singly(self, rows: dict[str, Request]) -> None:
        """The database will not have them together: find those that it will not have, and give those up."""
        for request_id, record in list(rows.items()):
            try:
                await self._in_thread(partial(self._save, [record]))
            except LedgerError as error:
                if error.passing:
                    raise
                self._lose(record, str(error))
            del rows[request_id]

    def _put_back(self, opened: dict[str, Request], closed: dict[str, Request]) -> None:
        # What has ended meanwhile says more than the row that it was opened by.
        self._opened = {i: row for i, row in opened.items() if i not in self._closed} | self._opened
        self._closed = closed | self._closed

    def _lose(self, record: Request, why: str) -> None:
        self._lost += 1
        _log.error("%s: its row is lost: %s", record.request_id, why)

    def _failed(self, error: LedgerError) -> None:
        if self._reachable:
            _log.error("%s; streams go on, their rows wait in memory", error)
        self._reachable = False

    def _answered(self) -> None:
        if not self._reachable:
            _log.warning("the ledger answers again; %d rows wait", self.health.waiting)
        self._reachable = True

    # ---- in the thread ----

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _sign_on(self) -> tuple[int, AccessTable]:
        with self._ledger.writing() as connection:
            servers.register(connection, self._server)
            recovered = servers.recover(connection, here=self._server, now=self._clock())
            return recovered, load_access(connection, self._flag_keys)

    def _beat(self, now: datetime) -> int:
        with self._ledger.writing() as connection:
            servers.beat(connection, self._server, now=now)
            return servers.recover(connection, here=self._server, now=now)

    def _sign_off(self) -> None:
        with self._ledger.writing() as connection:
            servers.sign_off(connection, self._server)

    def _read_table(self, before: AccessTable) -> AccessTable:
        with self._ledger.reading() as connection:
            if revision.current(connection) != before.revision:
                return load_access(connection, self._flag_keys)
            if any(project.obeys_credits for project in before.projects.values()):
                # What they have spent changes with every request, and counts up no revision.
                return replace(before, projects=projects_by_id(connection))
            return before

    def _save(self, batch: list[Request]) -> None:
        with self._ledger.writing() as connection:
            save_requests(connection, batch)


def _take(rows: dict[str, Request], most: int) -> dict[str, Request]:
    """The oldest of them, taken out."""
    taken = {request_id: rows[request_id] for request_id in list(rows)[:most]}
    for request_id in taken:
        del rows[request_id]
    return taken


def _tell_recovered(count: int) -> None:
    if count:
        _log.warning("%d requests were open when their server died: closed as interrupted", count)
