"""Ledgers opened by path and URL: made, brought up to date, refused; two writers at once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from caesura.errors import LedgerError, UsageError
from caesura.ledger.database import Ledger, open_ledger
from caesura.ledger.projects import DEFAULT_PROJECT_ID, list_projects
from caesura.ledger.requests import RequestFilter, count_requests, save_requests
from caesura.ledger.schema import metadata
from caesura.ledger.tokens import token_secret
from tests.ledger.rows import NOW, ended

WRITER = """
import sys
from caesura.ledger.database import open_ledger
from caesura.ledger.requests import save_requests
from tests.ledger.rows import NOW, ended
with open_ledger(sys.argv[1], now=NOW) as ledger:
    for number in range(int(sys.argv[2]), int(sys.argv[2]) + 100):
        with ledger.writing() as connection:
            save_requests(connection, [ended(number)])
"""


def test_a_new_ledger_has_the_default_project_and_a_secret(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        (project,) = list_projects(connection)
        secret = token_secret(connection)
    assert (project.project_id, project.name, project.created) == (DEFAULT_PROJECT_ID, "default", NOW)
    assert len(secret) == 64


def test_the_migrations_make_the_tables_that_the_code_expects(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_opening_it_again_keeps_everything(location: str) -> None:
    with open_ledger(location, now=NOW) as ledger, ledger.writing() as connection:
        save_requests(connection, [ended()])
        secret = token_secret(connection)
    with open_ledger(location, now=NOW) as ledger, ledger.reading() as connection:
        assert token_secret(connection) == secret
        assert count_requests(connection, RequestFilter()) == 1


def test_many_may_open_a_new_ledger_at_once(location: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        ledgers = list(threads.map(lambda _: open_ledger(location, now=NOW), range(8)))
    secrets = set()
    for ledger in ledgers:
        with ledger, ledger.reading() as connection:
            secrets.add(token_secret(connection))
            assert len(list_projects(connection)) == 1
    assert len(secrets) == 1


def test_a_ledger_of_a_newer_version_is_refused_with_what_to_do(location: str) -> None:
    with open_ledger(location, now=NOW) as ledger, ledger.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(UsageError, match=r"newer Caesura \(version 9999 .* upgrade Caesura"):
        open_ledger(location, now=NOW)


def test_a_transaction_that_raises_leaves_nothing(ledger: Ledger) -> None:
    def write_and_fail() -> None:
        with ledger.writing() as connection:
            save_requests(connection, [ended()])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with ledger.reading() as connection:
        assert count_requests(connection, RequestFilter()) == 0


def test_a_reader_does_not_wait_for_a_writer(ledger: Ledger) -> None:
    with ledger.writing() as writer:
        save_requests(writer, [ended()])
        with ledger.reading() as reader:
            assert count_requests(reader, RequestFilter()) == 0


def test_a_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "ledger.db"
    with open_ledger(str(path), now=NOW) as ledger, ledger.writing() as connection:
        save_requests(connection, [ended()])
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
        assert modes == dict.fromkeys(("ledger.db", "ledger.db-wal", "ledger.db-shm"), 0o600)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1


def test_a_path_and_its_url_are_the_same_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with open_ledger(str(path), now=NOW) as ledger, ledger.writing() as connection:
        save_requests(connection, [ended()])
    with open_ledger(f"sqlite:///{path}", now=NOW) as ledger, ledger.reading() as connection:
        assert count_requests(connection, RequestFilter()) == 1


def test_a_home_directory_is_written_as_in_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    open_ledger("~/ledger.db", now=NOW).close()
    assert (tmp_path / "ledger.db").exists()


def test_a_ledger_that_must_be_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no ledger at .*gone\.db"):
        open_ledger(str(tmp_path / "gone.db"), now=NOW, create=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("", "no database is named"),
        ("mysql://root:hunter2@host/x", "'mysql' are not supported"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("postgresql://u:hunter2@host:port/x", "cannot be read"),
    ],
)
def test_a_location_that_cannot_be_is_refused_without_its_password(location: str, named: str) -> None:
    with pytest.raises(UsageError, match=named) as refused:
        open_ledger(location, now=NOW)
    assert "postgresql://USER" in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match=r"cannot be made at .*file/ledger\.db"):
        open_ledger(str(tmp_path / "file" / "ledger.db"), now=NOW)


def test_an_invalid_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("this is a letter, not a database, " * 100)
    with pytest.raises(LedgerError, match="file is not a database"):
        open_ledger(str(path), now=NOW)


def test_a_database_that_is_away_is_worth_trying_again_and_its_password_is_not_reported() -> None:
    with pytest.raises(LedgerError, match=r"the ledger at postgresql\+psycopg://me:\*\*\*@") as failed:
        open_ledger("postgresql://me:hunter2@127.0.0.1:1/x", now=NOW)
    assert failed.value.transient
    assert "hunter2" not in str(failed.value)


@pytest.mark.slow
def test_two_processes_may_write_at_once(location: str) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in (os.getcwd(), *sys.path) if path)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, location, str(first)], env=environment) for first in (0, 100)
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    with open_ledger(location, now=NOW) as ledger, ledger.reading() as connection:
        assert count_requests(connection, RequestFilter()) == 200
        (project,) = list_projects(connection)
        assert project.spent_usd == pytest.approx(200 * ended().usd)
