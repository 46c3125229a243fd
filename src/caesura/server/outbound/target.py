"""The text of a URL in; where to connect, what to ask for, and how to name it in a log out."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx2

from caesura.errors import BadUrl

WEB = ("http", "https")
SOCKETS = ("ws", "wss")
LONGEST_URL = 8192
_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request goes. Its `str()` and `repr()` hold neither password nor query."""

    url: httpx2.URL = field(repr=False)
    """Without userinfo and fragment."""
    authorization: str | None = field(default=None, repr=False)
    """The header that the URL's userinfo asks for."""

    def __str__(self) -> str:
        path = self.url.raw_path.partition(b"?")[0]
        return f"{self.url.scheme}://{(self.url.netloc + path).decode('ascii')}"

    @property
    def host(self) -> str:
        """A name in its ASCII form, or an address without brackets."""
        return self.url.raw_host.decode("ascii")

    @property
    def port(self) -> int:
        """The port asked for, or the scheme's."""
        return self.url.port or _PORTS[self.url.scheme]

    @property
    def secure(self) -> bool:
        """Whether the connection is one of TLS."""
        return self.url.scheme in ("https", "wss")

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port: who it is that gets the credentials (RFC 6454)."""
        return self.url.scheme, self.host, self.port

    def redirected(self, location: str) -> Target:
        """Where a redirect from here leads. The credentials go along only to the same origin. Raises BadUrl."""
        try:
            joined = self.url.join(location)
        except (httpx2.InvalidURL, ValueError) as error:
            raise BadUrl("The URL that it redirects to is not valid.") from error
        there = _settled(joined, WEB, None)
        return Target(there.url, self.authorization) if there.origin == self.origin else there


def read_target(url: str, schemes: Collection[str]) -> Target:
    """Where `url` leads. Raises BadUrl unless it is one of `schemes`, has a host, and is well-formed."""
    if len(url) > LONGEST_URL:
        raise BadUrl(f"The URL is longer than {LONGEST_URL} characters.")
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise BadUrl("The URL is not valid.") from error
    userinfo = f"{parsed.username}:{parsed.password}".encode()
    authorization = f"Basic {base64.b64encode(userinfo).decode('ascii')}" if parsed.userinfo else None
    return _settled(parsed, schemes, authorization)


def _settled(url: httpx2.URL, schemes: Collection[str], authorization: str | None) -> Target:
    if url.scheme not in schemes:
        raise BadUrl(f"A URL here begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.")
    if not url.host:
        raise BadUrl("The URL names no host.")
    if url.port is not None and not 0 < url.port < 65536:
        raise BadUrl(f"The URL names port {url.port}, which is none.")
    return Target(url.copy_with(userinfo=b"", fragment=None), authorization)
