"""Temporary tokens, which can transcribe in place of a key: JSON Web Tokens (RFC 7519) signed with HS256."""

from __future__ import annotations

import math
import secrets
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import jwt
from sqlalchemy import Connection, insert, select

from caesura.errors import UsageError
from caesura.ledger.schema import meta
from caesura.ledger.scopes import LISTEN

DEFAULT_TTL_S = 30
MIN_TTL_S, MAX_TTL_S = 1, 3600
ISSUER = "caesura"
_ALGORITHM = "HS256"
_SECRET = "token_secret"


@dataclass(frozen=True, slots=True)
class Claims:
    """Content of a valid token. Check that its key is still valid: revoking a key revokes its tokens."""

    api_key_id: str
    project_id: str
    scopes: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A new token and its lifetime."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds."""


def ensure_secret(connection: Connection) -> None:
    """Create the secret that signs tokens, if there is none."""
    if connection.scalar(select(meta.c.value).where(meta.c.name == _SECRET)) is None:
        connection.execute(insert(meta).values(name=_SECRET, value=secrets.token_hex(32)))


def token_secret(connection: Connection) -> str:
    """The secret of the ledger, which all its servers share."""
    found = connection.scalar(select(meta.c.value).where(meta.c.name == _SECRET))
    assert found is not None, "an open ledger has one"
    return str(found)


def grant_token(secret: str, *, api_key_id: str, project_id: str, now: datetime, ttl_s: int = DEFAULT_TTL_S) -> Token:
    """Create a token that may transcribe for `ttl_s` seconds, and nothing else. Raises UsageError for a bad `ttl_s`."""
    if not MIN_TTL_S <= ttl_s <= MAX_TTL_S:
        raise UsageError(f"ttl_seconds is {ttl_s}: give a whole number from {MIN_TTL_S} to {MAX_TTL_S}")
    claims = {
        "iss": ISSUER,
        "sub": api_key_id,
        "project": project_id,
        "scopes": [LISTEN],
        "iat": int(now.timestamp()),
        "exp": math.ceil((now + timedelta(seconds=ttl_s)).timestamp()),
        "jti": str(uuid.uuid4()),
    }
    return Token(jwt.encode(claims, secret, algorithm=_ALGORITHM), ttl_s)


def read_token(secret: str, token: str, *, now: datetime) -> Claims | None:
    """Content of a token; None if it was not signed by this ledger, or has expired."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            # Expiry is checked here, because PyJWT would read the clock instead of `now`.
            options={"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "exp"]},
        )
        expires = datetime.fromtimestamp(float(claims["exp"]), UTC)
        read = Claims(str(claims["sub"]), str(claims["project"]), tuple(map(str, claims["scopes"])), expires)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return read if now < read.expires else None
