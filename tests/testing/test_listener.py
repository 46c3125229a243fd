"""Faults of sockets and messages, as a client sees them."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed

from caesura.testing import Close, FakeServer
from tests.testing.peer import VOICE, connected, finals, url


def test_cut_resets_the_connection_without_a_close_frame() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        server.cut()
        with pytest.raises(ConnectionClosed) as caught:
            peer.connection.recv(timeout=5)
        assert caught.value.rcvd is None
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        server.wait(lambda: server.connections[0].closed == Close(1006, ""))


def test_hang_up_ends_the_connection_without_a_close_frame_and_after_pending_messages() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        server.after(0.2, server.hang_up)
        peer.send("Finalize")
        peer.say("one")
        assert finals(peer.rest()) == [(0.0, 0.0, "")]
        assert peer.end() is None
        server.wait(lambda: server.connections[0].closed == Close(1006, ""))


def test_close_sends_a_close_frame_and_nothing_before_it() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.say("one")
        server.wait(lambda: server.connections[0].seconds > 0)
        server.close(1011, "broken")
        assert peer.rest() == []
        assert peer.end() == (1011, "broken")
        server.wait(lambda: server.connections[0].closed == Close(1011, "broken"))


def test_a_mute_or_stalled_server_still_sends_close() -> None:
    for fault in (FakeServer.mute, FakeServer.stall):
        with FakeServer(VOICE) as server, connected(server) as peer:
            fault(server)
            peer.send("Finalize")
            peer.send("CloseStream")
            if fault is FakeServer.mute:
                server.wait(lambda: len(server.connections[0].texts) == 2)  # called at once
            server.close(1001)
            assert peer.rest() == []
            assert peer.end() == (1001, "")


def test_a_stalled_server_answers_nothing_until_it_resumes() -> None:
    with FakeServer(VOICE, idle_s=0.3) as server, connected(server) as peer:
        server.stall()
        peer.say("one")
        peer.send("CloseStream")
        assert not peer.answers_ping(within_s=0.4)
        assert server.connections[0].audio == b""
        server.unstall()
        assert finals(peer.rest()) == [(0.0, 0.4, "one")]
        assert peer.end() == (1000, "")


def test_a_stalled_server_takes_connections_and_does_not_upgrade_them() -> None:
    async def go() -> None:
        with FakeServer(VOICE) as server:
            server.stall()
            with pytest.raises(TimeoutError):
                await connect_async(url(server), open_timeout=0.05)
            server.unstall()
            async with connect_async(url(server)):
                assert len(server.connections) >= 1

    asyncio.run(go())


def test_a_mute_server_processes_and_answers_pings_and_sends_the_rest_later() -> None:
    with FakeServer(VOICE) as server:
        server.mute()
        with connected(server) as peer:
            peer.say("one")
            peer.send("CloseStream")
            server.wait(lambda: server.connections[0].types == ["CloseStream"])
            assert peer.answers_ping()
            with pytest.raises(TimeoutError):
                peer.connection.recv(timeout=0)
            server.unmute()
            assert finals(peer.rest()) == [(0.0, 0.4, "one")]


def test_a_stopped_server_refuses_to_be_connected_to_and_starts_on_its_port() -> None:
    with FakeServer(VOICE) as server:
        address = url(server)
        with connected(server) as peer:
            server.stop()
            assert peer.end() is None
            with pytest.raises(ConnectionRefusedError), connected(server):
                pass
        server.start()
        assert url(server) == address
        with connected(server) as peer:
            peer.send("CloseStream")
            assert peer.end() == (1000, "")
        server.wait(lambda: all(connection.closed for connection in server.connections))
        assert [connection.closed for connection in server.connections] == [Close(1006, ""), Close(1000, "")]


def test_a_server_that_stops_in_order_sends_its_finals_and_closes_with_1012() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.say("one")
        server.wait(lambda: server.connections[0].seconds > 0)
        server.stop(in_order=True)
        messages = peer.rest()
        assert finals(messages) == [(0.0, 0.4, "one")]
        assert messages[-1]["type"] == "Metadata"
        assert peer.end() == (1012, "")


def test_starting_and_stopping_twice_is_allowed() -> None:
    with FakeServer(VOICE) as server:
        server.start()
        server.stop()
        server.stop()
        server.start()
        with connected(server):
            pass
        server.stop()


def test_a_connection_that_never_sends_a_request_is_cut_too() -> None:
    with FakeServer(VOICE) as server:
        host, port = server.url.removeprefix("ws://").split(":")
        with socket.create_connection((host, int(port))) as raw:
            raw.settimeout(5)
            # The server has it in its hands as soon as a later one is served.
            with connected(server) as peer:
                assert peer.answers_ping()
            server.stop()
            with pytest.raises(ConnectionResetError):
                raw.recv(1)


def test_the_next_message_is_broken_and_the_one_after_it_is_not() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        server.corrupt()
        peer.send("Finalize")
        peer.send("Finalize")
        with pytest.raises(json.JSONDecodeError):
            peer.read()
        assert peer.read()["type"] == "Results"
