"""Who writes the ledger in; the requests that a dead server left open, closed as interrupted, out.

A server that was killed cannot close its rows, so another start does, or a living server beside it. Dead is one whose
process is gone from this machine, or that was not seen for `LEASE_S`. Whoever was only taken for dead (its line to
the database was cut) writes its own ends when they come, and these replace what was said of them.
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

BEAT_S = 5.0
"""How often a server says that it is alive."""
LEASE_S = 30.0
"""Not seen for so long is dead."""
_START_TICKS = 19
"""Of the fields of /proc/PID/stat behind the name: when the process began."""


@dataclass(frozen=True, slots=True)
class Server:
    """One run of a server. `place` is the machine, or the container, that its `pid` means something in."""

    server_id: str
    place: str
    pid: int
    process_started: int | None
    """Tells a process from a later one of the same number; None where the system does not say."""
    started: datetime


def this_server(now: datetime) -> Server:
    """This process, as a server that starts now."""
    pid = os.getpid()
    return Server(str(uuid.uuid4()), _place(), pid, process_start(pid), now)


def register(connection: Connection, server: Server) -> None:
    """Make a server known before it writes anything."""
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


def beat(connection: Connection, server: Server, *, now: datetime) -> None:
    """Say that a server is alive, which may have been taken for dead meanwhile."""
    seen = connection.execute(update(servers).where(servers.c.server_id == server.server_id).values(seen=now))
    if seen.rowcount == 0:
        register(connection, server)
        beat(connection, server, now=now)


def sign_off(connection: Connection, server: Server) -> None:
    """Say that a server has written its last row."""
    connection.execute(delete(servers).where(servers.c.server_id == server.server_id))


def recover(
    connection: Connection,
    *,
    here: Server,
    now: datetime,
    started: Callable[[int], int | None] | None = None,
) -> int:
    """Close what dead servers left open as interrupted, and forget those servers; how many rows that were.

    Such a row ends when its server was last seen: what it used until then is not known, and stays 0.

    Args:
        connection: Within a transaction that writes.
        here: The server that asks, which is alive.
        now: The time by the wall clock.
        started: When the process of a number began, None when there is none: `process_start`, but in tests.
    """
    closed = 0
    for row in connection.execute(select(servers).where(servers.c.server_id != here.server_id)).all():
        if _dead(row.place, row.pid, row.process_started, row.seen, here, now, started or process_start):
            # One that was opened after the last sign of life ends no earlier than it began: it is an orphan below.
            closed += _interrupt(connection, row.seen, requests.c.server_id == row.server_id)
            connection.execute(delete(servers).where(servers.c.server_id == row.server_id))
    known = select(servers.c.server_id)
    return closed + _interrupt(connection, None, requests.c.server_id.not_in(known))


def process_start(pid: int) -> int | None:
    """When the process of that number began, in ticks since the machine did; None: there is none, or nobody says."""
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
    """Close what was opened by then; None: whenever it was opened, and at that moment."""
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
        # Machines may share a name, and containers that share one have process numbers of their own.
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{name} {boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return name
