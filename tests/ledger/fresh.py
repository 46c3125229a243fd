"""A fresh ledger in SQLite for a test, copied from one that was migrated once: the migrations take 50 ms each time."""

from __future__ import annotations

import tempfile
from datetime import datetime
from functools import cache
from pathlib import Path

from caesura.ledger.database import Ledger, open_ledger
from tests.ledger.rows import NOW


def fresh_ledger(path: Path, now: datetime = NOW) -> Ledger:
    """Make a ledger at a path, and open it."""
    path.write_bytes(_migrated())
    return open_ledger(str(path), now=now)


@cache
def _migrated() -> bytes:
    """The file of a ledger that nobody has used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_ledger(str(path), now=NOW).close()
        return path.read_bytes()
