"""Places of projects with a concurrency limit: servers that share a ledger share each limit by them.

A server writes how many requests of a project it has open, and reads how many the others have, in one transaction that
holds the project: two servers that want the last place cannot both get it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Insert, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from caesura.ledger.schema import places, projects, servers
from caesura.ledger.servers import Server, alive_since, heartbeat


@dataclass(frozen=True, slots=True)
class Claim:
    """What one server has, and wants, of one project."""

    project_id: str
    held: int
    """Requests that it has open, which it keeps even if they are more than the limit."""
    wanted: int = 0
    """Further requests that it would like to admit."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one server was given of one project."""

    granted: int
    """How many of the wanted requests it may admit."""
    live: int
    """Places that it has now; 0 if the project has no limit."""
    others: int
    """Places that all other servers have."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """The outcome of `settle`."""

    shares: Mapping[str, Share]
    """What the server was given, by project."""
    servers: int
    """Number of servers that share the ledger now, with this one."""
    registered: bool
    """Whether the server was still registered; if not, it is again, but places that it did not claim now are gone."""


def settle(connection: Connection, server: Server, claims: Iterable[Claim], *, now: datetime) -> Settlement:
    """Write what a server holds, and grant what it wants as far as the limits allow; what it no longer holds is free.

    Servers without a heartbeat within `LEASE_S` do not count. A project without a limit gets all it wants, and no row.

    Args:
        connection: In a write transaction; it holds the projects until its end.
        server: The server that claims.
        claims: One for each project.
        now: The wall clock.
    """
    claimed = {claim.project_id: claim for claim in claims}
    limits = _hold(connection, claimed)
    registered = True
    own: dict[str, int] = {}
    others: Counter[str] = Counter()
    rows = _taken(connection, server, claimed, now=now)
    if not any(row.server_id == server.server_id and row.seen >= alive_since(now) for row in rows):
        # Otherwise the other servers would not count what it takes now.
        registered = heartbeat(connection, server, now=now)
    for row in rows:
        if row.project_id is None:
            continue
        if row.server_id == server.server_id:
            own[row.project_id] = row.live
        else:
            others[row.project_id] += row.live
    shares = {
        project_id: _share(claim, limits.get(project_id), others[project_id]) for project_id, claim in claimed.items()
    }
    _write(connection, server, {project_id: share.live for project_id, share in shares.items()}, before=own)
    return Settlement(shares, len({row.server_id for row in rows} | {server.server_id}), registered)


def _hold(connection: Connection, project_ids: Iterable[str]) -> dict[str, int | None]:
    """Lock projects until the end of the transaction, and return their limits. SQLite locks the whole file instead."""
    rows = connection.execute(
        select(projects.c.project_id, projects.c.concurrency_limit)
        .where(projects.c.project_id.in_(project_ids))
        # The order in which spending is written, which prevents deadlocks.
        .order_by(projects.c.project_id)
        .with_for_update(key_share=True)
    )
    return {row.project_id: row.concurrency_limit for row in rows}


def _taken(connection: Connection, server: Server, project_ids: Iterable[str], *, now: datetime) -> Sequence[Any]:
    """The places of `server` and of all that live, in these projects; at least one row for each of these servers."""
    return connection.execute(
        select(servers.c.server_id, servers.c.seen, places.c.project_id, places.c.live)
        .outerjoin(places, (places.c.server_id == servers.c.server_id) & places.c.project_id.in_(project_ids))
        .where((servers.c.seen >= alive_since(now)) | (servers.c.server_id == server.server_id))
    ).all()


def _share(claim: Claim, limit: int | None, others: int) -> Share:
    if limit is None:
        return Share(claim.wanted, 0, others)
    granted = max(min(claim.wanted, limit - others - claim.held), 0)
    return Share(granted, claim.held + granted, others)


def _write(connection: Connection, server: Server, live: Mapping[str, int], *, before: Mapping[str, int]) -> None:
    """Write how many places a server has, by project; a row with none is deleted, and one as `before` stays."""
    empty = [project_id for project_id in before if not live[project_id]]
    if empty:
        mine = places.c.server_id == server.server_id
        connection.execute(delete(places).where(mine, places.c.project_id.in_(empty)))
    changed = [
        {"project_id": project_id, "server_id": server.server_id, "live": count}
        for project_id, count in sorted(live.items())
        if count and before.get(project_id) != count
    ]
    if changed:
        connection.execute(_upsert(connection.dialect.name), changed)


@cache
def _upsert(dialect: str) -> Insert:
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(places)
    upsert: Insert = statement.on_conflict_do_update(
        index_elements=["project_id", "server_id"], set_={"live": statement.excluded.live}
    )
    return upsert
