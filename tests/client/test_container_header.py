"""The header that a new connection is sent first, kept from a container in chunks of any size."""

from __future__ import annotations

import pytest

from caesura.client.container_header import MAX_HEADER_BYTES, HeaderKeeper
from caesura.containers.header import EBML_MAGIC
from tests.containers.test_header import CLUSTER
from tests.containers.test_header import HEADERS as WITH_HEADER

HEADERS = [*WITH_HEADER, pytest.param(b"", b"\xff\xfb\x90\x00" + bytes(50), id="mp3, which needs none")]


@pytest.mark.parametrize(("header", "audio"), HEADERS)
@pytest.mark.parametrize("size", [1, 5, 10_000])
def test_the_header_is_what_comes_before_the_audio(header: bytes, audio: bytes, size: int) -> None:
    keeper, data = HeaderKeeper(), header + audio
    for start in range(0, len(data), size):
        keeper.watch(data[start : start + size])
    assert keeper.header == header
    keeper.watch(CLUSTER)
    assert keeper.header == header


@pytest.mark.parametrize(("header", "audio"), HEADERS[:-1])
def test_a_new_connection_is_sent_as_much_of_the_header_as_the_ones_before(header: bytes, audio: bytes) -> None:
    """Known or not yet: a connection that breaks in the middle of the header must not leave half of one behind."""
    keeper, data = HeaderKeeper(), header + audio
    for at in range(len(data)):
        keeper.watch(data[at : at + 1])
        assert keeper.again(at + 1) == (header[: at + 1] if keeper.header is not None else data[: at + 1])
        assert keeper.again(3) == data[: min(3, at + 1)]
    assert keeper.again(0) == b""


@pytest.mark.parametrize(("header", "audio"), HEADERS[:-1])
def test_the_header_is_not_known_before_it_is_whole(header: bytes, audio: bytes) -> None:
    keeper = HeaderKeeper()
    keeper.watch(header[:-1])
    assert keeper.header is None


def test_a_container_without_audio_at_its_beginning_is_looked_at_no_longer() -> None:
    keeper = HeaderKeeper()
    keeper.watch(EBML_MAGIC + bytes(MAX_HEADER_BYTES - 5))
    assert keeper.header is None
    keeper.watch(bytes(1))
    assert keeper.header == b""
    assert keeper.again(1000) == b""


def test_a_broken_header_is_not_sent_again() -> None:
    keeper = HeaderKeeper()
    keeper.watch(b"fLaC\x84\0\0\x10" + bytes(16))
    assert keeper.header == b""
