"""Who wants a key in; API keys, of which the ledger keeps digests only, out.

A secret is 256 random bits, so one round of SHA-256 is enough to keep it: there is no list of likely secrets to try,
which is what slow digests (argon2, bcrypt) are a defence against, and every request would pay for theirs.
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
from caesura.ledger.revision import count_up
from caesura.ledger.schema import keys, projects
from caesura.ledger.scopes import DEFAULT, check_scopes

PREFIX = "csk_"
"""Begins every secret, so that those who look for leaked keys can tell."""
MOST_COMMENT = 1000
MOST_TAGS = 64
MOST_TAG = 128


@dataclass(frozen=True, slots=True)
class Key:
    """What is known of a key; not its secret."""

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

    def lets_in(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made, with its secret, which nobody can be shown again."""

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
    """A new key of a project. Raises UsageError for a project, scope, tag or end that cannot be."""
    alive = select(projects.c.project_id).where(projects.c.project_id == project_id, projects.c.deleted.is_(None))
    if connection.scalar(alive) is None:
        raise UsageError(f"there is no project {project_id}")
    if expires is not None and expires <= now:
        raise UsageError("a key that has expired already lets nobody in: give a later end")
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
    count_up(connection)
    return NewKey(key, secret)


def list_keys(connection: Connection, project_id: str | None = None) -> list[Key]:
    """All keys, those of one project where it is given, the oldest first; revoked and expired ones too."""
    query = select(*_COLUMNS).order_by(keys.c.created, keys.c.api_key_id)
    if project_id is not None:
        query = query.where(keys.c.project_id == project_id)
    return [Key(*row) for row in connection.execute(query)]


def find_key(connection: Connection, api_key_id: str, *, project_id: str | None = None) -> Key | None:
    """The key of that id, in that project where it is given; a revoked or expired one too."""
    query = select(*_COLUMNS).where(keys.c.api_key_id == api_key_id)
    if project_id is not None:
        query = query.where(keys.c.project_id == project_id)
    row = connection.execute(query).first()
    return None if row is None else Key(*row)


def key_of_secret(connection: Connection, secret: str) -> Key | None:
    """The key whose secret this is; a revoked or expired one too. A server asks its cache instead."""
    row = connection.execute(select(*_COLUMNS).where(keys.c.digest == digest(secret))).first()
    return None if row is None else Key(*row)


def revoke_key(connection: Connection, api_key_id: str, *, now: datetime) -> bool:
    """Let it in no more, for good; True when that is news. Its row stays: a revoked key still says that keys exist."""
    revoked = connection.execute(
        update(keys).where(keys.c.api_key_id == api_key_id, keys.c.revoked.is_(None)).values(revoked=now)
    )
    if revoked.rowcount == 0:
        return False
    count_up(connection)
    return True


def any_keys(connection: Connection) -> bool:
    """Whether a key was ever made. From then on every request needs one: revoking the last opens no door."""
    return bool(connection.scalar(select(func.count()).select_from(keys)))


def digest(secret: str) -> str:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _check_texts(comment: str, tags: Sequence[str]) -> None:
    if len(comment) > MOST_COMMENT:
        raise UsageError(f"the comment has {len(comment)} characters: {MOST_COMMENT} are allowed")
    if len(tags) > MOST_TAGS:
        raise UsageError(f"{len(tags)} tags are too many: {MOST_TAGS} are allowed")
    for tag in tags:
        if not 1 <= len(tag) <= MOST_TAG:
            raise UsageError(f"the tag {tag[:40]!r} has {len(tag)} characters: 1 to {MOST_TAG} are allowed")


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
