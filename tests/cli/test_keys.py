"""`caesura keys`: made, shown once, listed, revoked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from caesura.cli.main import app
from caesura.ledger.database import open_ledger
from caesura.ledger.keys import key_of_secret
from caesura.ledger.projects import DEFAULT_PROJECT_ID

runner = CliRunner()


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "ledger.db")


def keys(database: str, *arguments: str) -> Result:
    return runner.invoke(app, ["keys", *arguments, "--database", database])


def test_a_key_is_printed_alone_and_the_first_one_with_a_note(database: str) -> None:
    made = keys(database, "create")
    assert made.exit_code == 0
    assert made.stdout.startswith("csk_")
    assert made.stdout.count("\n") == 1
    assert "cannot be shown again" in made.stderr
    assert "This is the first key: from now on every request needs one" in made.stderr
    with open_ledger(database, now=datetime.now(UTC)) as ledger, ledger.reading() as connection:
        found = key_of_secret(connection, made.stdout.strip())
    assert found is not None
    assert (found.project_id, found.scopes, found.expires) == (DEFAULT_PROJECT_ID, ("member",), None)
    assert "first key" not in keys(database, "create").stderr


def test_json_has_the_key_its_id_and_its_project_and_nothing_else(database: str) -> None:
    made = keys(database, "create", "--json", "--project", "acme")
    shown = json.loads(made.stdout)
    assert list(shown) == ["key", "api_key_id", "project_id"]
    assert shown["project_id"] != DEFAULT_PROJECT_ID
    assert "There was no project 'acme', so it was created." in made.stderr
    again = json.loads(keys(database, "create", "--json", "--project", "acme").stdout)
    assert again["project_id"] == shown["project_id"]


def test_the_list_has_everything_of_a_key_but_its_secret(database: str) -> None:
    wanted = [
        "--comment",
        "phone [b]",
        "--scope",
        "usage:write",
        "--scope",
        "usage:read",
        "--tag",
        "x",
        "--expires",
        "30d",
    ]
    made = json.loads(keys(database, "create", "--json", *wanted).stdout)
    (shown,) = json.loads(keys(database, "list", "--json").stdout)
    assert made["key"] not in json.dumps(shown)
    assert "digest" not in shown
    assert (shown["comment"], shown["scopes"], shown["tags"]) == ("phone [b]", ["usage:write", "usage:read"], ["x"])
    assert (shown["state"], shown["revoked"]) == ("active", None)
    assert shown["expires"].endswith("Z")
    listed = keys(database, "list").stdout
    assert f"{made['api_key_id']}  active   default: usage:write usage:read" in listed
    assert "phone [b]" in listed


def test_the_list_can_be_that_of_one_project(database: str) -> None:
    keys(database, "create")
    ours = json.loads(keys(database, "create", "--json", "--project", "acme").stdout)
    (shown,) = json.loads(keys(database, "list", "--json", "--project", "acme").stdout)
    assert shown["api_key_id"] == ours["api_key_id"]
    nobody = keys(database, "list", "--project", "nobody")
    assert nobody.exit_code == 2
    assert "there is no project 'nobody': give one of acme, default" in nobody.stderr


def test_an_empty_list_is_reported(database: str) -> None:
    runner.invoke(app, ["projects", "create", "acme", "--database", database])
    assert keys(database, "list").stdout == "There are no keys.\n"


def test_a_revoked_key_is_listed_as_such(database: str) -> None:
    made = json.loads(keys(database, "create", "--json").stdout)
    assert keys(database, "revoke", made["api_key_id"]).stderr == f"Revoked {made['api_key_id']}.\n"
    assert "was revoked before" in keys(database, "revoke", made["api_key_id"]).stderr
    (shown,) = json.loads(keys(database, "list", "--json").stdout)
    assert shown["state"] == "revoked"
    nobody = keys(database, "revoke", "nobody")
    assert nobody.exit_code == 1
    assert "There is no key with the id nobody" in nobody.stderr


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        (["--scope", "listen"], "there is no scope 'listen'"),
        (["--expires", "soon"], "'soon' is not a time"),
        (["--expires", "2020-01-01"], "expired already"),
    ],
)
def test_invalid_arguments_are_refused_and_no_key_is_created(database: str, wanted: list[str], named: str) -> None:
    refused = keys(database, "create", "--project", "acme", *wanted)
    assert refused.exit_code == 2
    assert named in refused.stderr
    assert json.loads(keys(database, "list", "--json").stdout) == []
    assert "acme" not in runner.invoke(app, ["projects", "list", "--database", database]).stdout


def test_the_database_can_be_named_by_the_variable(database: str) -> None:
    made = runner.invoke(app, ["keys", "create"], env={"CAESURA_DATABASE": database})
    assert made.exit_code == 0
    assert Path(database).exists()
