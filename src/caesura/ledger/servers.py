"""Servers that write the ledger, and the recovery of requests that a dead server left open.

A server that was killed cannot close its records, so another server does, at its start or at a heartbeat. A server is
dead when its process no longer exists on this machine, or after `LEASE_S` without a heartbeat. A server that had only
lost the database writes the ends of its requests later, and these replace the interrupted records. The places that a
dead server had taken of the limits of projects are given back with it.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from caesura.ledger.requests import Outcome
from caesura.ledger.schema import places, requests, servers

HEARTBEAT_S = 5.0
"""Interval of heartbeats."""
LEASE_S = 30.0
"""Time without a heartbeat after which a server is considered dead."""
_START_TICKS = 19
"""Index of the start time in the fields of /proc/PID/stat after the name."""


@dataclass(frozen=True, slots=True)
class Server:
    """One run of a server. `place` is the machine or container in which its `pid` is valid."""

    server_id: str
    place: str
    pid: int
    process_started: int | None
    """Start time of the process, which distinguishes it from a later one with the same pid; None if unknown."""
    started: datetime


def this_server(now: datetime) -> Server:
    """The record of a new server in this process."""
    pid = os.getpid()
    return Server(str(uuid.uuid4()), _place(), pid, process_start(pid), now)


def register(connection: Connection, server: Server) -> None:
    """Insert a server; call it before the server writes anything."""
    connection.execute(
        insert(servers).values(
            server_id=server.server_id,
            place=server.place,
            pid=server.pid,
            process_started=server.process_started,
            started=server.started,
            seen=server.started,
        )
    )


def heartbeat(connection: Connection, server: Server, *, now: datetime) -> bool:
    """Record that a server is alive; one that was removed as dead is registered again.

    Returns whether it was still registered; if not, its places were given back too.
    """
    seen = connection.execute(update(servers).where(servers.c.server_id == server.server_id).values(seen=now))
    if seen.rowcount:
        return True
    register(connection, server)
    heartbeat(connection, server, now=now)
    return False


def unregister(connection: Connection, server: Server) -> None:
    """Remove a server that has written its last record, with its places."""
    _remove(connection, server.server_id)


def count_live(connection: Connection, *, now: datetime) -> int:
    """Number of servers whose last heartbeat is at most `LEASE_S` old."""
    seen = select(func.count()).select_from(servers).where(servers.c.seen >= alive_since(now))
    return connection.scalar(seen) or 0


def open_requests(connection: Connection, *, now: datetime) -> Mapping[str, int]:
    """Number of open requests by project, over all servers whose lease is not over; projects without any are absent."""
    found = connection.execute(
        select(requests.c.project_id, func.count().label("open"))
        .join(servers, servers.c.server_id == requests.c.server_id)
        .where(requests.c.outcome == Outcome.OPEN, servers.c.seen >= alive_since(now))
        .group_by(requests.c.project_id)
    )
    return {row.project_id: row.open for row in found}


def alive_since(now: datetime) -> datetime:
    """Earliest last heartbeat of a server whose lease is not over."""
    return now - timedelta(seconds=LEASE_S)


def recover(
    connection: Connection,
    *,
    here: Server,
    now: datetime,
    started: Callable[[int], int | None] | None = None,
) -> int:
    """Mark requests that dead servers left open as interrupted, and remove those servers with their places.

    Returns how many requests were open.

    Such a request ends at the last heartbeat of its server. Its usage is unknown and stays 0.

    Args:
        connection: In a write transaction.
        here: The calling server, which is alive.
        now: The wall clock.
        started: Start time of a process by its pid, None when there is none; by default `process_start`.
    """
    closed = 0
    for row in connection.execute(select(servers).where(servers.c.server_id != here.server_id)).all():
        if _dead(row.place, row.pid, row.process_started, row.seen, here, now, started or process_start):
            # A request that began after the last heartbeat must not end before it began; it is handled as an orphan
            # below.
            closed += _interrupt(connection, row.seen, requests.c.server_id == row.server_id)
            _remove(connection, row.server_id)
    known = select(servers.c.server_id)
    connection.execute(delete(places).where(places.c.server_id.not_in(known)))
    return closed + _interrupt(connection, None, requests.c.server_id.not_in(known))


def process_start(pid: int) -> int | None:
    """Start time of a process in ticks since boot; None if there is no such process, or it is unknown."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return int(fields[_START_TICKS])


def _dead(
    place: str,
    pid: int,
    process_started: int | None,
    seen: datetime,
    here: Server,
    now: datetime,
    started: Callable[[int], int | None],
) -> bool:
    if place == here.place and process_started is not None:
        return started(pid) != process_started
    return seen < alive_since(now)


def _remove(connection: Connection, server_id: str) -> None:
    # In the order of `places.settle`, so that a server that is removed by mistake cannot deadlock.
    connection.execute(delete(servers).where(servers.c.server_id == server_id))
    connection.execute(delete(places).where(places.c.server_id == server_id))


def _interrupt(connection: Connection, at: datetime | None, whose: ColumnElement[bool]) -> int:
    """Mark open requests created up to `at` as interrupted then; with None all of them, each at its creation."""
    then = [] if at is None else [requests.c.created <= at]
    closed = connection.execute(
        update(requests)
        .where(requests.c.outcome == Outcome.OPEN, whose, *then)
        .values(outcome=Outcome.INTERRUPTED, completed=requests.c.created if at is None else at)
    )
    return closed.rowcount


def _place() -> str:
    name = socket.gethostname()
    if sys.platform != "linux":
        return name
    try:
        # Machines may share a name, and containers on one machine have pid namespaces of their own.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{name} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return name
