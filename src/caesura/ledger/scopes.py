"""The scopes of a key in; what it may do out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from caesura.errors import UsageError

LISTEN = "usage:write"
"""To transcribe, live or from recordings."""
READ_USAGE = "usage:read"
READ_PROJECT = "project:read"
WRITE_PROJECT = "project:write"
DELETE_PROJECT = "project:delete"
READ_KEYS = "keys:read"
WRITE_KEYS = "keys:write"
READ_BILLING = "billing:read"
WRITE_BILLING = "billing:write"

GRANT = "grant"
"""To make temporary tokens. Comes with a role alone, and is no scope that a key can be given."""

_MEMBER = {LISTEN, READ_USAGE, READ_PROJECT, GRANT}
_ADMIN = _MEMBER | {WRITE_PROJECT, READ_KEYS, WRITE_KEYS, READ_BILLING}
ROLES = {
    "member": frozenset(_MEMBER),
    "admin": frozenset(_ADMIN),
    "owner": frozenset(_ADMIN | {WRITE_BILLING, DELETE_PROJECT}),
}
"""Scopes that stand for several others."""
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
    """Everything that a key with these scopes may do: its roles taken apart. Unknown scopes allow nothing."""
    return frozenset(single for scope in scopes for single in ROLES.get(scope, {scope} & set(SINGLE)))


def check_scopes(scopes: Sequence[str]) -> tuple[str, ...]:
    """These scopes, each once; raises UsageError when there is none, or one that we do not know."""
    if not scopes:
        raise UsageError(f"a key needs at least one scope: {_choice()}")
    for scope in scopes:
        if scope not in ROLES and scope not in SINGLE:
            raise UsageError(f"there is no scope {scope!r}: give any of {_choice()}")
    return tuple(dict.fromkeys(scopes))


def _choice() -> str:
    return ", ".join((*ROLES, *SINGLE))
