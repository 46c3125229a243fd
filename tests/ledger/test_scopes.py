"""Roles taken apart, and scopes that do not exist."""

from __future__ import annotations

import pytest

from caesura.errors import UsageError
from caesura.ledger import scopes
from caesura.ledger.scopes import ROLES, SINGLE, allowed, check_scopes


def test_each_role_may_do_what_the_one_below_may() -> None:
    assert ROLES["member"] < ROLES["admin"] < ROLES["owner"]
    assert {scopes.GRANT, *SINGLE} == ROLES["owner"]


def test_a_member_listens_and_grants_and_touches_no_keys() -> None:
    member = allowed(["member"])
    assert {scopes.LISTEN, scopes.GRANT, scopes.READ_USAGE} <= member
    assert not {scopes.READ_KEYS, scopes.WRITE_KEYS, scopes.WRITE_PROJECT} & member


def test_a_single_scope_allows_itself_and_no_granting() -> None:
    assert allowed(["usage:write"]) == {scopes.LISTEN}


def test_scopes_add_up_and_unknown_ones_add_nothing() -> None:
    assert allowed(["usage:write", "keys:read", "grant", "onprem:products"]) == {"usage:write", "keys:read"}


def test_scopes_count_once() -> None:
    assert check_scopes(["usage:write", "member", "usage:write"]) == ("usage:write", "member")


def test_grant_cannot_be_given_as_a_scope() -> None:
    with pytest.raises(UsageError, match="no scope 'grant'"):
        check_scopes(["grant"])
