"""Revision number of keys and projects, so that a cache of them polls a single row."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from caesura.ledger.schema import revision

_NAME = "access"


def bump_revision(connection: Connection) -> None:
    """Increment the revision, in the transaction that changes keys or projects."""
    counted = connection.execute(update(revision).where(revision.c.name == _NAME).values(number=revision.c.number + 1))
    if counted.rowcount == 0:
        connection.execute(insert(revision).values(name=_NAME, number=1))


def current(connection: Connection) -> int:
    """The current revision; 0 before the first change."""
    return connection.scalar(select(revision.c.number).where(revision.c.name == _NAME)) or 0
