"""Keys and tokens as clients present them, and what they permit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from caesura.ledger import keys, projects, scopes
from caesura.ledger.access import AccessTable, load_access
from caesura.ledger.database import Ledger
from caesura.ledger.keys import NewKey
from caesura.ledger.projects import DEFAULT_PROJECT_ID
from tests.ledger.rows import NOW


def make(ledger: Ledger, **wanted: Any) -> NewKey:
    defaults: dict[str, Any] = {"project_id": DEFAULT_PROJECT_ID, "now": NOW}
    with ledger.writing() as connection:
        return keys.create_key(connection, **(defaults | wanted))


def table(ledger: Ledger, flag_keys: Sequence[str] = ()) -> AccessTable:
    with ledger.reading() as connection:
        return load_access(connection, flag_keys)


def test_without_any_key_everybody_is_a_member_of_the_default_project(ledger: Ledger) -> None:
    nobody = table(ledger).verify(None, now=NOW)
    assert nobody is not None
    assert (nobody.project_id, nobody.api_key_id) == (DEFAULT_PROJECT_ID, None)
    assert nobody.may(scopes.LISTEN)
    assert not nobody.may(scopes.WRITE_KEYS)
    assert table(ledger).verify("anything", now=NOW) == nobody


def test_as_soon_as_a_key_exists_every_request_needs_one(ledger: Ledger) -> None:
    made = make(ledger, scopes=["usage:write"], tags=["phone"])
    access = table(ledger).verify(made.secret, now=NOW)
    assert access is not None
    assert (access.api_key_id, access.scopes, access.tags) == (made.key.api_key_id, {scopes.LISTEN}, ("phone",))
    for wrong in (None, "", "x", made.secret + "x", made.key.digest, made.key.api_key_id):
        assert table(ledger).verify(wrong, now=NOW) is None


def test_keys_are_still_required_after_all_were_revoked(ledger: Ledger) -> None:
    made = make(ledger)
    with ledger.writing() as connection:
        keys.revoke_key(connection, made.key.api_key_id, now=NOW)
    found = table(ledger)
    assert found.key_required
    assert found.verify(made.secret, now=NOW) is None
    assert found.verify(None, now=NOW) is None
    assert found.revoked() == {made.key.api_key_id}


def test_an_expired_key_is_refused(ledger: Ledger) -> None:
    made = make(ledger, expires=NOW + timedelta(seconds=1))
    found = table(ledger)
    assert found.verify(made.secret, now=NOW) is not None
    assert found.verify(made.secret, now=NOW + timedelta(seconds=1)) is None
    assert found.revoked() == frozenset()


def test_keys_given_by_flag_go_on_working_beside_those_of_the_ledger(ledger: Ledger) -> None:
    made = make(ledger)
    found = table(ledger, ["flag.key.one", "two"])
    access = found.verify("flag.key.one", now=NOW)
    assert access is not None
    assert access.project_id == DEFAULT_PROJECT_ID
    assert access.api_key_id == keys.digest("flag.key.one")[:12]
    assert not access.may(scopes.WRITE_KEYS)
    assert found.verify(made.secret, now=NOW) is not None
    assert "flag.key.one" not in repr(found)


def test_flag_keys_alone_are_keys(ledger: Ledger) -> None:
    found = table(ledger, ["one"])
    assert found.key_required
    assert found.verify(None, now=NOW) is None


def test_a_token_transcribes_in_place_of_its_key_until_it_expires(ledger: Ledger) -> None:
    made = make(ledger, tags=["phone"], scopes=["admin"])
    found = table(ledger)
    access = found.verify(made.secret, now=NOW)
    assert access is not None
    token = found.grant(access, ttl_s=30, now=NOW).access_token
    through = found.verify(token, now=NOW + timedelta(seconds=29))
    assert through is not None
    assert (through.api_key_id, through.scopes, through.tags) == (made.key.api_key_id, {scopes.LISTEN}, ("phone",))
    assert not through.may(scopes.GRANT)
    assert found.verify(token, now=NOW + timedelta(seconds=30)) is None


def test_a_revoked_key_kills_its_tokens(ledger: Ledger) -> None:
    made = make(ledger)
    access = table(ledger).verify(made.secret, now=NOW)
    assert access is not None
    token = table(ledger).grant(access, ttl_s=3600, now=NOW).access_token
    with ledger.writing() as connection:
        keys.revoke_key(connection, made.key.api_key_id, now=NOW)
    assert table(ledger).verify(token, now=NOW) is None


def test_tokens_of_a_flag_key_are_invalid_once_the_flag_is_dropped(ledger: Ledger) -> None:
    found = table(ledger, ["one", "two"])
    access = found.verify("one", now=NOW)
    assert access is not None
    token = found.grant(access, ttl_s=3600, now=NOW).access_token
    assert found.verify(token, now=NOW) is not None
    assert table(ledger, ["two"]).verify(token, now=NOW) is None


def test_projects_come_with_their_limits(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        made = projects.create_project(connection, "acme", now=NOW, concurrency_limit=2)
    assert table(ledger).projects[made.project_id] == made


def test_the_ledger_decides_about_a_flag_key_that_it_contains(ledger: Ledger) -> None:
    """Its scopes and id are those of the ledger, and once revoked neither it nor its tokens are valid."""
    made = make(ledger, scopes=["usage:write", "usage:read", "keys:read"])
    found = table(ledger, [made.secret, "another"])
    access = found.verify(made.secret, now=NOW)
    assert access is not None
    assert access.api_key_id == made.key.api_key_id
    assert not access.may(scopes.WRITE_PROJECT)
    assert list(found.flag_keys.values()) == [keys.digest("another")[:12]]
    with ledger.writing() as connection:
        keys.revoke_key(connection, made.key.api_key_id, now=NOW)
    revoked = table(ledger, [made.secret, "another"])
    assert revoked.verify(made.secret, now=NOW) is None
    assert not revoked.is_valid(keys.digest(made.secret)[:12], now=NOW)
    assert revoked.verify("another", now=NOW) is not None


def test_an_expired_flag_key_is_refused(ledger: Ledger) -> None:
    made = make(ledger, expires=NOW + timedelta(seconds=1))
    assert table(ledger, [made.secret]).verify(made.secret, now=NOW + timedelta(seconds=1)) is None
