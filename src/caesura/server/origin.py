"""Origin policy: which web pages may use the server, and by which host names it may be reached.

A browser lets any page send requests to any address, also to a server on the user's own machine that needs no key, and
names the page in the `Origin` header. A page whose own name resolves to that server (DNS rebinding) passes as
same-origin, but its name is in the `Host` header. `OriginPolicy.decide` checks both; docs/operations.md has the table
of all cases.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from caesura.errors import UsageError
from caesura.protocol.closing import Refusal

METHODS = "GET, POST, PUT, PATCH, DELETE"
"""Methods that a preflight answer allows: all that any route has."""
MAX_AGE_S = 600
"""How long a browser may reuse a preflight answer."""
EXPOSED = "dg-model-name,dg-model-uuid,dg-char-count,dg-request-id,dg-error"
"""Response headers that scripts may read, as the hosted service names them."""
VARY = "origin, access-control-request-method, access-control-request-headers"

_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:/?#@\[\],]+)(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(rf"([a-z][a-z0-9+.-]*)://{_AUTHORITY.pattern}")
_FIELD_NAMES = re.compile(r"[\w!#$%&'*+.^`|~-]+(\s*,\s*[\w!#$%&'*+.^`|~-]+)*", re.ASCII)
_WILDCARDS = ("0.0.0.0", "::", "")
_LONGEST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a web page; host in lower case, without brackets and without a final dot."""

    scheme: str
    host: str
    port: int | None
    """None if none was given and the scheme has no default, as for browser extensions."""


@dataclass(frozen=True, slots=True)
class RequestHead:
    """The parts of a request that the policy reads; header values are unchanged, None for a missing header."""

    method: str
    origin: str | None = None
    host: str | None = None
    fetch_site: str | None = None
    fetch_dest: str | None = None
    requested_method: str | None = None
    """`Access-Control-Request-Method`: with it, an OPTIONS request is a preflight."""
    requested_headers: str | None = None
    upgrade: bool = False
    """Whether the request asks for a WebSocket."""


@dataclass(frozen=True, slots=True)
class Pass:
    """The application answers the request; `headers` are added to its response."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preflight:
    """The request is a preflight of an origin that is allowed: answer 204 with `headers`."""

    headers: Mapping[str, str]


Decision = Pass | Preflight | Refusal


@dataclass(frozen=True, slots=True)
class OriginPolicy:
    """Origins and hosts that are allowed."""

    bound_host: str
    """The address or name that the server listens on."""
    cors_origins: frozenset[Origin] = frozenset()
    allowed_hosts: frozenset[str] = frozenset()
    """Names and addresses of the server, besides loopback and `bound_host`, as returned by `parse_hosts`."""

    def decide(self, head: RequestHead, *, key_needed: bool) -> Decision:
        """Decide about a request before anything else reads it.

        Args:
            head: The headers of the request.
            key_needed: Whether every request needs an API key. Then a page needs one too, and neither host nor origin
                is refused.
        """
        origin = None if head.origin is None else _read_origin(head.origin)
        if not key_needed:
            refusal = self._refusal(head, origin)
            if refusal is not None:
                return refusal
        if origin is not None and origin in self.cors_origins:
            headers = self._named(head.origin or "")
            if head.method == "OPTIONS" and head.requested_method is not None:
                return Preflight(headers | _preflight(head.requested_headers))
            return Pass(headers)
        vary = {"vary": "origin"} if self.cors_origins else {}
        if key_needed and head.upgrade and head.origin is not None:
            # Like the hosted service, but without credentials, which only named origins get.
            return Pass(_shared(head.origin))
        return Pass(vary)

    def _refusal(self, head: RequestHead, origin: Origin | None) -> Refusal | None:
        if not self._reaches(head.host):
            return _host_refused(head.host or "")
        if head.origin is not None:
            named = origin is not None and (origin in self.cors_origins or _same_origin(origin, head.host))
            return None if named else _origin_refused(head.origin)
        # Images, scripts and frames of other pages come without an Origin. A link that the user follows is a document.
        if head.fetch_site in ("cross-site", "same-site") and head.fetch_dest != "document":
            return _origin_refused(head.fetch_site)
        return None

    def _reaches(self, header: str | None) -> bool:
        """Whether a `Host` header names this server. Only HTTP/1.0 requests lack one, and no browser sends them."""
        if header is None:
            return True
        read = _read_authority(header)
        if read is None:
            return False
        host, _ = read
        if _is_loopback(host) or host in self.allowed_hosts or host == parse_host(self.bound_host or "0.0.0.0"):
            return True
        # The server listens on every address of the machine, and rebinding needs a name.
        return self.bound_host in _WILDCARDS and _address(host) is not None

    def _named(self, origin: str) -> dict[str, str]:
        return {**_shared(origin), "access-control-allow-credentials": "true"}


def parse_origins(given: Iterable[str]) -> frozenset[Origin]:
    """Parse the values of the flag `--cors-origin`; one text may contain several, separated by blanks or commas.

    Raises:
        UsageError: A text is not an origin, or one that does not identify a page.
    """
    return frozenset(_parse_origin(text) for text in _split(given))


def parse_hosts(given: Iterable[str]) -> frozenset[str]:
    """Parse the values of the flag `--allowed-host`; one text may contain several, separated by blanks or commas.

    Raises:
        UsageError: A text is neither a host name nor an address.
    """
    return frozenset(_checked_host(text) for text in _split(given))


def parse_host(text: str) -> str:
    """A host name or address as policies compare it: in lower case, without brackets and without a final dot."""
    return text.lower().removeprefix("[").removesuffix("]").removesuffix(".")


def _split(given: Iterable[str]) -> Iterable[str]:
    return (text for texts in given for text in texts.replace(",", " ").split())


def _parse_origin(text: str) -> Origin:
    right = "give SCHEME://HOST or SCHEME://HOST:PORT, for example https://app.example.org or http://localhost:3000"
    if "*" in text:
        raise UsageError(f"--cors-origin {text}: a wildcard would let every page in; name each origin: {right}")
    if text.lower() == "null":
        raise UsageError(
            f"--cors-origin {text}: every sandboxed page and local file has the origin null, so it identifies no page; "
            "serve the page over HTTP and name that origin, or let the server require keys"
        )
    origin = _read_origin(text)
    if origin is None:
        raise UsageError(f"--cors-origin {text}: this is not an origin, which has no path either; {right}")
    return origin


def _checked_host(text: str) -> str:
    host = parse_host(text)
    if _address(host) is None and not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", host):
        raise UsageError(
            f"--allowed-host {text}: this is neither a host name nor an address; give one without scheme, port, path, "
            "for example speech.example.org"
        )
    return host


def _read_origin(text: str) -> Origin | None:
    """Parse an `Origin` header; None for `null`, for a file, and for an invalid one."""
    found = _ORIGIN.fullmatch(text.lower())
    if found is None or found[1] == "file":
        return None
    port = _port(found[3])
    if port is None and found[3] is not None:
        return None
    return Origin(found[1], parse_host(found[2]), port or _DEFAULT_PORTS.get(found[1]))


def _read_authority(text: str) -> tuple[str, int | None] | None:
    """Host and port of a `Host` header; None if it is malformed."""
    found = _AUTHORITY.fullmatch(text.lower())
    if found is None or (found[2] is not None and _port(found[2]) is None):
        return None
    return parse_host(found[1]), _port(found[2])


def _port(digits: str | None) -> int | None:
    return int(digits) if digits is not None and 0 < int(digits) < 65536 else None


def _same_origin(origin: Origin, header: str | None) -> bool:
    """Whether a page comes from the server itself; behind a proxy its scheme may be another than the server's."""
    default = _DEFAULT_PORTS.get(origin.scheme)
    read = None if header is None or default is None else _read_authority(header)
    return read is not None and (origin.host, origin.port) == (read[0], read[1] or default)


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" if address is None else address.is_loopback


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _shared(origin: str) -> dict[str, str]:
    """Headers that let scripts of an origin read the response; the origin is repeated as the browser sent it."""
    return {"access-control-allow-origin": origin, "vary": VARY, "access-control-expose-headers": EXPOSED}


def _preflight(requested: str | None) -> dict[str, str]:
    headers = {"access-control-allow-methods": METHODS, "access-control-max-age": str(MAX_AGE_S)}
    if requested is not None and _FIELD_NAMES.fullmatch(requested):
        headers["access-control-allow-headers"] = requested
    return headers


def _origin_refused(value: str) -> Refusal:
    return Refusal(
        403,
        "ORIGIN_NOT_ALLOWED",
        f"A web page at {_quoted(value)} may not use this server, which needs no key.",
        "Start it with --cors-origin and the origin of the page, or make a key with `caesura keys create`.",
        why="page",
    )


def _host_refused(value: str) -> Refusal:
    return Refusal(
        403,
        "HOST_NOT_ALLOWED",
        f"This server, which needs no key, is not known by the host {_quoted(value)}.",
        "Start it with --allowed-host and that name, or make a key with `caesura keys create`.",
        why="host",
    )


def _quoted(value: str) -> str:
    """A header value in printable ASCII, cut to a bounded length."""
    return ascii(value[:_LONGEST_SHOWN])
