"""API keys; the ledger stores only their digests.

A secret is 256 random bits, so one round of SHA-256 is enough: slow hashes (argon2, bcrypt) defend against dictionary
attacks, which are impossible here, and every request would pay for one.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update

from caesura.errors import UsageError
from caesura.ledger.revision import bump_revision
from caesura.ledger.schema import keys, projects
from caesura.ledger.scopes import DEFAULT, check_scopes

PREFIX = "csk_"
"""Prefix of every secret, by which scanners for leaked keys recognise it."""
MAX_COMMENT = 1000
MAX_TAGS = 64
MAX_TAG = 128


@dataclass(frozen=True, slots=True)
class Key:
    """A key without its secret."""

    api_key_id: str
    project_id: str
    comment: str
    scopes: tuple[str, ...]
    tags: tuple[str, ...]
    created: datetime
    expires: datetime | None = None
    revoked: datetime | None = None
    digest: str = field(default="", repr=False)
    """SHA-256 of the secret."""

    def is_valid(self, now: datetime) -> bool:
        """Whether the key is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key with its secret, which cannot be shown again."""

    key: Key
    secret: str = field(repr=False)


def create_key(
    connection: Connection,
    *,
    project_id: str,
    now: datetime,
    comment: str = "",
    scopes: Sequence[str] = DEFAULT,
    tags: Sequence[str] = (),
    expires: datetime | None = None,
) -> NewKey:
    """Create a key for a project.

    Raises UsageError for an unknown project or scope, a bad tag, or an expiry in the past.
    """
    alive = select(projects.c.project_id).where(projects.c.project_id == project_id, projects.c.deleted.is_(None))
    if connection.scalar(alive) is None:
        raise UsageError(f"there is no project {project_id}")
    if expires is not None and expires <= now:
        raise UsageError("the key would have expired already: give a later end")
    _check_texts(comment, tags)
    secret = PREFIX + secrets.token_urlsafe(32)
    key = Key(
        str(uuid.uuid4()), project_id, comment, check_scopes(scopes), tuple(tags), now, expires, None, digest(secret)
    )
    connection.execute(
        insert(keys).values(
            api_key_id=key.api_key_id,
            project_id=key.project_id,
            digest=key.digest,
            comment=key.comment,
            scopes=key.scopes,
            tags=key.tags,
            created=key.created,
            expires=key.expires,
        )
    )
    bump_revision(connection)
    return NewKey(key, secret)


def list_keys(connection: Connection, project_id: str | None = None) -> list[Key]:
    """All keys, or those of one project, the oldest first, revoked and expired ones included."""
    query = select(*_COLUMNS).order_by(keys.c.created, keys.c.api_key_id)
    if project_id is not None:
        query = query.where(keys.c.project_id == project_id)
    return [Key(*row) for row in connection.execute(query)]


def find_key(connection: Connection, api_key_id: str, *, project_id: str | None = None) -> Key | None:
    """The key with that id, in any project unless one is given, even if it is revoked or expired."""
    query = select(*_COLUMNS).where(keys.c.api_key_id == api_key_id)
    if project_id is not None:
        query = query.where(keys.c.project_id == project_id)
    row = connection.execute(query).first()
    return None if row is None else Key(*row)


def key_of_secret(connection: Connection, secret: str) -> Key | None:
    """The key with this secret, even if it is revoked or expired. Servers use the access table instead."""
    row = connection.execute(select(*_COLUMNS).where(keys.c.digest == digest(secret))).first()
    return None if row is None else Key(*row)


def revoke_key(connection: Connection, api_key_id: str, *, now: datetime) -> bool:
    """Revoke a key for good; False if it was revoked before. Its row stays, since `any_keys` counts revoked keys."""
    revoked = connection.execute(
        update(keys).where(keys.c.api_key_id == api_key_id, keys.c.revoked.is_(None)).values(revoked=now)
    )
    if revoked.rowcount == 0:
        return False
    bump_revision(connection)
    return True


def any_keys(connection: Connection) -> bool:
    """Whether a key was ever created. From then on every request needs one, even when all have been revoked."""
    return bool(connection.scalar(select(func.count()).select_from(keys)))


def digest(secret: str) -> str:
    """The digest of a secret, as stored in the ledger."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check_texts(comment: str, tags: Sequence[str]) -> None:
    if len(comment) > MAX_COMMENT:
        raise UsageError(f"the comment has {len(comment)} characters: {MAX_COMMENT} are allowed")
    if len(tags) > MAX_TAGS:
        raise UsageError(f"{len(tags)} tags are too many: {MAX_TAGS} are allowed")
    for tag in tags:
        if not 1 <= len(tag) <= MAX_TAG:
            raise UsageError(f"the tag {tag[:40]!r} has {len(tag)} characters: 1 to {MAX_TAG} are allowed")


_COLUMNS = (
    keys.c.api_key_id,
    keys.c.project_id,
    keys.c.comment,
    keys.c.scopes,
    keys.c.tags,
    keys.c.created,
    keys.c.expires,
    keys.c.revoked,
    keys.c.digest,
)
