"""Opens a ledger in SQLite or PostgreSQL, and migrates its tables to the newest version."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy
from sqlalchemy import URL, Connection, Engine, event, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    NotSupportedError,
    ProgrammingError,
    TimeoutError,
)

from caesura.distribution import install_command
from caesura.errors import LedgerError, UsageError
from caesura.ledger import projects, tokens
from caesura.ledger.migration import upgrade

BUSY_TIMEOUT_MS = 10_000
"""How long a writer waits for the lock of SQLite."""
WAL_TRIES = 100
CONNECT_TIMEOUT_S = 5
STALL_MS = 10_000
"""Time without an acknowledgement after which a connection to PostgreSQL is considered lost."""
POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
FORMS = "give a path or sqlite:///PATH for a file, or postgresql://USER:PASSWORD@HOST/NAME"


class Ledger:
    """An open ledger. Its functions take a connection from `reading` or `writing`; threads may share the ledger."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def where(self) -> str:
        """URL of the database without the password, for logs and messages."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A read transaction, which sees one consistent state. Raises LedgerError."""
        with (
            _translated(self.where),
            self._engine.connect().execution_options(caesura_reads=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A write transaction, rolled back if the block raises. Raises LedgerError."""
        with _translated(self.where), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Close all connections. A closed ledger opens new ones when it is used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_ledger(location: str, *, now: datetime, create: bool = True) -> Ledger:
    """Open the ledger at a path or URL, and migrate its tables; with `create`, create it if it does not exist.

    Several processes may open a ledger at once: one migrates it, the others wait.

    Raises:
        UsageError: The location is not supported, has no ledger, or has one of a newer Caesura.
        LedgerError: The database cannot be reached, read or written.
    """
    url = _url(location)
    if url.get_backend_name() == "sqlite":
        _prepare_file(Path(url.database or ""), create=create)
        engine = _sqlite(url)
    else:
        engine = _postgres(url)
    ledger = Ledger(engine)
    try:
        with ledger.writing() as connection:
            if upgrade(connection, ledger.where):
                projects.ensure_default(connection, now=now)
                tokens.ensure_secret(connection)
    except BaseException:
        ledger.close()
        raise
    return ledger


def _url(location: str) -> URL:
    """`location` as a URL of SQLAlchemy; anything without `://` is a path."""
    if "://" not in location:
        if not location:
            raise UsageError(f"no database is named: {FORMS}")
        return URL.create("sqlite", database=os.path.expanduser(location))
    try:
        url = make_url(location)
    except (ArgumentError, ValueError):
        raise UsageError(f"the database URL cannot be read: {FORMS}") from None
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url.set(query={})
    if url.drivername in POSTGRES:
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite":
        raise UsageError(f"a ledger in memory would be gone with its server: {FORMS}")
    raise UsageError(f"databases of the kind {url.drivername!r} are not supported: {FORMS}")


def _prepare_file(path: Path, *, create: bool) -> None:
    """Create the file so that only its owner can read it; SQLite gives its side files the same mode."""
    if path.exists():
        return
    if not create:
        raise UsageError(f"there is no ledger at {path}: name another by --database, or run `caesura serve` first")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        raise LedgerError(
            f"the ledger cannot be made at {path}: {error.strerror}; name another place by --database", transient=False
        ) from error


def _sqlite(url: URL) -> Engine:
    engine = sqlalchemy.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    # The driver would begin transactions too late, and not at all before DDL, so `_begin_sqlite` begins them.
    connection.isolation_level = None
    _switch_to_wal(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: Any) -> None:
    """Switch to write-ahead logging; works also if several processes open a new file at once.

    The statement ignores the busy timeout and fails in that case, so it is repeated after waiting for the lock.
    """
    for _ in range(WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            # This statement obeys the busy timeout.
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: a transaction that began as a reader fails without waiting if another one wrote.
    reads = connection.get_execution_options().get("caesura_reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def _postgres(url: URL) -> Engine:
    try:
        return sqlalchemy.create_engine(
            url,
            pool_pre_ping=True,
            connect_args={
                "connect_timeout": CONNECT_TIMEOUT_S,
                "tcp_user_timeout": STALL_MS,
                "application_name": "caesura",
            },
        )
    except ModuleNotFoundError as missing:
        raise UsageError(f"a ledger on PostgreSQL needs its driver: {install_command('postgres')}") from missing


@contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn errors of the database into LedgerError, without statements and values in the message."""
    try:
        yield
    except (DBAPIError, TimeoutError) as error:
        reason = str(error.orig).strip() if isinstance(error, DBAPIError) else str(error)
        # Errors caused by the statement will recur; all others may be transient: a full disk, a server that is down or
        # temporarily read-only.
        transient = not isinstance(error, DataError | IntegrityError | ProgrammingError | NotSupportedError)
        raise LedgerError(f"the ledger at {where} failed: {reason}", transient=transient) from error
