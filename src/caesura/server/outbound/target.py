"""Parsed URLs that clients named: where to connect, what to request, and how to log them without secrets."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx2

from caesura.errors import BadUrl

WEB = ("http", "https")
SOCKETS = ("ws", "wss")
MAX_URL_LENGTH = 8192
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """The destination of a request. Its `str()` and `repr()` contain neither password nor query."""

    url: httpx2.URL = field(repr=False)
    """The URL without userinfo and fragment."""
    authorization: str | None = field(default=None, repr=False)
    """Basic authentication from the userinfo of the URL."""

    def __str__(self) -> str:
        path = self.url.raw_path.partition(b"?")[0]
        return f"{self.url.scheme}://{(self.url.netloc + path).decode('ascii')}"

    @property
    def host(self) -> str:
        """Host name in ASCII, or an address without brackets."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        """The port of the URL, or the default of its scheme."""
        return self.url.port or _PORTS[self.url.scheme]

    @property
    def secure(self) -> bool:
        """Whether the connection uses TLS."""
        return self.url.scheme in ("https", "wss")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port (RFC 6454); credentials are sent to the same origin only."""
        return self.url.scheme, self.host, self.port

    def redirected(self, location: str) -> Target:
        """The target of a redirect; the credentials are kept for the same origin only. Raises BadUrl."""
        try:
            joined = self.url.join(location)
        except (httpx2.InvalidURL, ValueError) as error:
            raise BadUrl("The URL that it redirects to is not valid.") from error
        there = _checked(joined, WEB, None)
        return Target(there.url, self.authorization) if there.origin == self.origin else there


def parse_target(url: str, schemes: Collection[str]) -> Target:
    """Parse `url`. Raises BadUrl unless it is well-formed, has a host, and is one of `schemes`."""
    if len(url) > MAX_URL_LENGTH:
        raise BadUrl(f"The URL is longer than {MAX_URL_LENGTH} characters.")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadUrl("The URL is not valid.") from error
    userinfo = f"{parsed.username}:{parsed.password}".encode()
    authorization = f"Basic {base64.b64encode(userinfo).decode('ascii')}" if parsed.userinfo else None
    return _checked(parsed, schemes, authorization)


def _checked(url: httpx2.URL, schemes: Collection[str], authorization: str | None) -> Target:
    if url.scheme not in schemes:
        raise BadUrl(f"A URL here begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if not url.host:
        raise BadUrl("The URL names no host.")
    if url.port is not None and not 0 < url.port < 65536:
        raise BadUrl(f"The URL has an invalid port, {url.port}.")
    return Target(url.copy_with(userinfo=b"", fragment=None), authorization)
