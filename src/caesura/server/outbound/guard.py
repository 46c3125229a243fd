"""Guard against server-side request forgery: connects only to addresses that may be reached.

Clients choose the URLs that this server calls, so without a guard they could make it connect to hosts that only it can
reach: itself, its network, the metadata service of its cloud. The guard checks addresses, not names: a name is resolved
once, all its addresses are checked, and the connection goes to one of these. A name that resolves to another address a
moment later (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import TypeVar

from caesura.errors import BadUrl, RemoteFailed

ALLOWED_PORTS = frozenset({80, 443, 8080, 8443})
MAX_ADDRESSES = 4
"""Most addresses of one name that are tried."""
LOOKUP_THREADS = 16

Address = IPv4Address | IPv6Address
T = TypeVar("T")


class AddressClass(Enum):
    """Classes of IP addresses, by who may be connected to."""

    PUBLIC = "a public address"
    PRIVATE = "an address of this machine or its network"
    """Allowed only by a setting."""
    FORBIDDEN = "an address that is never connected to"
    """Not a usable host, or a metadata service, which hands out credentials without authentication."""


@dataclass(frozen=True, slots=True)
class ReachPolicy:
    """Which addresses and ports this server may connect to when a client names a URL."""

    private: bool = False
    """Whether loopback, private, shared and link-local addresses are allowed too."""
    ports: frozenset[int] | None = ALLOWED_PORTS
    """None: any."""

    def allows(self, address: Address) -> bool:
        """Whether an address may be connected to."""
        kind = classify(address)
        return kind is AddressClass.PUBLIC or (kind is AddressClass.PRIVATE and self.private)


def classify(address: Address) -> AddressClass:
    """The class of an address, by the IANA special-purpose registries (RFC 6890 and successors).

    An IPv6 address that embeds an IPv4 address (mapped, 6to4, NAT64) has the class of that one.
    """
    if isinstance(address, IPv4Address):
        return _classify_v4(address)
    address = IPv6Address(int(address))  # without a scope, which makes it equal to no other
    embedded = _embedded(address)
    if embedded is not None:
        return _classify_v4(embedded)
    if address in _METADATA_V6:
        return AddressClass.FORBIDDEN
    if address == _LOOPBACK_V6 or any(address in network for network in _PRIVATE_V6):
        return AddressClass.PRIVATE
    if address not in _GLOBAL_V6 or any(address in network for network in _FORBIDDEN_V6):
        return AddressClass.FORBIDDEN
    return AddressClass.PUBLIC


def _classify_v4(address: IPv4Address) -> AddressClass:
    if address in _METADATA_V4 or any(address in network for network in _FORBIDDEN_V4):
        return AddressClass.FORBIDDEN
    if any(address in network for network in _PRIVATE_V4):
        return AddressClass.PRIVATE
    return AddressClass.PUBLIC


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
"""Resolves a name for a port into addresses, as text. Raises OSError when there are none."""


class SystemLookup:
    """The system's resolver, in threads of its own, so that slow lookups block nothing else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(LOOKUP_THREADS, "caesura-names")

    async def __call__(self, host: str, port: int) -> list[str]:
        """The addresses of `host`. Raises OSError."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, _look_up, host, port)
        except UnicodeError as error:  # the standard library's word for labels that are empty or too long
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Release the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(place[0]) for *_, place in found))


class Guard:
    """Connects to hosts that a ReachPolicy allows."""

    def __init__(self, reach: ReachPolicy, lookup: Lookup) -> None:
        self._reach = reach
        self._lookup = lookup

    def check(self, host: str, port: int) -> None:
        """Refuse a wrong port or literal address, which needs no name lookup. Raises BadUrl."""
        ports = self._reach.ports
        if ports is not None and port not in ports:
            right = ", ".join(str(each) for each in sorted(ports))
            raise BadUrl(f"This server does not connect to port {port}; use one of {right}.")
        address = _literal(host)
        if address is not None and not self._reach.allows(address):
            raise _forbidden(host, address)

    async def resolve(self, host: str, port: int) -> list[Address]:
        """Resolve `host` to its addresses, all of which are allowed.

        If a single address is not allowed, the whole name is refused: no public service has such addresses, and the
        outcome does not depend on which address is tried first.

        Raises:
            BadUrl: The host, or the port, may not be reached from here.
            RemoteFailed: The name could not be resolved.
        """
        self.check(host, port)
        literal = _literal(host)
        if literal is not None:
            return [literal]
        try:
            found = [ipaddress.ip_address(text) for text in await self._lookup(host, port)]
        except OSError as error:
            raise RemoteFailed("the name of its host could not be resolved", retryable=True) from error
        if not found:
            raise RemoteFailed("the name of its host has no address", retryable=True)
        for address in found:
            if not self._reach.allows(address):
                raise _forbidden(host, address)
        return found[:MAX_ADDRESSES]

    async def dial(self, host: str, port: int, *, within_s: float, connect: Callable[[str], Awaitable[T]]) -> T:
        """Return the result of `connect` for the first address of `host` that answers.

        `connect` is called with addresses only, never with names. It raises OSError when it fails.
        Name lookup and connect together take `within_s` seconds at most.

        Raises:
            BadUrl: The host, or the port, may not be reached from here.
            RemoteFailed: The name could not be resolved, or no address accepts the connection.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self.resolve(host, port)
        except TimeoutError as error:
            message = f"the name of its host could not be resolved within {within_s:g} s"
            raise RemoteFailed(message, retryable=True) from error
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            share = (deadline - loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    return await connect(str(address))
            except OSError as error:
                failure = error
        late = isinstance(failure, TimeoutError)
        how = f"no connection could be made within {within_s:g} s" if late else "no connection could be made"
        raise RemoteFailed(how, retryable=True) from failure

    async def connect(self, host: str, port: int, *, within_s: float) -> socket.socket:
        """Connect to `host`. Returns a connected, non-blocking TCP socket. Raises as `dial` does."""

        async def open_socket(address: str) -> socket.socket:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            opened = socket.socket(family, socket.SOCK_STREAM)
            try:
                opened.setblocking(False)
                await asyncio.get_running_loop().sock_connect(opened, (address, port))
            except BaseException:
                opened.close()
                raise
            return opened

        return await self.dial(host, port, within_s=within_s, connect=open_socket)


def _literal(host: str) -> Address | None:
    """The address in `host` if it is a literal. Older forms of IPv4 (`0x7f.1`, `2130706433`) are looked up as names."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _forbidden(host: str, address: Address) -> BadUrl:
    message = "The host may not be reached from this server: it is not on the public Internet."
    return BadUrl(message, f"{host} is {address}, {classify(address).value}")


def _v4(*networks: str) -> tuple[IPv4Network, ...]:
    return tuple(IPv4Network(network) for network in networks)


def _v6(*networks: str) -> tuple[IPv6Network, ...]:
    return tuple(IPv6Network(network) for network in networks)


_PRIVATE_V4 = _v4(
    "10.0.0.0/8",
    "100.64.0.0/10",  # shared by carriers (RFC 6598)
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.168.0.0/16",
)
_FORBIDDEN_V4 = _v4(
    "0.0.0.0/8",  # "this host", which on Linux means loopback
    "192.0.0.0/24",
    "192.0.2.0/24",  # documentation
    "192.88.99.0/24",  # relays of 6to4, deprecated
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",  # documentation
    "203.0.113.0/24",  # documentation
    "224.0.0.0/4",  # multicast
    "240.0.0.0/4",  # reserved, and broadcast
)
_METADATA_V4 = frozenset(
    IPv4Address(address)
    for address in (
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # credentials of containers on AWS
        "169.254.170.23",  # credentials of pods on AWS
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server, on a public address
    )
)
_METADATA_V6 = frozenset({IPv6Address("fd00:ec2::254"), IPv6Address("fd00:ec2::23"), IPv6Address("fd20:ce::254")})
_LOOPBACK_V6 = IPv6Address("::1")
_PRIVATE_V6 = _v6("fc00::/7", "fe80::/10", "fec0::/10")
_GLOBAL_V6 = IPv6Network("2000::/3")
"""All allocated addresses; the rest is reserved, multicast (ff00::/8) or special (::/96, 100::/64, 5f00::/16)."""
_FORBIDDEN_V6 = _v6(
    "2001::/23",  # IETF protocol assignments: Teredo, ORCHID, benchmarks
    "2001:db8::/32",  # documentation
    "3fff::/20",  # documentation
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""The well-known prefix (RFC 6052), which maps all of IPv4. 64:ff9b:1::/48 is for local use in each network."""
