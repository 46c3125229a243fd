"""A real server on a given ledger, with a key that owns its default project."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from caesura.ledger.balances import add_credit
from caesura.ledger.database import open_ledger
from caesura.ledger.keys import create_key
from caesura.ledger.projects import DEFAULT_PROJECT_ID, create_project
from tests.server_process import ServerProcess, start_server

PROJECT = DEFAULT_PROJECT_ID


@dataclass(frozen=True, slots=True)
class Managed:
    """A running server. `other` is a project that `key` has nothing to do with, `credit` one of 5 USD."""

    served: ServerProcess
    key: str
    other: str
    credit: str

    @property
    def http(self) -> str:
        return self.served.url.replace("ws://", "http://")


@contextmanager
def managed(location: str) -> Iterator[Managed]:
    """A server with the scripted engine while inside."""
    now = datetime.now(UTC)
    with open_ledger(location, now=now) as ledger, ledger.writing() as connection:
        key = create_key(connection, project_id=PROJECT, now=now, comment="the first", scopes=("owner",)).secret
        other = create_project(connection, "other", now=now).project_id
        credit = add_credit(connection, PROJECT, 5, now=now, note="po-1")
    with start_server(database=location) as served:
        yield Managed(served, key, other, credit)
