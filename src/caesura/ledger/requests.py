"""What one request used in; a row for it out, and the rows that a filter asks for. Never what was said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, func, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from caesura.errors import UsageError
from caesura.ledger.columns import NANO
from caesura.ledger.schema import projects, requests

DEPLOYMENT = "self-hosted"
"""What every request through this server is, of the deployments that can be asked for."""
MOST_PER_PAGE = 1000
LAST_PAGE = 10**9


class Method(StrEnum):
    """How the audio came, and how the answer went."""

    STREAMING = "streaming"
    SYNC = "sync"
    ASYNC = "async"
    """The answer went to a callback."""


class Outcome(StrEnum):
    """How a request ended."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """Its server died."""


class RequestStatus(StrEnum):
    """Which requests can be asked for by how they ended; one that is open has no status yet."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Interrupted ones too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """What one request used. Billing counts decoded audio only; a pause costs nothing."""

    request_id: str
    project_id: str
    api_key_id: str | None
    server_id: str
    model_uuid: str
    model_name: str
    """Of the engine that heard it; `config` says what was asked for."""
    created: datetime
    path: str
    endpoint: str = "listen"
    method: Method
    deployment: str = DEPLOYMENT
    code: int
    """The HTTP status: 101 for every stream, however it went on."""
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    """What was asked for; of terms, searches and replacements only how many."""
    callback: str | None = None
    """Scheme, host and port of where the answer went, as `callback_origin` gives it."""
    # ---- known at the end ----
    completed: datetime | None = None
    outcome: Outcome = Outcome.OPEN
    audio_seconds: float = 0.0
    channels: int = 0
    billed_seconds: float = 0.0
    """Of audio, each channel counted where they are heard apart."""
    connection_seconds: float = 0.0
    paused_seconds: float = 0.0
    keepalive_count: int = 0
    bytes_in: int = 0
    close_code: int | None = None
    close_reason: str = ""
    usd: float = 0.0
    """What it would have cost at list price."""
    saved_usd: float = 0.0
    """What its pauses would have cost had silence been sent instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Which requests are meant; None: any."""

    project_id: str | None = None
    start: datetime | None = None
    """Created then or later."""
    end: datetime | None = None
    """Created before."""
    accessor: str | None = None
    """The id of the key that was used."""
    request_id: str | None = None
    endpoint: str | None = None
    method: Method | None = None
    deployment: str | None = None
    status: RequestStatus | None = None
    model: str | None = None
    """Name or UUID of the engine's model."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        equal = {
            requests.c.project_id: self.project_id,
            requests.c.api_key_id: self.accessor,
            requests.c.request_id: self.request_id,
            requests.c.endpoint: self.endpoint,
            requests.c.method: self.method,
            requests.c.deployment: self.deployment,
        }
        found: list[ColumnElement[bool]] = [column == value for column, value in equal.items() if value is not None]
        if self.start is not None:
            found.append(requests.c.created >= self.start)
        if self.end is not None:
            found.append(requests.c.created < self.end)
        if self.model is not None:
            found.append((requests.c.model_name == self.model) | (requests.c.model_uuid == self.model))
        match self.status:
            case RequestStatus.SUCCEEDED:
                found.append(requests.c.outcome == Outcome.SUCCEEDED)
            case RequestStatus.FAILED:
                found.append(requests.c.outcome.in_([Outcome.FAILED, Outcome.INTERRUPTED]))
            case None:
                pass
        return found


def save_requests(connection: Connection, records: Iterable[RequestRecord]) -> None:
    """Write rows, new ones and ones known by their id: the whole row is replaced. Doing it twice does no harm.

    What they cost is added to what their projects have spent. Of several records of one request the last counts. One
    that says that its request is open never replaces one that says how it ended.
    """
    rows = {record.request_id: record for record in records}
    if not rows:
        return
    _spend(connection, rows)
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert
    statement = insert(requests)
    renewed = {name: statement.excluded[name] for name in _NAMES if name != "request_id"}
    newer = (statement.excluded.outcome != Outcome.OPEN) | (requests.c.outcome == Outcome.OPEN)
    connection.execute(
        statement.on_conflict_do_update(index_elements=["request_id"], set_=renewed, where=newer),
        [_row(record) for record in rows.values()],
    )


def find_requests(
    connection: Connection, wanted: RequestFilter, *, limit: int = 10, page: int = 0
) -> list[RequestRecord]:
    """One page of what is wanted, the newest first; pages count from 0.

    Raises UsageError for a limit that is not 1 to 1000, or a page out of bounds.
    """
    if not 1 <= limit <= MOST_PER_PAGE:
        raise UsageError(f"limit is {limit}: give a whole number from 1 to {MOST_PER_PAGE}")
    if not 0 <= page <= LAST_PAGE:
        raise UsageError(f"page is {page}: give a whole number from 0 to {LAST_PAGE}")
    query = _select(wanted).order_by(requests.c.created.desc(), requests.c.request_id.desc())
    return [_request(row) for row in connection.execute(query.limit(limit).offset(limit * page)).mappings()]


def find_request(connection: Connection, request_id: str, *, project_id: str | None = None) -> RequestRecord | None:
    """The request of that id, in that project where it is given."""
    query = _select(RequestFilter(request_id=request_id, project_id=project_id))
    row = connection.execute(query).mappings().first()
    return None if row is None else _request(row)


def count_requests(connection: Connection, wanted: RequestFilter) -> int:
    """How many there are of them."""
    return connection.scalar(select(func.count()).select_from(requests).where(*wanted.conditions())) or 0


def callback_origin(url: str) -> str:
    """Where a callback goes, without user, password, path and query, which may hold secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port is not None else ""
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


_NAMES = tuple(each.name for each in fields(RequestRecord))


def _spend(connection: Connection, rows: Mapping[str, RequestRecord]) -> None:
    costing = {request_id: row.usd for request_id, row in rows.items() if row.outcome != Outcome.OPEN}
    if not costing:
        return
    counted = select(requests.c.request_id, requests.c.usd).where(requests.c.request_id.in_(costing))
    before = {row.request_id: row.usd for row in connection.execute(counted)}
    spent: Counter[str] = Counter()
    for request_id, usd in costing.items():
        spent[rows[request_id].project_id] += round((usd - before.get(request_id, 0.0)) * NANO)
    # In one order, so that two servers that write at once do not wait for each other in a circle.
    for project_id, nano in sorted(spent.items()):
        connection.execute(
            update(projects)
            .where(projects.c.project_id == project_id)
            .values(spent=type_coerce(projects.c.spent, BigInteger) + nano)
        )


def _select(wanted: RequestFilter) -> Select[Any]:
    return select(*(requests.c[name] for name in _NAMES)).where(*wanted.conditions())


def _row(record: RequestRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _NAMES}


def _request(row: Mapping[Any, Any]) -> RequestRecord:
    values = {name: row[name] for name in _NAMES}
    return RequestRecord(**values | {"method": Method(row["method"]), "outcome": Outcome(row["outcome"])})
