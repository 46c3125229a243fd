"""Resolves a server's name or URL and the parameters of a line to the full address of the live endpoint. Pure.

The short name `deepgram` is Deepgram's own service; any other name is taken for the address of a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from caesura.errors import UsageError

HOSTS = {"deepgram": "wss://api.deepgram.com"}
"""Short names of services."""

Value = str | int | float | bool | None
Parameters = Mapping[str, Value | Iterable[Value]]

_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


def listen_address(url: str, parameters: Parameters) -> str:
    """The address of the live endpoint with all its parameters.

    `url` is a short name, a server (`ws://host:port`, `http` and `https` are understood too) or its listen address,
    and may carry parameters of its own, which those in `parameters` replace. Raises UsageError when it is none.
    """
    url = HOSTS.get(url, url)
    try:
        parts = urlsplit(url if "//" in url else f"ws://{url}")
        host = parts.hostname
        _ = parts.port
    except ValueError:
        parts, host = urlsplit(""), None
    scheme = _SCHEMES.get(parts.scheme)
    if scheme is None or not host:
        raise UsageError(f"{url!r} is no address of a server; ws://127.0.0.1:8080 is one, and so is 'deepgram'.")
    path = parts.path.rstrip("/")
    path = path if path.endswith("/listen") else f"{path.removesuffix('/v1')}/v1/listen"
    own = [(name, value) for name, value in parse_qsl(parts.query, keep_blank_values=True) if name not in parameters]
    return urlunsplit((scheme, parts.netloc, path, urlencode([*own, *query_pairs(parameters)]), ""))


def query_pairs(parameters: Parameters) -> list[tuple[str, str]]:
    """Name and value pairs of a query: booleans in lower case, a list as the name repeated, None left out."""
    return [
        (name, str(value).lower() if isinstance(value, bool) else str(value))
        for name, given in parameters.items()
        for value in ([given] if isinstance(given, str) or not isinstance(given, Iterable) else given)
        if value is not None
    ]


def own_parameters(url: str) -> dict[str, str]:
    """Parameters in the address itself; none when it is no address."""
    try:
        return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    except ValueError:
        return {}
