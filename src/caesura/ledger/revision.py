"""A change of keys or projects in; a number that grows with each out, so that who caches them polls one row."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select, update

from caesura.ledger.schema import revision

_NAME = "access"


def count_up(connection: Connection) -> None:
    """Say that keys or projects changed, in the transaction that changes them."""
    counted = connection.execute(update(revision).where(revision.c.name == _NAME).values(number=revision.c.number + 1))
    if counted.rowcount == 0:
        connection.execute(insert(revision).values(name=_NAME, number=1))


def current(connection: Connection) -> int:
    """The number now; 0 before the first change."""
    return connection.scalar(select(revision.c.number).where(revision.c.name == _NAME)) or 0
