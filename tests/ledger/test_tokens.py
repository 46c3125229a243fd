"""Temporary tokens: granted, read, expired, forged."""

from __future__ import annotations

from datetime import timedelta

import jwt
import pytest

from caesura.errors import UsageError
from caesura.ledger.tokens import Claims, grant_token, read_token
from tests.ledger.rows import NOW

SECRET = "5e" * 32


def granted(ttl_s: int = 30) -> str:
    return grant_token(SECRET, api_key_id="key", project_id="project", now=NOW, ttl_s=ttl_s).access_token


def after(seconds: float) -> Claims | None:
    return read_token(SECRET, granted(), now=NOW + timedelta(seconds=seconds))


def test_a_token_belongs_to_its_key_and_may_only_transcribe() -> None:
    claims = after(0)
    assert claims == Claims("key", "project", ("usage:write",), NOW + timedelta(seconds=30))


def test_a_token_runs_out_at_its_time_by_the_clock_that_is_handed_in() -> None:
    assert after(29.999) is not None
    assert after(30) is None


def test_every_token_is_another_and_is_not_shown_in_its_repr() -> None:
    token = grant_token(SECRET, api_key_id="key", project_id="project", now=NOW)
    assert token.expires_in == 30
    assert token.access_token != granted()
    assert token.access_token not in repr(token)


@pytest.mark.parametrize("ttl_s", [0, -1, 3601])
def test_a_time_out_of_bounds_is_refused(ttl_s: int) -> None:
    with pytest.raises(UsageError, match=f"ttl_seconds is {ttl_s}: give a whole number from 1 to 3600"):
        granted(ttl_s)


@pytest.mark.parametrize("ttl_s", [1, 3600])
def test_the_bounds_themselves_are_granted(ttl_s: int) -> None:
    assert read_token(SECRET, granted(ttl_s), now=NOW + timedelta(seconds=ttl_s - 0.001)) is not None


GOOD = {"iss": "caesura", "sub": "key", "project": "p", "scopes": [], "exp": NOW.timestamp() + 30}


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b.c",
        granted()[:-2] + "AA",
        grant_token("00" * 32, api_key_id="key", project_id="p", now=NOW).access_token,
        jwt.encode(GOOD, None, algorithm="none"),
        jwt.encode(GOOD | {"iss": "someone"}, SECRET),
        jwt.encode({name: value for name, value in GOOD.items() if name != "exp"}, SECRET),
        jwt.encode({name: value for name, value in GOOD.items() if name != "project"}, SECRET),
        jwt.encode(GOOD | {"exp": "soon"}, SECRET),
        jwt.encode(GOOD | {"exp": 1e300}, SECRET),
        jwt.encode(GOOD | {"scopes": 7}, SECRET),
    ],
)
def test_a_token_that_was_not_granted_is_invalid(token: str) -> None:
    assert read_token(SECRET, token, now=NOW) is None
