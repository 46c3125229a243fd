"""Parses the credentials of a request from its headers or subprotocols, and never shows the secret."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from caesura.errors import UsageError
from caesura.server.settings import Settings

SCHEMES = ("token", "bearer")


@dataclass(frozen=True, slots=True)
class Credential:
    """The credential that a client presented.

    `echo` is the scheme that it offered as a subprotocol, never the secret.
    """

    secret: str | None
    echo: str | None

    def __repr__(self) -> str:
        """Without the secret, so that it cannot reach a log by accident."""
        return f"Credential(secret={'***' if self.secret else None}, echo={self.echo!r})"


def parse_credential(authorization: str | None, subprotocols: Sequence[str]) -> Credential:
    """Read the `Authorization` header or the `Sec-WebSocket-Protocol` list; the header wins.

    Schemes match in any case. Of the subprotocols only the scheme is echoed, as it was offered.
    """
    offered = _offered(subprotocols)
    echo = offered[0] if offered else None
    if authorization is not None:
        scheme, _, secret = authorization.strip().partition(" ")
        return Credential(secret.strip() if scheme.lower() in SCHEMES else None, echo)
    return Credential(offered[1] if offered else None, echo)


def check_exposure(settings: Settings, *, keys_exist: bool) -> None:
    """Prevent that a server is open to others by accident. Raises UsageError if others can reach it without a key."""
    if keys_exist or settings.no_auth or is_loopback(settings.host):
        return
    raise UsageError(
        f"--host {settings.host} can be reached by others and no key is set, so anybody could use this server: "
        "make one with `caesura keys create`, or give --key (or CAESURA_STATIC_KEYS), or --no-auth if something in "
        "front of it authenticates clients"
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _offered(subprotocols: Sequence[str]) -> tuple[str, str | None] | None:
    items = [item.strip() for item in subprotocols]
    for index, item in enumerate(items):
        if item.lower() in SCHEMES:
            return item, items[index + 1] if index + 1 < len(items) else None
    return None
