"""What a client presents in; whom it belongs to and what it may do out, without asking the database each time."""

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
"""Of the digest of a key that was given by flag: its id."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who is let in; `api_key_id` None when nobody is asked for a key."""

    project_id: str
    api_key_id: str | None
    scopes: frozenset[str]
    """Single scopes, roles taken apart."""
    tags: tuple[str, ...] = ()
    """Those of the key, to be counted with those of the request."""

    def may(self, scope: str) -> bool:
        """Whether it may do what `scope`, one of `caesura.ledger.scopes`, stands for."""
        return scope in self.scopes


@dataclass(frozen=True, slots=True)
class AccessTable:
    """All keys and projects as they were at one moment; `load_access` reads a newer one."""

    revision: int
    keys: Mapping[str, Key]
    """By digest."""
    digests: Mapping[str, str]
    """By the id of the key."""
    projects: Mapping[str, Project]
    """By id; deleted ones are not among them."""
    flag_keys: Mapping[str, str] = field(default_factory=dict)
    """Digests of keys given by flag, with their ids; none that the ledger has, which alone judges those."""
    secret: str = field(default="", repr=False)
    """Signs tokens."""

    @property
    def required(self) -> bool:
        """Whether every request needs a key: from the first one made on, even when all are revoked."""
        return bool(self.keys or self.flag_keys)

    def admit(self, presented: str | None, *, now: datetime) -> Access | None:
        """Whom a key or token lets in; None: nobody. Without any key in existence everybody is a member."""
        if not self.required:
            return Access(DEFAULT_PROJECT_ID, None, ROLES["member"])
        if not presented:
            return None
        known = digest(presented)
        for candidate, key_id in self.flag_keys.items():
            if hmac.compare_digest(candidate, known):
                return Access(DEFAULT_PROJECT_ID, key_id, ROLES["member"])
        # What is looked up is a digest, which who tries secrets cannot steer: the time it takes tells nothing.
        key = self.keys.get(known)
        if key is not None:
            return _access(key) if key.lets_in(now) else None
        return self._admit_token(presented, now)

    def lets_in(self, api_key_id: str, *, now: datetime) -> bool:
        """Whether the key of that id exists and is neither revoked nor expired."""
        key = self._by_id(api_key_id)
        return api_key_id in self.flag_keys.values() or (key is not None and key.lets_in(now))

    def revoked(self) -> frozenset[str]:
        """The ids of all keys that were revoked."""
        return frozenset(key.api_key_id for key in self.keys.values() if key.revoked is not None)

    def grant(self, access: Access, *, ttl_s: int, now: datetime) -> Token:
        """A temporary token in place of the key that `access` came by; check `may(GRANT)` first.

        Raises UsageError when `ttl_s` is out of bounds.
        """
        key_id = access.api_key_id or ""
        return grant_token(self.secret, api_key_id=key_id, project_id=access.project_id, now=now, ttl_s=ttl_s)

    def _admit_token(self, presented: str, now: datetime) -> Access | None:
        claims = read_token(self.secret, presented, now=now)
        if claims is None or not self.lets_in(claims.api_key_id, now=now):
            return None
        return Access(claims.project_id, claims.api_key_id, frozenset({LISTEN}), self._tags(claims))

    def _tags(self, claims: Claims) -> tuple[str, ...]:
        key = self._by_id(claims.api_key_id)
        return () if key is None else key.tags

    def _by_id(self, api_key_id: str) -> Key | None:
        found = self.digests.get(api_key_id)
        return None if found is None else self.keys[found]


def load_access(connection: Connection, flag_keys: Iterable[str] = ()) -> AccessTable:
    """Everything that decides who is let in, read in one transaction; `flag_keys` are secrets beside the ledger's.

    One that the ledger knows counts as the ledger says and in no other way: revoked there, it lets nobody in.
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


def _access(key: Key) -> Access:
    return Access(key.project_id, key.api_key_id, allowed(key.scopes), key.tags)
