"""`caesura projects`: made, listed, bounded, credited."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.main import app

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


def test_credit_is_given_and_shown(database: str) -> None:
    given = projects(database, "credit", "acme", "25", "--note", "order 7")
    assert len(given.stdout.strip()) == 36
    assert acme(database)["credits_usd"] == 25
    assert "$25.00 (ignored)" in projects(database, "list").stdout
    assert projects(database, "credit", "acme", "0").exit_code == 2
    assert projects(database, "credit", "nobody", "1").exit_code == 2
