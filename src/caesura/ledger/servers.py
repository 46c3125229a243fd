"""Servers that write the ledger, and the recovery of requests that a dead server left open.

A server that was killed cannot close its records, so another server does, at its start or at a heartbeat. A server is
dead when its process no longer exists on this machine, or after `LEASE_S` without a heartbeat. A server that had only
lost the database writes the ends of its requests later, and these replace the interrupted records.
"""

from __future__ import annotations

import os
import socket
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from caesura.ledger.requests import Outcome
from caesura.ledger.schema import requests, servers

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


def heartbeat(connection: Connection, server: Server, *, now: datetime) -> None:
    """Record that a server is alive; one that was removed as dead is registered again."""
    seen = connection.execute(update(servers).where(servers.c.server_id == server.server_id).values(seen=now))
    if seen.rowcount == 0:
        register(connection, server)
        heartbeat(connection, server, now=now)


def unregister(connection: Connection, server: Server) -> None:
    """Remove a server that has written its last record."""
    connection.execute(delete(servers).where(servers.c.server_id == server.server_id))


def recover(
    connection: Connection,
    *,
    here: Server,
    now: datetime,
    started: Callable[[int], int | None] | None = None,
) -> int:
    """Mark requests that dead servers left open as interrupted, and remove those servers; returns how many requests.

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
            connection.execute(delete(servers).where(servers.c.server_id == row.server_id))
    known = select(servers.c.server_id)
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
    return now - seen > timedelta(seconds=LEASE_S)


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
