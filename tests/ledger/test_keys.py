"""Keys made, listed, found by their secret and revoked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from caesura.errors import UsageError
from caesura.ledger import projects, revision
from caesura.ledger.database import Ledger
from caesura.ledger.keys import (
    Key,
    NewKey,
    any_keys,
    create_key,
    digest,
    find_key,
    key_of_secret,
    list_keys,
    revoke_key,
)
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from tests.ledger.rows import NOW


def make(ledger: Ledger, **wanted: Any) -> NewKey:
    defaults: dict[str, Any] = {"project_id": DEFAULT_PROJECT_ID, "now": NOW}
    with ledger.writing() as connection:
        return create_key(connection, **(defaults | wanted))


def test_a_key_is_read_back_as_it_was_created(ledger: Ledger) -> None:
    end = NOW + timedelta(days=30)
    made = make(ledger, comment="phone", scopes=["usage:write", "member"], tags=["a", "b"], expires=end)
    assert made.key.scopes == ("usage:write", "member")
    with ledger.reading() as connection:
        assert find_key(connection, made.key.api_key_id) == made.key
        assert key_of_secret(connection, made.secret) == made.key
        assert list_keys(connection) == [made.key]


def test_a_secret_is_kept_nowhere_and_shown_in_no_repr(ledger: Ledger) -> None:
    made = make(ledger)
    assert made.secret not in repr(made)
    assert made.key.digest not in repr(made)
    with ledger.reading() as connection:
        rows = connection.execute(text("SELECT * FROM keys")).all()
    assert made.secret not in repr(rows)
    assert digest(made.secret) in repr(rows)


def test_every_secret_is_another_of_256_bits(ledger: Ledger) -> None:
    secrets = {make(ledger).secret for _ in range(20)}
    assert len(secrets) == 20
    assert all(secret.startswith("csk_") and len(secret) == len("csk_") + 43 for secret in secrets)


def test_a_wrong_secret_finds_no_key(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.reading() as connection:
        assert key_of_secret(connection, made.secret[:-1]) is None
        assert key_of_secret(connection, "") is None
        assert key_of_secret(connection, "\ud800") is None


def test_a_revoked_key_is_refused_and_is_revoked_once(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.writing() as connection:
        assert revoke_key(connection, made.key.api_key_id, now=NOW)
        assert not revoke_key(connection, made.key.api_key_id, now=NOW + timedelta(days=1))
        assert not revoke_key(connection, "nobody", now=NOW)
        found = find_key(connection, made.key.api_key_id)
    assert found is not None
    assert found.revoked == NOW
    assert not found.is_valid(NOW)


def test_a_key_expires_at_its_end_and_not_before() -> None:
    key = Key("id", "project", "", ("member",), (), NOW, NOW + timedelta(seconds=10))
    assert key.is_valid(NOW + timedelta(seconds=9.999))
    assert not key.is_valid(NOW + timedelta(seconds=10))


def test_revoking_the_last_key_does_not_open_the_door(ledger: Ledger) -> None:
    with ledger.reading() as connection:
        assert not any_keys(connection)
    made = make(ledger)
    with ledger.writing() as connection:
        revoke_key(connection, made.key.api_key_id, now=NOW)
        assert any_keys(connection)


def test_keys_are_listed_and_found_in_their_own_project(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        other = projects.create_project(connection, "other", now=NOW).project_id
    ours, theirs = make(ledger).key, make(ledger, project_id=other).key
    with ledger.reading() as connection:
        assert list_keys(connection, other) == [theirs]
        assert find_key(connection, ours.api_key_id, project_id=other) is None
        assert find_key(connection, ours.api_key_id, project_id=DEFAULT_PROJECT_ID) == ours


@pytest.mark.parametrize(
    ("wanted", "named"),
    [
        ({"project_id": "nobody"}, "no project nobody"),
        ({"scopes": []}, "at least one scope"),
        ({"scopes": ["listen"]}, "no scope 'listen': give any of member"),
        ({"expires": NOW}, "expired already"),
        ({"comment": "x" * 1001}, "1001 characters"),
        ({"tags": ["x"] * 65}, "65 tags"),
        ({"tags": [""]}, "'' has 0 characters"),
        ({"tags": ["x" * 129]}, "129 characters"),
    ],
)
def test_a_key_that_cannot_be_is_refused(ledger: Ledger, wanted: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        make(ledger, **wanted)


def test_every_change_counts_the_revision_up(ledger: Ledger) -> None:
    def now() -> int:
        with ledger.reading() as connection:
            return revision.current(connection)

    before = now()
    made = make(ledger)
    assert now() == before + 1
    with ledger.writing() as connection:
        revoke_key(connection, made.key.api_key_id, now=NOW)
    assert now() == before + 2
    with ledger.writing() as connection:
        revoke_key(connection, made.key.api_key_id, now=NOW)
    assert now() == before + 2
