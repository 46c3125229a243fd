"""Records of requests: the usage and outcome of each, but never its transcript."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import BigInteger, ColumnElement, Connection, Insert, Select, func, select, type_coerce, update
from sqlalchemy.dialects import postgresql, sqlite

from caesura.errors import UsageError
from caesura.ledger.columns import NANO
from caesura.ledger.schema import projects, requests

DEPLOYMENT = "self-hosted"
"""Value of the filter `deployment` that matches every request on this server."""
MAX_PER_PAGE = 1000
LAST_PAGE = 10**9


class Method(StrEnum):
    """How the audio was received, and how the transcript was returned."""

    STREAMING = "streaming"
    SYNC = "sync"
    ASYNC = "async"
    """The transcript was sent to a callback."""


class Outcome(StrEnum):
    """How a request ended."""

    OPEN = "open"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    """The server died while the request was open."""


class RequestStatus(StrEnum):
    """Filter by outcome; an open request has no status yet."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Includes interrupted requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRecord:
    """The record of one request. Billing counts decoded audio only; a pause costs nothing."""

    request_id: str
    project_id: str
    api_key_id: str | None
    server_id: str
    model_uuid: str
    model_name: str
    """The model that transcribed; the one that was requested is in `config`."""
    created: datetime
    path: str
    endpoint: str = "listen"
    method: Method
    deployment: str = DEPLOYMENT
    code: int
    """The HTTP status: 101 for every stream, however it ended."""
    tags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    """Parameters of the request; of terms, searches and replacements only their number."""
    callback: str | None = None
    """Scheme, host and port of the callback URL, as returned by `callback_origin`."""
    # ---- known at the end ----
    completed: datetime | None = None
    outcome: Outcome = Outcome.OPEN
    audio_seconds: float = 0.0
    channels: int = 0
    billed_seconds: float = 0.0
    """Seconds of audio; each channel counts where channels are transcribed separately."""
    connection_seconds: float = 0.0
    paused_seconds: float = 0.0
    keepalive_count: int = 0
    bytes_in: int = 0
    close_code: int | None = None
    close_reason: str = ""
    usd: float = 0.0
    """Cost at list price."""
    saved_usd: float = 0.0
    """What its pauses would have cost if silence had been sent instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFilter:
    """Filter of requests; a field that is None matches all."""

    project_id: str | None = None
    start: datetime | None = None
    """Earliest creation time."""
    end: datetime | None = None
    """Exclusive upper bound of creation times."""
    accessor: str | None = None
    """Id of the key."""
    request_id: str | None = None
    endpoint: str | None = None
    method: Method | None = None
    deployment: str | None = None
    status: RequestStatus | None = None
    model: str | None = None
    """Name or UUID of the engine's model."""

    def conditions(self) -> list[ColumnElement[bool]]:
        """The filter as SQL conditions."""
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
    """Insert or replace records by their id; idempotent.

    Their cost is added to the spending of their projects. Of several records of one request the last one counts, but
    the record of its start never replaces the record of its end.
    """
    rows = {record.request_id: record for record in records}
    if not rows:
        return
    spent = _spent(connection, rows)
    connection.execute(_upsert(connection.dialect.name), [_row(record) for record in rows.values()])
    # Last, since admission waits for a project that is locked; and in a fixed order, so that two servers that write at
    # once cannot deadlock.
    for project_id, nano in sorted(spent.items()):
        connection.execute(
            update(projects)
            .where(projects.c.project_id == project_id)
            .values(spent=type_coerce(projects.c.spent, BigInteger) + nano)
        )


@cache
def _upsert(dialect: str) -> Insert:
    """The statement of `save_requests`; building it takes longer than writing a dozen rows."""
    statement = (postgresql if dialect == "postgresql" else sqlite).insert(requests)
    renewed = {name: statement.excluded[name] for name in _NAMES if name != "request_id"}
    newer = (statement.excluded.outcome != Outcome.OPEN) | (requests.c.outcome == Outcome.OPEN)
    upsert: Insert = statement.on_conflict_do_update(index_elements=["request_id"], set_=renewed, where=newer)
    return upsert


def find_requests(
    connection: Connection, criteria: RequestFilter, *, limit: int = 10, page: int = 0
) -> list[RequestRecord]:
    """One page of the matching requests, the newest first; pages count from 0.

    Raises UsageError for a limit that is not 1 to 1000, or a page out of bounds.
    """
    if not 1 <= limit <= MAX_PER_PAGE:
        raise UsageError(f"limit is {limit}: give a whole number from 1 to {MAX_PER_PAGE}")
    if not 0 <= page <= LAST_PAGE:
        raise UsageError(f"page is {page}: give a whole number from 0 to {LAST_PAGE}")
    query = _select(criteria).order_by(requests.c.created.desc(), requests.c.request_id.desc())
    return [_request(row) for row in connection.execute(query.limit(limit).offset(limit * page)).mappings()]


def find_request(connection: Connection, request_id: str, *, project_id: str | None = None) -> RequestRecord | None:
    """The request with that id, in `project_id` if that is given."""
    query = _select(RequestFilter(request_id=request_id, project_id=project_id))
    row = connection.execute(query).mappings().first()
    return None if row is None else _request(row)


def count_requests(connection: Connection, criteria: RequestFilter) -> int:
    """Number of matching requests."""
    return connection.scalar(select(func.count()).select_from(requests).where(*criteria.conditions())) or 0


def callback_origin(url: str) -> str:
    """Scheme, host and port of a URL, without user, password, path and query, which may contain secrets."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port is not None else ""
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"


_NAMES = tuple(each.name for each in fields(RequestRecord))


def _spent(connection: Connection, rows: Mapping[str, RequestRecord]) -> dict[str, int]:
    """Nanodollars that these records add to the spending of each project; those that add nothing are left out."""
    costing = {request_id: row.usd for request_id, row in rows.items() if row.outcome != Outcome.OPEN}
    if not costing:
        return {}
    counted = select(requests.c.request_id, requests.c.usd).where(requests.c.request_id.in_(costing))
    before = {row.request_id: row.usd for row in connection.execute(counted)}
    spent: Counter[str] = Counter()
    for request_id, usd in costing.items():
        spent[rows[request_id].project_id] += round((usd - before.get(request_id, 0.0)) * NANO)
    return {project_id: nano for project_id, nano in spent.items() if nano}


def _select(criteria: RequestFilter) -> Select[Any]:
    return select(*(requests.c[name] for name in _NAMES)).where(*criteria.conditions())


def _row(record: RequestRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in _NAMES}


def _request(row: Mapping[Any, Any]) -> RequestRecord:
    values = {name: row[name] for name in _NAMES}
    return RequestRecord(**values | {"method": Method(row["method"]), "outcome": Outcome(row["outcome"])})
