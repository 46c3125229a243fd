"""Where the ledger of a test may lie: in SQLite always, and once more in PostgreSQL where that is installed."""

from __future__ import annotations

import pytest

from tests import postgres


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def location(request: pytest.FixtureRequest) -> str | None:
    """None: a file of the test's own."""
    return None if request.param == "sqlite" else postgres.new_database(request.getfixturevalue("postgres_url"))
