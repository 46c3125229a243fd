"""One live connection: what is sent, what is told, how it ends, and what every failure says."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection

from caesura.cli.stream import (
    Ending,
    Message,
    Notice,
    StreamError,
    Summary,
    Target,
    Transcript,
    read_message,
    stream,
)
from caesura.protocol.messages import ClientMessage, CloseStream, Finalize, KeepAlive
from tests.cli.fake import Heard, fake_server, metadata, results


async def feed(*items: bytes | ClientMessage) -> AsyncIterator[bytes | ClientMessage]:
    for item in items:
        yield item


async def endless() -> AsyncIterator[bytes | ClientMessage]:
    while True:
        await asyncio.sleep(0.001)
        yield b"\0\0"


def converse(
    url: str, items: AsyncIterator[bytes | ClientMessage], *, key: str | None = None, drain_s: float = 5.0
) -> tuple[Ending, list[Message]]:
    told: list[Message] = []
    ending = asyncio.run(stream(Target(url, key), items, told.append, drain_s=drain_s))
    return ending, told


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ws://h:1", "ws://h:1/v1/listen?a=b+c"),
        ("h:1", "ws://h:1/v1/listen?a=b+c"),
        ("http://h:1/", "ws://h:1/v1/listen?a=b+c"),
        ("https://h/v1", "wss://h/v1/listen?a=b+c"),
        ("wss://h/proxy/v1/listen?model=x", "wss://h/proxy/v1/listen?model=x&a=b+c"),
    ],
)
def test_a_server_is_named_by_any_of_its_addresses(url: str, address: str) -> None:
    assert Target(url, parameters=(("a", "b c"),)).address() == address


@pytest.mark.parametrize("url", ["ftp://h:1", "ws://", ""])
def test_an_address_that_is_none_is_refused_by_name(url: str) -> None:
    with pytest.raises(StreamError, match="--url"):
        Target(url).address()


def test_a_key_is_not_in_the_text_of_a_target() -> None:
    assert "secret" not in repr(Target("ws://h", "secret"))


def test_everything_is_sent_in_order_and_told_in_order() -> None:
    items = feed(b"\1\2", KeepAlive(), b"\3\4", Finalize(), Finalize(1), CloseStream())
    with fake_server() as heard:
        ending, told = converse(heard.url, items, key="secret")
    assert heard.audio == b"\1\2\3\4"
    assert heard.texts == ["KeepAlive", "Finalize", "Finalize", "CloseStream"]
    assert heard.authorizations == ["Token secret"]
    assert [type(message) for message in told] == [Transcript, Transcript, Transcript, Summary]
    assert ending == Ending(1000, "", early=False)


def test_the_server_may_close_early_and_the_feed_is_not_asked_again() -> None:
    async def leave(connection: ServerConnection, heard: Heard) -> None:
        await connection.recv()
        await connection.send(metadata(0.0))
        await connection.close(1011, "gone")

    with fake_server(leave) as heard:
        ending, told = converse(heard.url, endless())
    assert ending == Ending(1011, "gone", early=True)
    assert [type(message) for message in told] == [Summary]


def test_a_server_that_never_closes_is_left_with_a_sentence() -> None:
    async def sit(connection: ServerConnection, heard: Heard) -> None:
        async for _ in connection:
            pass

    with fake_server(sit) as heard, pytest.raises(StreamError, match=r"not closed the stream 0\.05 s after its end"):
        converse(heard.url, feed(CloseStream()), drain_s=0.05)


@pytest.mark.parametrize(
    ("status", "headers", "body", "sentence"),
    [
        (400, {"dg-error": "Invalid 'encoding'."}, {}, r"refused \(400\): Invalid 'encoding'\."),
        (429, {}, {"err_msg": "Too many requests."}, r"refused \(429\): Too many requests\."),
        (401, {}, [], r"refused \(401\): Unauthorized.*--key or CAESURA_KEY"),
    ],
)
def test_a_refused_upgrade_says_what_the_server_said(
    status: int, headers: dict[str, str], body: object, sentence: str
) -> None:
    with fake_server(refuse=(status, headers, body)) as heard, pytest.raises(StreamError, match=sentence):
        converse(heard.url, feed(CloseStream()))


def test_where_nothing_listens_the_sentence_says_how_to_start_a_server() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        with pytest.raises(StreamError, match=r"Nothing listens at ws://127\.0\.0\.1:.*`caesura serve`"):
            converse(f"ws://127.0.0.1:{probe.getsockname()[1]}", feed(CloseStream()))


@pytest.mark.parametrize(
    "answer", ["no json", "[1]", "{}", '{"type":"Results"}', '{"type":"Metadata","duration":"x"}', b""]
)
def test_what_is_no_message_of_the_wire_ends_the_stream(answer: str | bytes) -> None:
    async def babble(connection: ServerConnection, heard: Heard) -> None:
        await connection.send(answer)
        await connection.wait_closed()

    with fake_server(babble) as heard, pytest.raises(StreamError, match="The server sent"):
        converse(heard.url, endless())


def test_results_become_words_with_times() -> None:
    said = read_message(results("One two.", 3.0, 1.0, channel=(1, 2)))
    assert isinstance(said, Transcript)
    assert [(word.text, word.start, word.end) for word in said.words] == [("One", 3.0, 3.5), ("two.", 3.5, 4.0)]
    assert (said.channel, said.channels, said.final) == (1, 2, True)


def test_other_messages_are_notices() -> None:
    raw = '{"type":"Error","variant":"SchemaError","description":"bad text"}'
    assert read_message(raw) == Notice(raw, "Error", "bad text")


def test_an_error_in_the_feed_reaches_the_caller_as_it_is() -> None:
    async def broken() -> AsyncIterator[bytes | ClientMessage]:
        yield b"\0\0"
        raise StreamError("the file is gone")

    with fake_server() as heard, pytest.raises(StreamError, match="the file is gone"):
        converse(heard.url, broken())
