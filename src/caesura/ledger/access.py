"""Access table: checks keys and temporary tokens in memory, without a query for each request."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from caesura.ledger import revision
from caesura.ledger.keys import Key, digest, list_keys
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project, list_projects
from caesura.ledger.scopes import LISTEN, ROLES, allowed
from caesura.ledger.tokens import Claims, Token, grant_token, read_token, token_secret

FLAG_ID_LENGTH = 12
"""Length of the id of a key given by flag, which is the beginning of its digest."""


@dataclass(frozen=True, slots=True)
class Access:
    """What an authenticated caller may do; `api_key_id` is None where no key is required."""

    project_id: str
    api_key_id: str | None
    scopes: frozenset[str]
    """Individual scopes, with roles expanded."""
    tags: tuple[str, ...] = ()
    """Tags of the key, which each of its requests gets too."""

    def may(self, scope: str) -> bool:
        """Whether the caller has `scope`, one of `caesura.ledger.scopes`."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class AccessTable:
    """All keys and projects at one revision; `load_access` loads a newer table."""

    revision: int
    keys: Mapping[str, Key]
    """Keys by digest."""
    digests: Mapping[str, str]
    """Digests of keys by their ids."""
    projects: Mapping[str, Project]
    """Projects by id, without deleted ones."""
    flag_keys: Mapping[str, str] = field(default_factory=dict)
    """Ids of keys given by flag, by digest, without those in the ledger, which alone decides whether they are valid."""
    secret: str = field(default="", repr=False)
    """Signs temporary tokens."""

    @property
    def key_required(self) -> bool:
        """Whether every request needs a key: from the first created key on, even when all are revoked."""
        return bool(self.keys or self.flag_keys)

    def verify(self, presented: str | None, *, now: datetime) -> Access | None:
        """Access of a key or token, None if it is not valid. While no key exists, every caller has the role member."""
        if not self.key_required:
            return Access(DEFAULT_PROJECT_ID, None, ROLES["member"])
        if not presented:
            return None
        known = digest(presented)
        for candidate, key_id in self.flag_keys.items():
            if hmac.compare_digest(candidate, known):
                return Access(DEFAULT_PROJECT_ID, key_id, ROLES["member"])
        # The lookup is by digest, which an attacker cannot choose, so its timing reveals nothing.
        key = self.keys.get(known)
        if key is not None:
            return _access_of(key) if key.is_valid(now) else None
        return self._verify_token(presented, now)

    def is_valid(self, api_key_id: str, *, now: datetime) -> bool:
        """Whether the key with that id exists and is neither revoked nor expired."""
        key = self._by_id(api_key_id)
        return api_key_id in self.flag_keys.values() or (key is not None and key.is_valid(now))

    def revoked(self) -> frozenset[str]:
        """The ids of all keys that were revoked."""
        return frozenset(key.api_key_id for key in self.keys.values() if key.revoked is not None)

    def grant(self, access: Access, *, ttl_s: int, now: datetime) -> Token:
        """Create a temporary token for the key of `access`; check `may(GRANT)` first.

        Raises UsageError when `ttl_s` is out of bounds.
        """
        key_id = access.api_key_id or ""
        return grant_token(self.secret, api_key_id=key_id, project_id=access.project_id, now=now, ttl_s=ttl_s)

    def _verify_token(self, presented: str, now: datetime) -> Access | None:
        claims = read_token(self.secret, presented, now=now)
        if claims is None or not self.is_valid(claims.api_key_id, now=now):
            return None
        return Access(claims.project_id, claims.api_key_id, frozenset({LISTEN}), self._tags(claims))

    def _tags(self, claims: Claims) -> tuple[str, ...]:
        key = self._by_id(claims.api_key_id)
        return () if key is None else key.tags

    def _by_id(self, api_key_id: str) -> Key | None:
        found = self.digests.get(api_key_id)
        return None if found is None else self.keys[found]


def load_access(connection: Connection, flag_keys: Iterable[str] = ()) -> AccessTable:
    """Load all keys and projects in one transaction; `flag_keys` are secrets that are valid beside those of the ledger.

    A flag key that is also in the ledger is valid only if it is valid there: if it was revoked, it is refused.
    """
    keys = {key.digest: key for key in list_keys(connection)}
    flag_digests = [known for known in map(digest, flag_keys) if known not in keys]
    return AccessTable(
        revision=revision.current(connection),
        keys=keys,
        digests={key.api_key_id: key.digest for key in keys.values()},
        projects=projects_by_id(connection),
        flag_keys={known: known[:FLAG_ID_LENGTH] for known in flag_digests},
        secret=token_secret(connection),
    )


def projects_by_id(connection: Connection) -> dict[str, Project]:
    """All projects that were not deleted."""
    return {project.project_id: project for project in list_projects(connection)}


def _access_of(key: Key) -> Access:
    return Access(key.project_id, key.api_key_id, allowed(key.scopes), key.tags)
