"""Projects, the units of accounting to which keys, requests and credits belong."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from caesura.errors import UsageError
from caesura.ledger.revision import bump_revision
from caesura.ledger.schema import credits_table, keys, projects

DEFAULT_PROJECT_ID = "bc6c5b0d-5743-5103-8916-7a97f41c3f0a"
"""Id of the project that every ledger has, for keys given by flag and for requests without a key."""
DEFAULT_NAME = "default"
MAX_AT_ONCE = 1_000_000
MAX_NAME = 256


@dataclass(frozen=True, slots=True)
class Project:
    """A unit of accounting, to which keys, requests and credits belong."""

    project_id: str
    name: str
    created: datetime
    concurrency_limit: int | None = None
    """Most requests at once over all servers that share the ledger; None for no limit."""
    obeys_credits: bool = False
    """Whether its requests are refused once its credits are used up."""
    spent_usd: float = 0.0
    """Cost of its requests at list price."""
    credits_usd: float = 0.0
    """Sum of all its credits, used or not."""

    @property
    def may_spend(self) -> bool:
        """Whether it has credit left, or needs none."""
        return not self.obeys_credits or self.spent_usd < self.credits_usd


def ensure_default(connection: Connection, *, now: datetime) -> None:
    """Create the default project if it does not exist."""
    known = connection.scalar(select(projects.c.project_id).where(projects.c.project_id == DEFAULT_PROJECT_ID))
    if known is None:
        _insert(connection, Project(DEFAULT_PROJECT_ID, DEFAULT_NAME, now))


def create_project(
    connection: Connection, name: str, *, now: datetime, concurrency_limit: int | None = None
) -> Project:
    """Create a project. Raises UsageError for an empty name, one in use, or a limit out of bounds."""
    _check_name(connection, name)
    _check_limit(concurrency_limit)
    project = Project(str(uuid.uuid4()), name, now, concurrency_limit)
    _insert(connection, project)
    bump_revision(connection)
    return project


def find_project(connection: Connection, name_or_id: str) -> Project | None:
    """The project with that id, or else with that name; None if there is none, or it was deleted."""
    found = {project.name: project for project in list_projects(connection)}
    by_id = {project.project_id: project for project in found.values()}
    return by_id.get(name_or_id) or found.get(name_or_id)


def list_projects(connection: Connection) -> list[Project]:
    """All projects that were not deleted, the oldest first."""
    given = (
        select(func.coalesce(func.sum(credits_table.c.amount), 0))
        .where(credits_table.c.project_id == projects.c.project_id)
        .scalar_subquery()
    )
    rows = connection.execute(
        select(projects, given.label("given"))
        .where(projects.c.deleted.is_(None))
        .order_by(projects.c.created, projects.c.project_id)
    )
    return [
        Project(
            row.project_id,
            row.name,
            row.created,
            row.concurrency_limit,
            bool(row.obeys_credits),
            row.spent,
            row.given,
        )
        for row in rows
    ]


def rename_project(connection: Connection, project_id: str, name: str) -> bool:
    """Rename a project; False when no project has that id. Raises UsageError as `create_project` does."""
    project = find_project(connection, project_id)
    if project is None or project.project_id != project_id:
        return False
    if project.name != name:
        _check_name(connection, name)
        _change(connection, project_id, name=name)
    return True


def limit_project(connection: Connection, project_id: str, concurrency_limit: int | None) -> bool:
    """Set the concurrency limit, None for none; False when no project has that id. Raises UsageError."""
    _check_limit(concurrency_limit)
    return _change(connection, project_id, concurrency_limit=concurrency_limit)


def obey_credits(connection: Connection, project_id: str, obeys: bool) -> bool:
    """Set whether the project obeys its credits; False when no project has that id."""
    return _change(connection, project_id, obeys_credits=int(obeys))


def delete_project(connection: Connection, project_id: str, *, now: datetime) -> bool:
    """Delete a project and revoke its keys; its request records stay. False when no project has that id.

    Raises UsageError for the default project, which every server needs.
    """
    if project_id == DEFAULT_PROJECT_ID:
        raise UsageError("the default project cannot be deleted: keys given by flag belong to it")
    if not _change(connection, project_id, deleted=now):
        return False
    connection.execute(
        update(keys).where(keys.c.project_id == project_id, keys.c.revoked.is_(None)).values(revoked=now)
    )
    return True


def _insert(connection: Connection, project: Project) -> None:
    connection.execute(
        insert(projects).values(
            project_id=project.project_id,
            name=project.name,
            created=project.created,
            concurrency_limit=project.concurrency_limit,
        )
    )


def _change(connection: Connection, project_id: str, **values: object) -> bool:
    changed = connection.execute(
        update(projects).where(projects.c.project_id == project_id, projects.c.deleted.is_(None)).values(**values)
    )
    bump_revision(connection)
    return changed.rowcount > 0


def _check_name(connection: Connection, name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME:
        raise UsageError(f"a project needs a name of 1 to {MAX_NAME} characters, not all blank")
    if find_project(connection, name) is not None:
        raise UsageError(f"there is a project {name!r} already: choose another name")


def _check_limit(concurrency_limit: int | None) -> None:
    if concurrency_limit is not None and not 1 <= concurrency_limit <= MAX_AT_ONCE:
        raise UsageError(
            f"a concurrency limit of {concurrency_limit} is not possible: give 1 to {MAX_AT_ONCE}, or none"
        )
