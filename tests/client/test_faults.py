"""Simulated faults around fake transports, and around real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

import caesura
from caesura import Faults, Tuning, sync
from caesura.client.events import Reconnected, Reconnecting
from caesura.client.transport import Transport, TransportClosed
from caesura.errors import BadCredentials, Refused, TooManyStreams
from caesura.protocol.client_session import TimerEvent
from caesura.testing import FakeServer
from tests.client.fake_transports import FakeOpener
from tests.client.lines import PATIENCE_S, VOICE, listening, placed, spoken

WORDS = ("good", "yes", "yes", "please", "no", "no", "thank", "you")


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        async with asyncio.timeout(PATIENCE_S):
            await test()

    asyncio.run(go())


@asynccontextmanager
async def waiting(work: Awaitable[object]) -> AsyncIterator[asyncio.Future[object]]:
    """`work`, begun, and cancelled at the end when it is still waiting."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def opened(faults: Faults, wires: FakeOpener) -> Transport:
    return await faults.around(wires)()


def test_without_faults_everything_goes_through() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(), wires)
        assert connection.request_id == "made-by-hand"
        await connection.send(b"\1\2")
        await connection.ping()
        wires.made[0].say("yes")
        assert await connection.receive() == "yes"
        wires.made[0].end(1011, "why")
        with pytest.raises(TransportClosed, match="1011 why"):
            await connection.receive()
        await connection.close()
        connection.abort()
        assert (wires.made[0].sent, wires.made[0].pings) == ([b"\1\2"], 1)
        assert wires.made[0].closed
        assert wires.made[0].aborted

    run(test)


def test_a_drop_ends_reader_and_writer() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(drop_after_s=0.01), wires)
        with pytest.raises(TransportClosed, match="1006"):
            await connection.receive()
        assert wires.made[0].aborted
        with pytest.raises(TransportClosed, match="1006"):
            await connection.send(b"\1\2")
        assert wires.made[0].sent == []

    run(test)


def test_a_stalled_transport_neither_accepts_nor_delivers() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(stall_after_s=0.0), wires)
        wires.made[0].say("yes")
        async with (
            waiting(connection.send(b"\1\2")) as sending,
            waiting(connection.receive()) as receiving,
            waiting(connection.ping()) as pinging,
        ):
            done, _ = await asyncio.wait([sending, receiving, pinging], timeout=0.05)
            assert not done
        assert (wires.made[0].sent, wires.made[0].pings) == ([], 0)
        connection.abort()
        assert wires.made[0].aborted

    run(test)


def test_a_reader_at_the_start_of_a_stall_never_returns_not_even_for_a_later_drop() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(stall_after_s=0.01, drop_after_s=0.02), wires)
        async with waiting(connection.receive()) as receiving:
            done, _ = await asyncio.wait([receiving], timeout=0.1)
            assert not done

    run(test)


def test_one_message_is_broken_and_the_next_is_whole() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(corrupt_after_s=0.0), wires)
        wires.made[0].say("12345678", "12345678")
        assert [await connection.receive(), await connection.receive()] == ["1234", "12345678"]

    run(test)


def test_until_its_time_has_come_a_fault_changes_nothing() -> None:
    async def test() -> None:
        wires = FakeOpener()
        faults = Faults(corrupt_after_s=3600.0, drop_after_s=3600.0, stall_after_s=3600.0)
        connection = await opened(faults, wires)
        wires.made[0].say("12345678")
        assert await connection.receive() == "12345678"
        await connection.send(b"\1\2")
        await connection.ping()
        assert (wires.made[0].sent, wires.made[0].pings) == ([b"\1\2"], 1)

    run(test)


def test_a_timeout_of_the_connection_itself_is_not_taken_for_a_fault() -> None:
    async def test() -> None:
        wires = FakeOpener()
        connection = await opened(Faults(drop_after_s=3600.0), wires)
        wires.made[0].fail(TimeoutError("of its own"))
        with pytest.raises(TimeoutError, match="of its own"):
            await connection.receive()

    run(test)


def test_refusals_come_first_and_each_once() -> None:
    async def test() -> None:
        wires = FakeOpener()
        opener = Faults(refuse=(401, 429, 503)).around(wires)
        for kind, status in ((BadCredentials, 401), (TooManyStreams, 429), (Refused, 503)):
            with pytest.raises(kind, match=f"{status}: simulated"):
                await opener()
        assert wires.attempts == 0
        await opener()
        assert wires.attempts == 1

    run(test)


@pytest.mark.parametrize("times", [0, 1, 2])
def test_so_many_connections_are_hit_and_all_later_ones_are_well(times: int) -> None:
    async def test() -> None:
        wires = FakeOpener()
        opener = Faults(drop_after_s=0.0, times=times).around(wires)
        for number in range(4):
            connection = await opener()
            if number < times:
                with pytest.raises(TransportClosed):
                    await connection.send(b"\1\2")
            else:
                await connection.send(b"\1\2")

    run(test)


def test_a_connection_that_was_not_made_is_none_of_them() -> None:
    async def test() -> None:
        wires = FakeOpener(caesura.Unreachable("no"))
        opener = Faults(drop_after_s=0.0).around(wires)
        with pytest.raises(caesura.Unreachable):
            await opener()
        connection = await opener()
        with pytest.raises(TransportClosed):
            await connection.send(b"\1\2")

    run(test)


# ---- around a real line ----


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("faults", "why"),
    [
        (Faults(drop_after_s=0.05), ("closed with 1006",)),
        (Faults(stall_after_s=0.05), (TimerEvent.HALF_OPEN.value, TimerEvent.STALLED.value)),
        (Faults(corrupt_after_s=0.0), ("The server sent what is no message of this wire",)),
        (Faults(refuse=(503, 429)), ("The server refused (503: simulated).",)),
    ],
    ids=["drop", "stall", "corrupt", "refuse"],
)
def test_a_line_loses_no_word_to_any_of_them(faults: Faults, why: tuple[str, ...]) -> None:
    stall_s = 0.4 if faults.stall_after_s else None
    tuning = Tuning(stall_s=stall_s, keepalive_s=0.02, replay_speed=100.0, open_within_s=PATIENCE_S)
    with FakeServer(VOICE, longest_s=0.8) as server:
        line = sync.connect(server.url, faults=faults, tuning=tuning)
        with listening(line) as heard:
            line.send(VOICE.say(*WORDS[:4]))
            if not faults.refuse:  # they come before there is a line
                heard.next(Reconnected)
            line.send(VOICE.say(*WORDS[4:]))
            result = line.finish(PATIENCE_S)
        assert placed(result) == spoken(*WORDS)
        assert result.complete
        assert heard.of(Reconnecting)[0].why.startswith(why)
