"""A URL or path in; an open ledger with the newest tables out: SQLite in a file, or PostgreSQL."""

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
"""How long a writer of SQLite waits for another one."""
WAL_TRIES = 100
CONNECT_TIMEOUT_S = 5
STALL_MS = 10_000
"""A PostgreSQL that acknowledges nothing for so long is taken to be gone."""
POSTGRES = ("postgresql", "postgres", "postgresql+psycopg")
FORMS = "give a path or sqlite:///PATH for a file, or postgresql://USER:PASSWORD@HOST/NAME"


class Ledger:
    """An open ledger. Functions of this package take a connection from `reading` or `writing`; threads may share it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def where(self) -> str:
        """Where it lies, for logs and messages; without a password."""
        return self._engine.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One transaction that reads; it sees one state throughout. Raises LedgerError."""
        with (
            _translated(self.where),
            self._engine.connect().execution_options(caesura_reads=True) as connection,
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction that writes: all of it is kept, or nothing if it raises. Raises LedgerError."""
        with _translated(self.where), self._engine.begin() as connection:
            yield connection

    def close(self) -> None:
        """Let go of all connections. A closed ledger opens new ones when it is used again."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_ledger(location: str, *, now: datetime, create: bool = True) -> Ledger:
    """Open the ledger at a path or URL and bring its tables up to date, made if there is none and `create`.

    Several processes may do so at once: one migrates, the others wait.

    Raises:
        UsageError: The location is none we know, holds no ledger, or holds one of a newer Caesura.
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
    """SQLAlchemy's idea of `location`. What is no URL is a path."""
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
    """The file is there, and nobody else on this machine can read it: SQLite gives its side files the same mode."""
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
    # The driver would begin transactions too late, and none before a change of tables: we begin them ourselves.
    connection.isolation_level = None
    _switch_to_wal(connection)
    for pragma in ("synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _switch_to_wal(connection: Any) -> None:
    """Of several who open a new file at once one switches it, and the switch alone does not wait as statements do."""
    for _ in range(WAL_TRIES):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            # This does wait for the others.
            connection.execute("BEGIN EXCLUSIVE")
            connection.execute("COMMIT")
        else:
            return
    connection.execute("PRAGMA journal_mode=WAL")


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes its lock at once: one that began as a reader would fail, not wait, when another writes meanwhile.
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
    """Inside, what the database raises becomes a LedgerError; its statements and values stay out of the message."""
    try:
        yield
    except (DBAPIError, TimeoutError) as error:
        reason = str(error.orig).strip() if isinstance(error, DBAPIError) else str(error)
        # What says that the statement is at fault will say so again; all else may pass: a disk that is full, a server
        # that is away or only reads for now.
        transient = not isinstance(error, DataError | IntegrityError | ProgrammingError | NotSupportedError)
        raise LedgerError(f"the ledger at {where} failed: {reason}", transient=transient) from error
