"""Tables of an older version, with rows in them, brought up to the newest."""

from __future__ import annotations

from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import text

from caesura.ledger import migration, projects, tokens
from caesura.ledger.database import Ledger, open_ledger
from caesura.ledger.requests import find_request
from tests.ledger.rows import NOW, ended


@pytest.fixture
def empty(location: str, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """A database without any table."""
    with monkeypatch.context() as nothing:
        nothing.setattr("caesura.ledger.database.upgrade", lambda *_: False)
        return open_ledger(location, now=NOW)


def test_each_step_follows_the_one_before_it() -> None:
    here = str(Path(migration.__file__).parent / "migrations")
    steps = [script.revision for script in ScriptDirectory(here).walk_revisions()]
    assert steps == [f"{number:04}" for number in range(len(steps), 0, -1)]


def test_rows_of_version_1_exist_after_the_migration(empty: Ledger, location: str) -> None:
    columns = "request_id project_id api_key_id tags model_uuid model_name created completed path endpoint method"
    columns += " deployment code outcome audio_seconds channels billed_seconds connection_seconds paused_seconds"
    columns += " keepalive_count bytes_in close_code close_reason features config usd saved_usd server_id"
    project = projects.DEFAULT_PROJECT_ID
    with empty, empty.writing() as connection:
        assert migration.upgrade(connection, "here", to="0001")
        connection.execute(
            text(
                "INSERT INTO projects (project_id, name, created) VALUES (:id, 'default', '2026-11-22T10:00:00.000Z')"
            ),
            {"id": project},
        )
        tokens.ensure_secret(connection)
        connection.execute(
            text(
                f"INSERT INTO requests ({columns.replace(' ', ', ')}) VALUES ('00000000-0000-7000-8000-000000000000',"
                f" '{project}', '11111111-0000-4000-8000-000000000001', '[\"night\",\"call\"]',"
                " '33333333-0000-4000-8000-000000000001', 'scripted', '2026-11-22T10:00:00.000Z',"
                " '2026-11-22T10:01:00.000Z', '/v1/listen', 'listen', 'streaming', 'self-hosted', 101, 'succeeded',"
                " 30, 1, 30, 60, 20, 4, 960000, 1000, '', '[\"interim_results\",\"punctuate\"]',"
                ' \'{"language"\\:"en","model"\\:"nova-3"}\', 2400000, 1600000,'
                " '22222222-0000-4000-8000-000000000001')"
            )
        )
    with open_ledger(location, now=NOW) as ledger, ledger.reading() as connection:
        assert find_request(connection, ended().request_id) == ended()
        (found,) = projects.list_projects(connection)
        assert (found.spent_usd, found.credits_usd, found.obeys_credits) == (0.0024, 0.0, False)


def test_a_step_that_fails_leaves_the_older_version_whole(
    empty: Ledger, location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty, empty.writing() as connection:
        migration.upgrade(connection, "here", to="0001")
        # In the way of a table that the second step makes; on its way there it has made nothing that stays.
        connection.execute(text("CREATE TABLE ix_credits_project_id (x INTEGER)"))
    with pytest.raises(Exception, match="ix_credits_project_id"):
        open_ledger(location, now=NOW)
    with empty, empty.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "0001"
        with pytest.raises(Exception, match="credits"):
            connection.execute(text("SELECT 1 FROM credits"))


def test_nothing_is_done_where_nothing_is_to_do(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert not migration.upgrade(connection, "here")
