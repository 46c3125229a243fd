"""One connection's bytes are parsed piece by piece, in turn with all others, and never while its protocol is paused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from caesura.server.transport.turns import (
    FAST_S,
    FIRST_BYTES,
    MAX_BYTES,
    MIN_BYTES,
    SLOW_S,
    TurnTakingTransport,
    next_size,
)


@pytest.mark.parametrize(
    ("size", "took_s", "then"),
    [
        (4096, SLOW_S * 2, 2048),
        (4096, FAST_S / 2, 8192),
        (4096, (SLOW_S + FAST_S) / 2, 4096),
        (MIN_BYTES, SLOW_S * 2, MIN_BYTES),
        (MAX_BYTES, 0.0, MAX_BYTES),
    ],
)
def test_slow_pieces_get_smaller_and_fast_ones_larger_within_bounds(size: int, took_s: float, then: int) -> None:
    assert next_size(size, took_s) == then


class Socket(asyncio.Transport):
    """A transport that notes whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.closed = ""
        self.protocol: Any = None

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return bool(self.closed)

    def close(self) -> None:
        self.closed = "closed"

    def abort(self) -> None:
        self.closed = "aborted"

    def get_protocol(self) -> Any:
        return self.protocol


class Loop:
    """Stands in for the event loop: runs what is due on command."""

    def __init__(self) -> None:
        self._due: list[Callable[[], None]] = []

    def call_soon(self, call: Callable[[], None]) -> object:
        self._due.append(call)
        return object()

    def turn(self) -> bool:
        """One turn; whether anything ran."""
        due, self._due = self._due, []
        for call in due:
            call()
        return bool(due)


class Parser:
    """A protocol that keeps the pieces it gets; each takes `took_s`."""

    def __init__(self, took_s: float = (SLOW_S + FAST_S) / 2) -> None:
        self.socket = Socket()
        self.socket.protocol = self
        self.loop = Loop()
        self.now = 0.0
        self.took_s = took_s
        self.pieces: list[bytes] = []
        self.then: Callable[[], None] = lambda: None
        self.transport = TurnTakingTransport(self.socket, self.loop, lambda: self.now)  # type: ignore[arg-type]

    def receive_turn(self, data: bytes) -> None:
        self.pieces.append(data)
        self.now += self.took_s
        self.then()


def test_a_small_read_is_parsed_at_once_and_the_socket_read_on() -> None:
    parser = Parser()
    parser.transport.feed(b"abc")
    parser.transport.feed(b"def")
    assert parser.pieces == [b"abc", b"def"]
    assert parser.socket.reading
    assert not parser.loop.turn()


def test_a_large_read_is_parsed_over_several_turns_and_nothing_is_read_meanwhile() -> None:
    data = bytes(range(256)) * 40
    parser = Parser()
    parser.transport.feed(data)
    assert parser.pieces == [data[:FIRST_BYTES]]
    turns = 0
    while parser.transport.waiting:
        assert not parser.socket.reading
        assert parser.loop.turn()
        turns += 1
    assert turns == len(data) // FIRST_BYTES - 1
    assert b"".join(parser.pieces) == data
    assert parser.socket.reading
    assert not parser.loop.turn()


def test_pieces_grow_while_they_are_cheap_and_shrink_when_they_are_not() -> None:
    parser = Parser(took_s=0.0)
    parser.transport.feed(bytes(200_000))
    while parser.loop.turn():
        pass
    assert max(map(len, parser.pieces)) == MAX_BYTES
    parser.took_s, parser.pieces = 1.0, []
    parser.transport.feed(bytes(40_000))
    while parser.loop.turn():
        pass
    assert [len(piece) for piece in parser.pieces][:4] == [
        MAX_BYTES,
        MAX_BYTES // 2,
        MAX_BYTES // 4,
        MAX_BYTES // 8,
    ]
    assert min(map(len, parser.pieces)) <= MIN_BYTES


def test_nothing_is_parsed_while_the_protocol_has_paused() -> None:
    """This includes bytes that arrive meanwhile, which are kept in order."""
    parser = Parser()
    parser.then = parser.transport.pause_reading
    parser.transport.feed(b"a" * FIRST_BYTES + b"b")
    parser.transport.feed(b"c")
    assert not parser.loop.turn()
    assert (len(parser.pieces), parser.socket.reading, parser.transport.is_reading()) == (1, False, False)
    parser.then = lambda: None
    parser.transport.resume_reading()
    assert len(parser.pieces) == 1
    assert parser.loop.turn()
    assert parser.pieces[1:] == [b"bc"]
    assert parser.socket.reading


def test_a_pause_within_a_turn_that_was_due_holds_it() -> None:
    parser = Parser()
    parser.transport.feed(b"a" * FIRST_BYTES + b"b")
    parser.transport.pause_reading()
    parser.loop.turn()
    assert len(parser.pieces) == 1
    parser.transport.resume_reading()
    parser.loop.turn()
    assert parser.pieces[1] == b"b"


def test_a_pause_and_a_resume_without_anything_waiting_reach_the_socket() -> None:
    parser = Parser()
    parser.transport.pause_reading()
    assert not parser.socket.reading
    parser.transport.resume_reading()
    assert parser.socket.reading


def test_bytes_pushed_back_come_first_and_go_to_the_current_protocol() -> None:
    parser, successor = Parser(), Parser()

    def hand_over() -> None:
        parser.socket.protocol = successor
        parser.transport.push_back(b"rest")

    parser.then = hand_over
    parser.transport.feed(b"a" * FIRST_BYTES + b"more")
    while parser.loop.turn():
        pass
    assert len(parser.pieces) == 1
    assert successor.pieces == [b"restmore"]


def test_bytes_waiting_at_the_close_are_not_parsed() -> None:
    parser = Parser()
    parser.then = parser.transport.close
    parser.transport.feed(bytes(FIRST_BYTES * 3))
    while parser.loop.turn():
        pass
    assert len(parser.pieces) == 1
    assert not parser.transport.is_reading()


def test_an_exception_of_a_protocol_cuts_its_connection_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    parser = Parser()
    parser.then = fail
    parser.transport.feed(bytes(FIRST_BYTES * 3))
    assert parser.socket.closed == "aborted"
    assert "a connection is cut" in caplog.text
    assert not parser.loop.turn()


def test_the_rest_of_a_transport_is_that_of_the_socket() -> None:
    """Over a real one: addresses, limits and both ways of closing."""

    async def main() -> None:
        closed = asyncio.Event()

        class Echo(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                self.transport = TurnTakingTransport(transport, asyncio.get_running_loop())
                assert self.transport.get_extra_info("peername")[0] == "127.0.0.1"
                self.transport.set_write_buffer_limits(high=100, low=50)
                assert self.transport.get_write_buffer_limits() == (50, 100)
                assert self.transport.get_write_buffer_size() == 0
                assert self.transport.can_write_eof()
                self.transport.set_protocol(self)
                assert self.transport.get_protocol() is self

            def data_received(self, data: bytes) -> None:
                self.transport.feed(data)

            def receive_turn(self, data: bytes) -> None:
                self.transport.writelines([data[:1], data[1:]])
                self.transport.write(b"!")
                self.transport.write_eof()
                self.transport.close()
                assert self.transport.is_closing()

            def connection_lost(self, exc: Exception | None) -> None:
                closed.set()

        server = await asyncio.get_running_loop().create_server(Echo, "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello")
        assert await reader.read() == b"hello!"
        await closed.wait()
        writer.close()
        server.close()

    asyncio.run(main())
