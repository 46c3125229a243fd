"""Scopes of keys, and roles, which are names for several scopes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caesura.errors import UsageError

LISTEN = "usage:write"
"""Transcribe live streams and recordings."""
READ_USAGE = "usage:read"
READ_PROJECT = "project:read"
WRITE_PROJECT = "project:write"
DELETE_PROJECT = "project:delete"
READ_KEYS = "keys:read"
WRITE_KEYS = "keys:write"
READ_BILLING = "billing:read"
WRITE_BILLING = "billing:write"

GRANT = "grant"
"""Create temporary tokens. Part of every role; a key cannot be given it on its own."""

_MEMBER = {LISTEN, READ_USAGE, READ_PROJECT, GRANT}
_ADMIN = _MEMBER | {WRITE_PROJECT, READ_KEYS, WRITE_KEYS, READ_BILLING}
ROLES = {
    "member": frozenset(_MEMBER),
    "admin": frozenset(_ADMIN),
    "owner": frozenset(_ADMIN | {WRITE_BILLING, DELETE_PROJECT}),
}
"""Scopes that include several others."""
SINGLE = (
    LISTEN,
    READ_USAGE,
    READ_PROJECT,
    WRITE_PROJECT,
    DELETE_PROJECT,
    READ_KEYS,
    WRITE_KEYS,
    READ_BILLING,
    WRITE_BILLING,
)
DEFAULT = ("member",)


def allowed(scopes: Iterable[str]) -> frozenset[str]:
    """The individual scopes in `scopes`, with roles expanded. Unknown scopes allow nothing."""
    return frozenset(single for scope in scopes for single in ROLES.get(scope, {scope} & set(SINGLE)))


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """Return `scopes` without duplicates. Raises UsageError if there are none, or one is unknown."""
    if not scopes:
        raise UsageError(f"a key needs at least one scope: {_choice()}")
    for scope in scopes:
        if scope not in ROLES and scope not in SINGLE:
            raise UsageError(f"there is no scope {scope!r}: give any of {_choice()}")
    return tuple(dict.fromkeys(scopes))


def _choice() -> str:
    return ", ".join((*ROLES, *SINGLE))
