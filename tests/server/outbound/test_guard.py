"""Which addresses and ports may be reached, and that the one that was judged is the one that is connected to."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from caesura.errors import BadUrl, RemoteFailed
from caesura.server.outbound.guard import AddressClass, Guard, ReachPolicy, SystemLookup, classify
from tests.server.outbound.remote import ANYWHERE, Names, web_server

PUBLIC = ["8.8.8.8", "1.1.1.1", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.167.0.1"]
PUBLIC_V6 = ["2606:4700::1111", "2a00:1450::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]
INSIDE = [
    *("127.0.0.1", "127.255.0.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.1.1"),
    *("100.64.0.1", "100.127.255.254"),
    *("::1", "fc00::1", "fd12::1", "fe80::1", "fe80::1%eth0", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:10.1.2.3", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:c0a8:101::"),
]
NEVER = [
    *("0.0.0.0", "0.1.2.3", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.7", "203.0.113.9"),
    *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("169.254.169.254", "169.254.170.2", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd00:ec2::254%lo"),
    *("::", "::127.0.0.1", "::8.8.8.8", "100::1", "2001::1", "2001:db8::1", "3fff::1", "5f00::1", "ff02::1"),
    *("64:ff9b:1::1", "4000::1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe"),
    "2002:a9fe:a9fe::",
]


@pytest.mark.parametrize(
    ("text", "right"),
    [
        *((text, AddressClass.PUBLIC) for text in PUBLIC + PUBLIC_V6),
        *((text, AddressClass.PRIVATE) for text in INSIDE),
        *((text, AddressClass.FORBIDDEN) for text in NEVER),
    ],
)
def test_an_address_has_its_standing(text: str, right: AddressClass) -> None:
    assert classify(ipaddress.ip_address(text)) is right


@given(st.ip_addresses())
def test_no_address_is_public_that_is_special_in_the_standard_library(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    special = address.is_private or address.is_multicast or address.is_reserved or address.is_loopback
    carried = isinstance(address, ipaddress.IPv6Address) and address in ipaddress.IPv6Network("64:ff9b::/96")
    if special and not carried:
        mapped = getattr(address, "ipv4_mapped", None)
        assert classify(address) is not AddressClass.PUBLIC or (
            mapped is not None and classify(mapped) is AddressClass.PUBLIC
        )


@given(st.ip_addresses(v=4))
def test_an_embedded_address_has_the_class_of_the_inner_one(address: ipaddress.IPv4Address) -> None:
    number = int(address)
    mapped = ipaddress.IPv6Address((0xFFFF << 32) | number)
    translated = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) | number)
    sixtofour = ipaddress.IPv6Address((0x2002 << 112) | (number << 80))
    assert {classify(each) for each in (mapped, translated, sixtofour)} == {classify(address)}


def test_the_setting_allows_private_addresses_and_no_forbidden_ones() -> None:
    assert all(not ReachPolicy().allows(ipaddress.ip_address(text)) for text in INSIDE + NEVER)
    assert all(ReachPolicy(private=True).allows(ipaddress.ip_address(text)) for text in PUBLIC + INSIDE)
    assert not any(ReachPolicy(private=True).allows(ipaddress.ip_address(text)) for text in NEVER)


@pytest.mark.parametrize("port", [80, 443, 8080, 8443])
def test_the_ports_of_the_web_are_open(port: int) -> None:
    Guard(ReachPolicy(), Names({})).check("example.com", port)


@pytest.mark.parametrize("port", [22, 25, 81, 5432, 6379, 9200, 65535])
def test_other_ports_are_not_unless_a_setting_opens_them(port: int) -> None:
    with pytest.raises(BadUrl, match=f"does not connect to port {port}"):
        Guard(ReachPolicy(private=True), Names({})).check("example.com", port)
    Guard(ReachPolicy(ports=None), Names({})).check("example.com", port)


def resolved(names: Names, host: str, reach: ReachPolicy | None = None) -> Sequence[str]:
    return [str(each) for each in asyncio.run(Guard(reach or ReachPolicy(), names).resolve(host, 443))]


def test_a_name_gives_its_addresses_in_their_order() -> None:
    assert resolved(Names({"a.example": [["2606:4700::1", "8.8.8.8"]]}), "a.example") == ["2606:4700::1", "8.8.8.8"]


def test_of_many_addresses_only_some_are_tried() -> None:
    assert len(resolved(Names({"a.example": [[f"8.8.8.{n}" for n in range(100)]]}), "a.example")) == 4


@pytest.mark.parametrize("found", [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["8.8.8.8"] * 9 + ["fd00::1"]])
def test_one_forbidden_address_forbids_the_name(found: list[str]) -> None:
    with pytest.raises(BadUrl):
        resolved(Names({"a.example": [found]}), "a.example")


def test_the_sentence_for_the_wire_does_not_reveal_resolved_addresses() -> None:
    with pytest.raises(BadUrl) as refused:
        resolved(Names({"db.internal": [["10.9.8.7"]]}), "db.internal")
    assert "10.9.8.7" not in str(refused.value)
    assert refused.value.detail == "db.internal is 10.9.8.7, an address of this machine or its network"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%1"])
def test_a_literal_address_is_refused_without_a_lookup(host: str) -> None:
    names = Names({})
    with pytest.raises(BadUrl):
        resolved(names, host)
    assert names.asked == []


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "017700000001", "0", "localhost"])
def test_the_other_ways_to_write_loopback_are_looked_up_and_refused(host: str) -> None:
    async def main() -> None:
        lookup = SystemLookup()
        try:
            with pytest.raises(BadUrl):
                await Guard(ReachPolicy(), lookup).resolve(host, 80)
        finally:
            lookup.close()

    asyncio.run(main())


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "..", "a..b", "x." * 200])
def test_an_invalid_name_is_treated_as_unresolvable(host: str) -> None:
    async def main() -> None:
        lookup = SystemLookup()
        try:
            with pytest.raises(RemoteFailed, match="could not be resolved"):
                await Guard(ReachPolicy(), lookup).resolve(host, 80)
        finally:
            lookup.close()

    asyncio.run(main())


def test_a_name_without_addresses_does_not_resolve() -> None:
    with pytest.raises(RemoteFailed, match="no address"):
        resolved(Names({"a.example": [[]]}), "a.example")


def test_the_address_that_is_connected_to_is_the_one_that_was_checked_though_the_name_has_moved_since() -> None:
    """DNS rebinding: the name resolves to a public address, a moment later to loopback.

    It is resolved once, and the checked address is used.
    """
    names = Names({"a.example": [["8.8.8.8"], ["127.0.0.1"]]})
    dialled: list[str] = []

    async def connect(address: str) -> str:
        dialled.append(address)
        return address

    assert asyncio.run(Guard(ReachPolicy(), names).dial("a.example", 80, within_s=1, connect=connect)) == "8.8.8.8"
    assert (dialled, names.asked) == (["8.8.8.8"], ["a.example"])
    with pytest.raises(BadUrl):
        asyncio.run(Guard(ReachPolicy(), names).dial("a.example", 80, within_s=1, connect=connect))
    assert dialled == ["8.8.8.8"]


def test_the_next_address_is_tried_when_one_does_not_answer() -> None:
    """The first never answers; it gets its share of the time and no more."""

    async def connect(address: str) -> str:
        if address == "8.8.8.8":
            await asyncio.Event().wait()
        if address == "8.8.4.4":
            raise OSError("refused")
        return address

    guard = Guard(ReachPolicy(), Names({"a.example": [["8.8.8.8", "8.8.4.4", "9.9.9.9"]]}))
    assert asyncio.run(guard.dial("a.example", 80, within_s=0.1, connect=connect)) == "9.9.9.9"


def test_a_resolver_that_takes_too_long_is_given_up() -> None:
    async def forever(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    with pytest.raises(RemoteFailed, match=r"could not be resolved within 0\.05 s") as failed:
        asyncio.run(Guard(ReachPolicy(), forever).connect("a.example", 80, within_s=0.05))
    assert failed.value.retryable


def test_a_socket_is_connected_to_a_name_that_may_be_reached() -> None:
    async def main() -> None:
        async with web_server() as server:
            guard = Guard(ANYWHERE, Names({"a.example": [["127.0.0.1"]]}))
            connected = await guard.connect("a.example", server.port, within_s=1)
            assert connected.getpeername() == ("127.0.0.1", server.port)
            connected.close()

    asyncio.run(main())


def test_a_closed_port_is_a_retryable_failure() -> None:
    async def main() -> None:
        async with web_server() as server:
            port = server.port
        with pytest.raises(RemoteFailed, match="no connection could be made") as failed:
            await Guard(ANYWHERE, Names({})).connect("127.0.0.1", port, within_s=1)
        assert failed.value.retryable

    asyncio.run(main())
