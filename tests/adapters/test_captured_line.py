"""Lines that infer pauses and hold up recordings, against the fake server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

import caesura
from caesura.adapters.captured_line import AHEAD_S, VoiceLine, voice_line
from caesura.client.config import Credentials
from caesura.testing import FakeServer, Voice

pytestmark = pytest.mark.slow

VOICE = Voice(["one", "two"])


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE, idle_s=2.0) as fake:
        yield fake


def line_to(server: FakeServer) -> VoiceLine:
    tuning = caesura.Tuning(open_within_s=0, keepalive_s=0.1)
    return voice_line(
        server.url,
        Credentials(key="k"),
        16_000,
        tuning=tuning,
        pause_after_s=0.2,
        parameters={"model": "nova-3", "keywords": None},
    )


async def spoken(server: FakeServer, *, held_up: bool = False) -> list[caesura.TimedWord]:
    line = line_to(server)
    opened = line.begin()
    line.send_captured(VOICE.say("one"))
    await asyncio.wrap_future(opened)
    await asyncio.to_thread(server.wait, lambda: server.connections[0].types.count("KeepAlive") >= 8)
    if held_up:
        line.released()
    line.send_captured(VOICE.say("two"))
    line.end(5.0)
    finals = [event async for event in line if isinstance(event, caesura.Final)]
    return [word for final in finals for word in final.words]


def test_a_gap_between_chunks_is_a_pause(server: FakeServer) -> None:
    """And audio is taken before there is a connection."""
    one, two = asyncio.run(spoken(server))
    assert (one.source_start, one.stream_start, two.stream_start) == (0.0, 0.0, 0.4)
    assert two.source_start is not None
    assert two.source_start > 0.4 + 0.2
    assert server.connections[0].request.authorization == "Token k"
    assert server.connections[0].request.query["model"] == ("nova-3",)


def test_time_in_which_the_client_blocked_is_not_a_pause(server: FakeServer) -> None:
    assert [word.source_start for word in asyncio.run(spoken(server, held_up=True))] == [0.0, 0.4]


def test_a_voice_never_waits(server: FakeServer) -> None:
    """This holds also while the server is unreachable."""
    line = line_to(server)
    line.begin().result(5)
    server.stop()
    for _ in range(10):
        line.send_captured(VOICE.silence(0.1))
        assert line.room() is None
    line.abandon()


def test_a_recording_waits_when_it_is_too_far_ahead_of_its_words(server: FakeServer) -> None:
    line = line_to(server)
    line.begin().result(5)
    server.mute()
    for chunk in line.chunks(VOICE.silence(AHEAD_S + 1.0)):
        line.send_captured(chunk)
    room = line.room()
    assert room is not None
    assert not room.done()
    server.unmute()
    room.result(5)
    line.released()
    assert line.room() is None
    line.abandon()


def test_a_chunk_of_live_length_stays_whole(server: FakeServer) -> None:
    """The machine takes it for having been captured up to now, however long it is."""
    line = line_to(server)
    assert [len(chunk) for chunk in line.chunks(bytes(32_000 * 20))] == [32_000 * 20]
    assert [len(chunk) for chunk in line.chunks(bytes(32_000 * 20 + 2))] == [32_000] * 20 + [2]
    assert list(line.chunks(b"")) == []


def test_at_the_end_nothing_waits(server: FakeServer) -> None:
    line = line_to(server)
    line.begin().result(5)
    server.mute()
    for chunk in line.chunks(VOICE.silence(AHEAD_S + 1.0)):
        line.send_captured(chunk)
    room = line.room()
    line.end(0.1)
    assert room is not None
    room.result(5)


def test_a_first_connection_that_fails_is_raised() -> None:
    with FakeServer(VOICE) as server:
        line = line_to(server)
        server.refuse(401)
        with pytest.raises(caesura.BadCredentials):
            line.begin().result(5)
