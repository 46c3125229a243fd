"""The fake server as a test uses it: lifetime, records, planned faults."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed

from caesura.errors import UsageError
from caesura.testing import Close, FakeServer
from tests.testing.peer import VOICE, connected, finals, url


def test_nothing_runs_before_and_nothing_is_left_after() -> None:
    server = FakeServer(VOICE)
    with pytest.raises(UsageError, match="enter its context first"):
        _ = server.url
    with pytest.raises(UsageError, match="enter its context first"):
        server.cut()
    with server, connected(server) as peer:
        server.stall()
        peer.say("one")
    assert "caesura-fake-server" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(UsageError, match="enter its context first"):
        server.start()


def test_records_can_be_read_after_the_server_has_ended() -> None:
    with FakeServer(VOICE) as server, connected(server) as peer:
        peer.send("CloseStream")
        peer.rest()
    assert server.connections[0].closed == Close(1000, "")


def test_two_servers_have_two_ports() -> None:
    with FakeServer(VOICE) as first, FakeServer(VOICE) as second:
        assert first.url != second.url


def test_a_timed_out_wait_reports_the_connections() -> None:
    with FakeServer(VOICE) as server, connected(server), pytest.raises(TimeoutError, match=r"\['open'\], refused: 0"):
        server.wait(lambda: False, within_s=0.01)


def test_a_port_used_by_another_process_is_an_error() -> None:
    with FakeServer(VOICE) as server:
        server.stop()
        address = "127.0.0.1", int(server.url.rpartition(":")[2])
        with socket.create_server(address, reuse_port=False), pytest.raises(OSError, match="in use"):
            server.start()
        server.start()
        with connected(server) as peer:
            assert peer.answers_ping()


def test_a_client_on_a_loop_can_wait_beside_it() -> None:
    async def go() -> None:
        with FakeServer(VOICE) as server:
            async with connect_async(url(server)) as connection:
                await connection.send(VOICE.say("one"))
                await asyncio.to_thread(server.wait, lambda: server.connections[0].seconds == 0.4)

    asyncio.run(go())


@pytest.mark.parametrize("chunk", [1000, 6400, 100_000])
def test_a_planned_fault_comes_at_its_sample_and_after_earlier_messages(chunk: int) -> None:
    audio = VOICE.say("one", "two") + VOICE.silence(0.3) + VOICE.say("three")
    with FakeServer(VOICE) as server:
        server.after(1.2, server.hang_up)
        with connected(server) as peer:
            with contextlib.suppress(ConnectionClosed):
                for at in range(0, len(audio), chunk):
                    peer.connection.send(audio[at : at + chunk])
            assert finals(peer.rest()) == [(0.0, 1.0, "one two")]
        server.wait(lambda: server.connections[0].closed is not None)
        assert server.connections[0].audio == audio[: round(1.2 * 32_000)]


def test_planned_faults_of_a_closed_connection_apply_to_the_next() -> None:
    with FakeServer(VOICE) as server:
        server.after(0.1, server.cut)
        server.after(0.1, lambda: server.close(1001))
        with connected(server) as peer:
            peer.say("one")
            assert peer.end() is None
        with connected(server) as peer:
            peer.say("one")
            assert peer.end() == (1001, "")
        with connected(server) as peer:
            peer.say("one")
            peer.send("CloseStream")
            assert peer.end() == (1000, "")
        assert [connection.seconds for connection in server.connections] == [0.1, 0.1, 0.4]


def test_planned_faults_are_triggered_in_the_order_of_their_seconds() -> None:
    with FakeServer(VOICE) as server:
        server.after(0.6, server.unmute)
        server.after(0.2, server.mute)
        with connected(server, interim_results="true") as peer:
            peer.say("one", "two")
            peer.send("CloseStream")
            assert finals(peer.rest()) == [(0.0, 0.8, "one two")]


def test_messages_after_a_planned_stall_are_processed_when_it_is_over() -> None:
    with FakeServer(VOICE) as server:
        server.after(0.1, server.stall)
        with connected(server) as peer:
            peer.say("one")
            peer.send("CloseStream")
            server.wait(lambda: server.connections[0].seconds > 0)
            assert server.connections[0].seconds == 0.1
            server.unstall()
            assert finals(peer.rest()) == [(0.0, 0.4, "one")]


def test_a_planned_restart_is_over_when_the_client_reconnects() -> None:
    def restart() -> None:
        server.stop()
        server.start()

    with FakeServer(VOICE) as server:
        server.after(0.1, restart)
        with connected(server) as peer:
            peer.say("one")
            assert peer.end() is None
        server.start()
        with connected(server) as peer:
            assert peer.answers_ping()


def test_a_fault_planned_for_the_beginning_comes_before_any_audio() -> None:
    with FakeServer(VOICE) as server:
        server.after(0.0, lambda: server.close(1001))
        with connected(server) as peer:
            peer.say("one")
            assert peer.end() == (1001, "")
        assert server.connections[0].audio == b""


def test_faults_can_be_planned_in_a_fault() -> None:
    with FakeServer(VOICE) as server:
        server.after(0.1, lambda: server.after(0.2, server.hang_up))
        with connected(server) as peer:
            peer.say("one")
            assert peer.end() is None
        assert server.connections[0].seconds == 0.2
