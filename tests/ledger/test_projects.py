"""Projects made, found, renamed, bounded and deleted."""

from __future__ import annotations

import pytest

from caesura.errors import UsageError
from caesura.ledger import keys, projects
from caesura.ledger.database import Ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project, create_project, find_project, list_projects
from caesura.ledger.requests import RequestFilter, count_requests, save_requests
from tests.ledger.rows import NOW, ended


def make(ledger: Ledger, name: str = "acme") -> Project:
    with ledger.writing() as connection:
        return create_project(connection, name, now=NOW, concurrency_limit=3)


def test_a_project_is_found_by_its_name_and_by_its_id(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.reading() as connection:
        assert find_project(connection, "acme") == made
        assert find_project(connection, made.project_id) == made
        assert find_project(connection, "other") is None
        assert {each.name for each in list_projects(connection)} == {"default", "acme"}


def test_the_default_project_is_made_once(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        projects.ensure_default(connection, now=NOW)
        assert [each.project_id for each in list_projects(connection)] == [DEFAULT_PROJECT_ID]


@pytest.mark.parametrize("name", ["", "  ", "x" * 257, "default"])
def test_a_name_that_cannot_be_is_refused(ledger: Ledger, name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        make(ledger, name)
    made = make(ledger)
    with pytest.raises(UsageError, match="name"), ledger.writing() as connection:
        projects.rename_project(connection, made.project_id, name)


def test_a_project_is_renamed_and_may_keep_its_name(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.writing() as connection:
        assert projects.rename_project(connection, made.project_id, "acme")
        assert projects.rename_project(connection, made.project_id, "best")
        assert not projects.rename_project(connection, "best", "other")
        assert find_project(connection, "acme") is None
        assert find_project(connection, "best") is not None


def test_a_limit_is_set_and_removed(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.writing() as connection:
        for limit in (7, None):
            assert projects.limit_project(connection, made.project_id, limit)
            found = find_project(connection, "acme")
            assert found is not None
            assert found.concurrency_limit == limit
        assert not projects.limit_project(connection, "nobody", 1)


@pytest.mark.parametrize("limit", [0, -1, 1_000_001])
def test_a_limit_out_of_bounds_is_refused(ledger: Ledger, limit: int) -> None:
    made = make(ledger)
    with pytest.raises(UsageError, match=f"limit of {limit} is not possible"), ledger.writing() as connection:
        projects.limit_project(connection, made.project_id, limit)


def test_deleting_a_project_revokes_its_keys_and_keeps_its_requests(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.writing() as connection:
        key = keys.create_key(connection, project_id=made.project_id, now=NOW).key
        other = keys.create_key(connection, project_id=DEFAULT_PROJECT_ID, now=NOW).key
        save_requests(connection, [ended(project_id=made.project_id)])
        assert projects.delete_project(connection, made.project_id, now=NOW)
        assert not projects.delete_project(connection, made.project_id, now=NOW)
    with ledger.reading() as connection:
        assert find_project(connection, "acme") is None
        dead, alive = (keys.find_key(connection, each.api_key_id) for each in (key, other))
        assert dead is not None
        assert alive is not None
        assert (dead.revoked, alive.revoked) == (NOW, None)
        assert count_requests(connection, RequestFilter(project_id=made.project_id)) == 1
    make(ledger)


def test_the_default_project_cannot_be_deleted(ledger: Ledger) -> None:
    with pytest.raises(UsageError, match="default project cannot be deleted"), ledger.writing() as connection:
        projects.delete_project(connection, DEFAULT_PROJECT_ID, now=NOW)
