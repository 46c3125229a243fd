"""A number that only grows."""

from __future__ import annotations

from caesura.ledger import revision
from caesura.ledger.database import Ledger


def test_it_begins_at_nothing_and_grows_by_one(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert revision.current(connection) == 0
        revision.bump_revision(connection)
        revision.bump_revision(connection)
        assert revision.current(connection) == 2
