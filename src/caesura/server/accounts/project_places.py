"""Concurrency limits of projects, shared by all servers of a ledger: counts open requests, and reserves places.

Only projects with a limit cost an access to the database: one transaction at a time settles all requests that wait for
a place, and gives back the places of those that ended. It writes how many places are held, and not by how many they
changed, so that the next one mends whatever a failed one left.

If the database does not answer within `ANSWER_S`, the last known counts of the other servers decide (`may_hold`).
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from caesura.errors import LedgerError
from caesura.ledger.database import Ledger
from caesura.ledger.places import Claim, Settlement, settle
from caesura.ledger.servers import Server

_log = logging.getLogger("caesura.ledger")

ANSWER_S: Final = 0.25
"""How long the database may take to grant a place."""
UNKNOWN: Final = -1


@dataclass(frozen=True, slots=True)
class _Waiter:
    project_id: str
    granted: asyncio.Future[bool]


class ProjectPlaces:
    """The open requests of one server by project; all on the event loop, but for the transactions."""

    def __init__(
        self,
        ledger: Ledger,
        server: Server,
        *,
        limit_of: Callable[[str], int | None],
        clock: Callable[[], datetime],
    ) -> None:
        """Starts nothing.

        Args:
            ledger: The ledger that servers share.
            server: This server.
            limit_of: Returns the concurrency limit of a project, None for no limit.
            clock: The wall clock.
        """
        self._ledger = ledger
        self._server = server
        self._limit_of = limit_of
        self._clock = clock
        self._open: dict[str, str] = {}
        """Requests that are open or hold a place, with their projects."""
        self._counts: Counter[str] = Counter()
        """Their number, by project."""
        self._waiting: dict[str, _Waiter] = {}
        """Requests that wait for a place, the oldest first."""
        self._changed: set[str] = set()
        """Projects whose number of places in the database may not be that of their open requests."""
        self._written: dict[str, int] = {}
        """Number of this server's places in the database, by project; `UNKNOWN` after a transaction failed."""
        self._others: dict[str, int] = {}
        """Last known number of places of all other servers, by project."""
        self.servers = 1
        """Last known number of servers that share the ledger, with this one."""
        self.judged_alone = 0
        """How many requests were judged without the database."""
        self._thread = ThreadPoolExecutor(1, "caesura-places")
        self._settling: asyncio.Task[None] | None = None
        self._again = False
        """When the transaction under way has ended, another is due for what it did not yet contain."""
        self._asked_at = 0.0
        self._answering = True

    def count(self, project_id: str) -> int:
        """Requests of the project that are open on this server or hold a place."""
        return self._counts[project_id]

    async def reserve(self, request_id: str, project_id: str) -> bool:
        """Take a place for a request that is to be admitted; returns whether there was one.

        It is held until `release`, which may be called more than once. A project without a limit has always room.
        """
        limit = self._limit_of(project_id)
        if limit is None:
            return True
        if self._counts[project_id] >= limit:
            return False
        if self._late:
            return self._judge_alone(request_id, project_id)
        waiter = _Waiter(project_id, asyncio.get_running_loop().create_future())
        self._waiting[request_id] = waiter
        self.give_back()
        try:
            await asyncio.wait([waiter.granted], timeout=ANSWER_S)
            if waiter.granted.done():
                return waiter.granted.result()
        except BaseException:
            self.release(request_id)
            raise
        finally:
            # A transaction that is under way finds that nobody waits any more.
            waiter.granted.cancel()
            self._waiting.pop(request_id, None)
        self._failed(f"the ledger at {self._ledger.where} did not answer within {ANSWER_S:g} s")
        return self._judge_alone(request_id, project_id)

    def hold(self, request_id: str, project_id: str) -> None:
        """Count a request as open, whether there is a place for it or not. Idempotent."""
        if request_id not in self._open:
            self._open[request_id] = project_id
            self._counts[project_id] += 1
            self._note(project_id)

    def release(self, request_id: str) -> None:
        """Count a request no longer; its place is given back by the next `give_back`. Idempotent."""
        project_id = self._open.pop(request_id, None)
        if project_id is not None:
            self._counts[project_id] -= 1
            if not self._counts[project_id]:
                del self._counts[project_id]
            self._note(project_id)

    def give_back(self) -> None:
        """Begin to write what changed, and to reserve what is waited for; returns at once."""
        if self._settling is not None:
            self._again = True
        elif self._waiting or self._changed:
            self._asked_at = asyncio.get_running_loop().time()
            self._settling = asyncio.create_task(self._settle_all())

    def recheck(self, *, forgotten: bool = False) -> None:
        """Note which places the next `give_back` has to write, after limits changed.

        Args:
            forgotten: The database has none of this server's places any more.
        """
        if forgotten:
            self._written.clear()
        for project_id in self._counts.keys() | self._written.keys():
            self._note(project_id)

    async def stop(self) -> None:
        """Wait for the transaction under way, if there is one, and begin no other."""
        self._waiting.clear()
        self._changed.clear()
        if self._settling is not None:
            await self._settling
        self._changed.clear()

    def close(self) -> None:
        """Release the thread."""
        self._thread.shutdown(wait=False)

    @property
    def settling(self) -> bool:
        """Whether a transaction is under way."""
        return self._settling is not None

    @property
    def _late(self) -> bool:
        """Whether the transaction under way shows that the database does not answer in time."""
        return self._settling is not None and asyncio.get_running_loop().time() - self._asked_at >= ANSWER_S

    def _note(self, project_id: str) -> None:
        """Note that a project is to be written if its places differ from those in the database."""
        due = self._counts[project_id] if self._limit_of(project_id) is not None else 0
        if due != self._written.get(project_id, 0):
            self._changed.add(project_id)
        else:
            self._changed.discard(project_id)

    def _judge_alone(self, request_id: str, project_id: str) -> bool:
        limit = self._limit_of(project_id)
        granted = limit is None or may_hold(
            limit, self._counts[project_id], others=self._others.get(project_id), servers=self.servers
        )
        self.judged_alone += 1
        if granted:
            self.hold(request_id, project_id)
        return granted

    async def _settle_all(self) -> None:
        try:
            self._again = True
            while self._again and (self._waiting or self._changed):
                self._again = False
                await self._settle_once()
            self._answered()
        except LedgerError as error:
            self._failed(str(error))
        except Exception:  # noqa: BLE001  # a bug of ours is logged, and the last known counts decide
            _log.exception("reserving places failed")
        finally:
            self._settling = None

    async def _settle_once(self) -> None:
        """Run one transaction, and answer those that wait. Raises LedgerError."""
        waiting, self._waiting = self._waiting, {}
        changed, self._changed = self._changed, set()
        loop = asyncio.get_running_loop()
        wanted = Counter(waiter.project_id for waiter in waiting.values())
        claims = [
            Claim(project_id, self._counts[project_id], wanted[project_id]) for project_id in changed | wanted.keys()
        ]
        self._asked_at = loop.time()
        try:
            settlement = await loop.run_in_executor(self._thread, partial(self._settle, claims))
        except BaseException:
            # It may have been committed all the same.
            self._written.update((claim.project_id, UNKNOWN) for claim in claims)
            self._changed |= {claim.project_id for claim in claims}
            for request_id, waiter in waiting.items():
                if not waiter.granted.done():
                    waiter.granted.set_result(self._judge_alone(request_id, waiter.project_id))
            raise
        self._take(settlement)
        room = {claim.project_id: claim.held + settlement.shares[claim.project_id].granted for claim in claims}
        for request_id, waiter in waiting.items():
            if not waiter.granted.done():
                waiter.granted.set_result(self._fill(request_id, waiter.project_id, room[waiter.project_id]))
        for claim in claims:
            self._note(claim.project_id)

    def _take(self, settlement: Settlement) -> None:
        self.servers = settlement.servers
        if not settlement.registered:
            self.recheck(forgotten=True)
            self._again = True
        for project_id, share in settlement.shares.items():
            self._others[project_id] = share.others
            self._written[project_id] = share.live

    def _fill(self, request_id: str, project_id: str, room: int) -> bool:
        """Hold a place for the request if there is room, which requests that were judged alone may have taken."""
        granted = self._counts[project_id] < room
        if granted:
            self.hold(request_id, project_id)
        return granted

    def _settle(self, claims: list[Claim]) -> Settlement:
        with self._ledger.writing() as connection:
            return settle(connection, self._server, claims, now=self._clock())

    def _failed(self, reason: str) -> None:
        if self._answering:
            _log.error("%s; limits of projects are judged by what was known last", reason)
        self._answering = False

    def _answered(self) -> None:
        if not self._answering:
            _log.warning("limits of projects are shared with other servers again")
        self._answering = True


def may_hold(limit: int, own: int, *, others: int | None, servers: int) -> bool:
    """Whether a server may hold one more place of a project although the database does not answer.

    Its even share of the limit it always may: if all servers keep to that, they exceed the limit by less than one each.

    Args:
        limit: The concurrency limit of the project.
        own: Places that the server holds.
        others: Last known number of places of all other servers; None if it was never known.
        servers: Last known number of servers, with this one.
    """
    return own * servers < limit or (others is not None and own + others < limit)
