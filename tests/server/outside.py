"""The ledger of a running server as seen by another process, which reads rows and creates and revokes keys.

Everything here opens the file anew and closes it again: the server learns of it as it learns of `caesura keys`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from caesura.ledger import balances, keys, projects
from caesura.ledger.database import open_ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project
from caesura.ledger.requests import RequestFilter, RequestRecord, find_requests


@dataclass(frozen=True)
class Outside:
    """A ledger in a file that a server has open too."""

    path: Path

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with open_ledger(str(self.path), now=datetime.now(UTC)) as ledger, ledger.writing() as connection:
            yield connection

    def key(self, **wanted: Any) -> keys.NewKey:
        """A new key, of the default project unless another is wanted."""
        with self.writing() as connection:
            return keys.create_key(connection, **{"project_id": DEFAULT_PROJECT_ID, "now": datetime.now(UTC), **wanted})

    def revoke(self, key: keys.NewKey) -> None:
        with self.writing() as connection:
            assert keys.revoke_key(connection, key.key.api_key_id, now=datetime.now(UTC))

    def project(self, name: str, *, limit: int | None = None) -> Project:
        with self.writing() as connection:
            return projects.create_project(connection, name, now=datetime.now(UTC), concurrency_limit=limit)

    def limit(self, project: Project, limit: int | None) -> None:
        with self.writing() as connection:
            assert projects.limit_project(connection, project.project_id, limit)

    def obey_credits(self, project: Project) -> None:
        with self.writing() as connection:
            assert projects.obey_credits(connection, project.project_id, True)

    def give(self, project: Project, usd: float) -> None:
        with self.writing() as connection:
            balances.add_credit(connection, project.project_id, usd, now=datetime.now(UTC))

    def rows(self) -> list[RequestRecord]:
        """The written rows, the newest first."""
        with self.writing() as connection:
            return find_requests(connection, RequestFilter(), limit=1000)
