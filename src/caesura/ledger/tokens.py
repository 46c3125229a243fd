"""A key in; a temporary token that may listen in its stead out, and back: JSON Web Tokens (RFC 7519), HS256."""

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
SHORTEST_TTL_S, LONGEST_TTL_S = 1, 3600
ISSUER = "caesura"
_ALGORITHM = "HS256"
_SECRET = "token_secret"


@dataclass(frozen=True, slots=True)
class Claims:
    """Whom a valid token stands for. Ask whether that key still lets anybody in: a revoked key kills its tokens."""

    api_key_id: str
    project_id: str
    scopes: tuple[str, ...]
    expires: datetime


@dataclass(frozen=True, slots=True)
class Token:
    """A token just made."""

    access_token: str = field(repr=False)
    expires_in: int
    """Seconds."""


def ensure_secret(connection: Connection) -> None:
    """Make the secret that tokens are signed with, if there is none."""
    if connection.scalar(select(meta.c.value).where(meta.c.name == _SECRET)) is None:
        connection.execute(insert(meta).values(name=_SECRET, value=secrets.token_hex(32)))


def token_secret(connection: Connection) -> str:
    """The secret of this ledger; all servers on it sign with the same."""
    found = connection.scalar(select(meta.c.value).where(meta.c.name == _SECRET))
    assert found is not None, "an open ledger has one"
    return str(found)


def grant_token(secret: str, *, api_key_id: str, project_id: str, now: datetime, ttl_s: int = DEFAULT_TTL_S) -> Token:
    """A token that may listen for `ttl_s` seconds from `now`, and do nothing else. Raises UsageError for the time."""
    if not SHORTEST_TTL_S <= ttl_s <= LONGEST_TTL_S:
        raise UsageError(f"ttl_seconds is {ttl_s}: give a whole number from {SHORTEST_TTL_S} to {LONGEST_TTL_S}")
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
    """Whom it stands for; None when it is no token of this ledger, or its time is over."""
    try:
        claims = jwt.decode(
            token,
            secret,
            algorithms=[_ALGORITHM],
            issuer=ISSUER,
            # Its clock would be the machine's; ours is handed in.
            options={"verify_exp": False, "verify_iat": False, "require": ["iss", "sub", "exp"]},
        )
        expires = datetime.fromtimestamp(float(claims["exp"]), UTC)
        read = Claims(str(claims["sub"]), str(claims["project"]), tuple(map(str, claims["scopes"])), expires)
    except (jwt.InvalidTokenError, KeyError, TypeError, ValueError, OverflowError):
        return None
    return read if now < read.expires else None
