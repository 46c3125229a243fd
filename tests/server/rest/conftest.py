"""Where the ledger of a test may lie: in SQLite always, and once more in PostgreSQL where that is installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgres


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.running() as server:
        yield server.url


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def location(request: pytest.FixtureRequest) -> str | None:
    """None: a file of the test's own."""
    return None if request.param == "sqlite" else postgres.new_database(request.getfixturevalue("postgres_url"))
