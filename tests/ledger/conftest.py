"""A ledger for each test: in SQLite always, and once more in PostgreSQL where that is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from caesura.ledger.database import Ledger, open_ledger
from tests import postgres
from tests.ledger.fresh import fresh_ledger
from tests.ledger.rows import NOW


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a ledger may be made, one after the other in either database."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return postgres.new_database(request.getfixturevalue("postgres_url"))


@pytest.fixture
def ledger(location: str) -> Iterator[Ledger]:
    with open_ledger(location, now=NOW) if "://" in location else fresh_ledger(Path(location)) as opened:
        yield opened
