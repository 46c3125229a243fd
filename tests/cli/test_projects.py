"""`caesura projects`: made, listed, bounded, credited."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.ledger.database import open_ledger
from caesura.ledger.projects import find_project
from caesura.ledger.requests import save_requests
from caesura.ledger.servers import register, this_server
from tests.ledger.rows import ended, opened

runner = CliRunner()


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "ledger.db")
    assert projects(path, "create", "acme").exit_code == 0
    return path


def projects(database: str, *arguments: str) -> Result:
    return runner.invoke(app, ["projects", *arguments, "--database", database])


def acme(database: str) -> dict[str, object]:
    found: list[dict[str, object]] = json.loads(projects(database, "list", "--json").stdout)
    return next(each for each in found if each["name"] == "acme")


def test_a_project_is_made_and_its_id_printed(database: str) -> None:
    made = projects(database, "create", "best")
    listed = projects(database, "list").stdout
    assert made.stdout.strip() in listed
    assert json.loads(projects(database, "create", "other", "--json").stdout)["name"] == "other"
    again = projects(database, "create", "best")
    assert again.exit_code == 2
    assert "there is a project 'best' already" in again.stderr


def test_bounds_are_set_each_by_itself(database: str) -> None:
    projects(database, "set", "acme", "--streams", "3")
    projects(database, "set", "acme", "--obey-credits")
    assert (acme(database)["concurrency_limit"], acme(database)["obeys_credits"]) == (3, True)
    projects(database, "set", "acme", "--streams", "0", "--ignore-credits")
    assert (acme(database)["concurrency_limit"], acme(database)["obeys_credits"]) == (None, False)
    assert projects(database, "set", "nobody").exit_code == 2
    assert projects(database, "set", "acme", "--streams", "-1").exit_code == 2


def test_the_open_requests_of_all_servers_are_shown(database: str) -> None:
    assert acme(database)["open"] == 0
    now = datetime.now(UTC)
    with open_ledger(database, now=now) as ledger, ledger.writing() as connection:
        for _ in range(2):
            server = this_server(now)
            register(connection, server)
            ids: dict[str, Any] = {"project_id": acme_id(connection), "server_id": server.server_id}
            save_requests(connection, [opened(request_id=str(uuid.uuid4()), **ids) for _ in range(3)])
            save_requests(connection, [ended(request_id=str(uuid.uuid4()), **ids)])
    assert acme(database)["open"] == 6
    assert listed(database) == ["acme", "6", "$0.0048"]
    projects(database, "set", "acme", "--streams", "10")
    assert listed(database) == ["acme", "6", "of", "10", "$0.0048"]


def listed(database: str) -> list[str]:
    """What the table says about acme, without its id and its credit."""
    line = next(line for line in projects(database, "list").stdout.splitlines() if "acme" in line)
    return line.split()[1:-2]


def acme_id(connection: Connection) -> str:
    project = find_project(connection, "acme")
    assert project is not None
    return project.project_id


def test_credit_is_given_and_shown(database: str) -> None:
    given = projects(database, "credit", "acme", "25", "--note", "order 7")
    assert len(given.stdout.strip()) == 36
    assert acme(database)["credits_usd"] == 25
    assert "$25.00 (ignored)" in projects(database, "list").stdout
    assert projects(database, "credit", "acme", "0").exit_code == 2
    assert projects(database, "credit", "nobody", "1").exit_code == 2
