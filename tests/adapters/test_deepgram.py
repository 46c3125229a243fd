"""Deepgram's own SDK, unmodified, over our transports, against the fake server."""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK
from websockets.sync.server import ServerConnection, serve

import caesura
from caesura.client.reconnect import refusal
from caesura.errors import ConnectionClosedByServer
from caesura.testing import FakeServer, Voice
from tests.encodings import wav

pytest.importorskip("deepgram.transport_interface", reason="needs deepgram-sdk 6 or newer")

from deepgram import AsyncDeepgramClient, DeepgramClient
from deepgram.core.api_error import ApiError
from deepgram.core.events import EventType
from deepgram.environment import DeepgramClientEnvironment
from deepgram.transport import restore_transport

from caesura.adapters import deepgram

pytestmark = [
    pytest.mark.slow,
    # The SDK asks websockets for names that it is about to drop.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

VOICE = Voice(["one", "two", "three", "four", "five"])
ASKED: dict[str, Any] = {"model": "nova-3", "encoding": "linear16", "sample_rate": "16000", "interim_results": True}
WORD_S, GAP_S = 0.3, 0.1
REFUSED = {"err_code": "INVALID_AUTH", "err_msg": "Invalid credentials."}
KEEPALIVES = 10
"""They take longer than the fake server waits for a silent client."""


class Transport(deepgram.Transport):
    tuning = caesura.Tuning(keepalive_s=0.1, open_within_s=0)
    pause_after_s = 0.25


class AsyncTransport(deepgram.AsyncTransport):
    tuning = Transport.tuning
    pause_after_s = 0.25


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE, idle_s=0.5) as fake:
        yield fake


@pytest.fixture(autouse=True)
def no_transport() -> Iterator[None]:
    yield
    restore_transport()


def client(url: str, transport: type[deepgram.Transport] = Transport) -> Any:
    return DeepgramClient(api_key="k", environment=environment(url), transport_factory=transport)


def async_client(url: str) -> Any:
    return AsyncDeepgramClient(api_key="k", environment=environment(url), transport_factory=AsyncTransport)


def environment(url: str) -> Any:
    """Which addresses there are depends on the SDK's version."""
    return DeepgramClientEnvironment(**dict.fromkeys(inspect.signature(DeepgramClientEnvironment).parameters, url))


class Heard:
    """The messages and errors that a connection passed to its callbacks."""

    def __init__(self, connection: Any) -> None:
        self.events: list[tuple[str, Any]] = []
        for kind in EventType:
            connection.on(kind, lambda message, kind=kind: self.events.append((kind.name, message)))

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    @property
    def messages(self) -> list[Any]:
        return [message for kind, message in self.events if kind == "MESSAGE"]

    @property
    def words(self) -> list[Any]:
        """Those of the finals."""
        results = [message for message in self.messages if message.type == "Results" and message.is_final]
        return [word for result in results for word in result.channel.alternatives[0].words]

    @property
    def texts(self) -> list[str]:
        return [word.word for word in self.words]


@contextmanager
def listening(server: FakeServer, **parameters: Any) -> Iterator[tuple[Any, Heard]]:
    """A connection whose messages are read in a thread, up to its end."""
    with client(server.url).listen.v1.connect(**{**ASKED, **parameters}) as connection:
        heard = Heard(connection)
        thread = threading.Thread(target=connection.start_listening)
        thread.start()
        yield connection, heard
        thread.join(5)
        assert not thread.is_alive()


# ---- pauses and reconnects ----


def held(server: FakeServer) -> bool:
    """Was the first connection held by KeepAlive for longer than the server waits?"""
    return server.connections[0].types.count("KeepAlive") >= KEEPALIVES


def check_three_phases(server: FakeServer, heard: Heard) -> None:
    """The audio is: one, two, Finalize; a pause; three; a reset; four."""
    one, two, three, four = heard.words
    assert heard.texts == ["one", "two", "three", "four"]
    assert (one.start, one.end, two.start, two.end) == (0.0, 0.3, 0.4, 0.7)
    # The third lies behind the pause, which was longer than the server waits.
    assert three.start > 0.8 + 0.5
    assert three.end == pytest.approx(three.start + WORD_S, abs=0.002)
    assert four.start == pytest.approx(three.end + GAP_S, abs=0.002)
    # On the stream there was no pause.
    assert three.stream_start < 1.0
    assert four.stream_start == pytest.approx(three.stream_start + WORD_S + GAP_S)
    walls = [datetime.fromisoformat(word.wall_start).timestamp() for word in (one, two, three, four)]
    assert [wall - walls[0] for wall in walls] == pytest.approx(
        [word.start for word in (one, two, three, four)], abs=0.003
    )
    assert len(server.connections) == 2
    assert heard.kinds[-2:] == ["MESSAGE", "CLOSE"]
    last = heard.messages[-1]
    assert last.type == "Metadata"
    assert (last.duration, last.connections, last.lost_duration) == (1.6, 2, 0.0)
    assert last.request_id == server.connections[1].request_id


def test_a_pause_and_a_reset_cost_the_sync_sdk_no_word(server: FakeServer) -> None:
    with listening(server) as (connection, heard):
        connection.send_media(VOICE.say("one", "two"))
        connection.send_finalize()
        server.wait(lambda: held(server))
        connection.send_media(VOICE.say("three"))
        server.wait(lambda: server.connections[0].seconds > 1.1)
        server.cut()
        connection.send_media(VOICE.say("four"))
        connection.send_close_stream()
    check_three_phases(server, heard)


async def three_phases(server: FakeServer) -> Heard:
    async with async_client(server.url).listen.v1.connect(**ASKED) as connection:
        heard = Heard(connection)
        listening = asyncio.create_task(connection.start_listening())
        await connection.send_media(VOICE.say("one", "two"))
        await connection.send_finalize()
        await asyncio.to_thread(server.wait, lambda: held(server))
        await connection.send_media(VOICE.say("three"))
        await asyncio.to_thread(server.wait, lambda: server.connections[0].seconds > 1.1)
        await asyncio.to_thread(server.cut)
        await connection.send_media(VOICE.say("four"))
        await connection.send_close_stream()
        await listening
    return heard


def test_a_pause_and_a_reset_cost_the_async_sdk_no_word(server: FakeServer) -> None:
    check_three_phases(server, asyncio.run(three_phases(server)))


# ---- what is sent ----


def test_there_is_one_owner_of_keepalive(server: FakeServer) -> None:
    with listening(server) as (connection, _):
        connection.send_media(VOICE.say("one"))
        for _ in range(50):
            connection.send_keep_alive()
        connection.send_media(VOICE.say("two"))
        connection.send_close_stream()
    types = server.connections[0].types
    assert types.count("KeepAlive") < KEEPALIVES
    assert [kind for kind in types if kind != "KeepAlive"] == ["Finalize", "CloseStream"]


def test_the_address_and_the_headers_are_the_sdk_s(server: FakeServer) -> None:
    """Booleans are written in lower case, whichever SDK it is."""
    parameters = {"tag": ["caesura", "True"], "utterance_end_ms": "1000", "vad_events": "True"}
    with listening(server, **parameters) as (connection, _):
        connection.send_close_stream()
    request = server.connections[0].request
    assert request.query["tag"] == ("caesura", "True")
    assert request.query["vad_events"] == request.query["interim_results"] == ("true",)
    assert request.authorization == "Token k"
    assert request.headers["X-Fern-SDK-Name"]


def test_nothing_sent_is_nothing(server: FakeServer) -> None:
    """An empty message would end the stream."""
    with listening(server) as (connection, heard):
        connection.send_media(b"")
        connection.send_media(memoryview(VOICE.say("one")))
        connection.send_media(bytearray(VOICE.say("two")))
        connection.send_close_stream()
    assert heard.texts == ["one", "two"]


def test_the_header_of_a_wav_file_is_left_out(server: FakeServer) -> None:
    """A client may send a WAV file as raw samples, here as to a real server."""
    with listening(server) as (connection, heard):
        connection.send_media(wav(VOICE.say("one"), 16_000, 1))
        connection.send_close_stream()
    assert heard.texts == ["one"]
    assert server.connections[0].audio == VOICE.say("one")


def test_a_recording_is_held_up_instead_of_dropped(server: FakeServer) -> None:
    """Three times as much as is kept, as fast as it goes."""
    with listening(server) as (connection, heard):
        for _ in range(150):
            connection.send_media(VOICE.say("one", "two") + VOICE.silence(0.4))
        connection.send_close_stream()
    assert heard.texts == ["one", "two"] * 150
    assert heard.words[-1].start == pytest.approx(150 * 1.2 - 0.8)
    assert heard.messages[-1].lost_duration == 0


def test_a_recording_may_come_in_one_piece(server: FakeServer) -> None:
    with listening(server) as (connection, heard):
        connection.send_media((VOICE.say("one", "two") + VOICE.silence(0.4)) * 150)
        connection.send_close_stream()
    assert heard.texts == ["one", "two"] * 150


async def recording(server: FakeServer) -> Heard:
    async with async_client(server.url).listen.v1.connect(**ASKED) as connection:
        heard = Heard(connection)
        listening = asyncio.create_task(connection.start_listening())
        for _ in range(150):
            await connection.send_media(VOICE.say("one", "two") + VOICE.silence(0.4))
        await connection.send_close_stream()
        await listening
    return heard


def test_an_async_recording_is_held_up_instead_of_dropped(server: FakeServer) -> None:
    assert asyncio.run(recording(server)).texts == ["one", "two"] * 150


def test_requests_that_a_line_cannot_serve_are_refused_by_name(server: FakeServer) -> None:
    transport = Transport(f"{server.url}/v1/listen?encoding=linear16&sample_rate=16000", {})
    with pytest.raises(caesura.UsageError, match="Configure"):
        transport.send('{"type": "Configure", "keyterms": []}')
    transport.close()


# ---- the end ----


def test_leaving_waits_for_the_last_words(server: FakeServer) -> None:
    """They are not requested by CloseStream, but a listener is still running."""
    with client(server.url).listen.v1.connect(**ASKED) as connection:
        heard = Heard(connection)
        thread = threading.Thread(target=connection.start_listening)
        thread.start()
        connection.send_media(VOICE.say("one"))
    thread.join(5)
    assert heard.texts == ["one"]
    assert heard.kinds[-1] == "CLOSE"
    assert server.connections[0].types[-1] == "CloseStream"


def test_detaching_does_not_wait_for_a_lost_server(server: FakeServer) -> None:
    with client(server.url).listen.v1.connect(**ASKED):
        server.stop()
    assert server.connections[0].types == []


def test_behind_the_end_there_is_nothing(server: FakeServer) -> None:
    with client(server.url).listen.v1.connect(**ASKED) as connection:
        connection.send_close_stream()
        while connection.recv().type != "Metadata":
            pass
        with pytest.raises(ConnectionClosedOK):
            connection.recv()
        with pytest.raises(ConnectionClosedOK):
            connection.send_media(VOICE.say("one"))
        assert list(connection) == []


def test_a_server_that_hangs_up_for_good_is_an_error_with_its_code(server: FakeServer) -> None:
    with listening(server) as (connection, heard):
        connection.send_media(VOICE.say("one"))
        server.close(1008, "DATA-0000")
    kind, error = heard.events[-2]
    assert (kind, heard.kinds[-1]) == ("ERROR", "CLOSE")
    assert isinstance(error, ConnectionClosedError)
    assert error.rcvd is not None
    assert (error.rcvd.code, error.rcvd.reason) == (1008, "DATA-0000")


# ---- refusals ----


def test_a_refusal_is_the_sdk_s_own_error(server: FakeServer) -> None:
    server.refuse(401, headers={"dg-error": "no"}, body=json.dumps(REFUSED))
    with pytest.raises(ApiError) as caught, client(server.url).listen.v1.connect(**ASKED):
        pass
    assert (caught.value.status_code, caught.value.body) == (401, REFUSED)
    assert caught.value.headers is not None
    assert caught.value.headers["dg-error"] == "no"
    assert "authorization" not in caught.value.headers
    assert not server.connections


async def refused(server: FakeServer) -> Heard:
    async with async_client(server.url).listen.v1.connect(**ASKED) as connection:
        heard = Heard(connection)
        with pytest.raises(ApiError, match="401"):
            await connection.send_media(VOICE.say("one"))
        await connection.start_listening()
    return heard


def test_an_async_refusal_comes_with_the_first_message_and_with_listening(server: FakeServer) -> None:
    server.refuse(401)
    heard = asyncio.run(refused(server))
    assert heard.kinds == ["OPEN", "ERROR", "CLOSE"]
    assert isinstance(heard.events[1][1], ApiError)


def test_each_way_to_end_has_the_sdk_s_error() -> None:
    failure = caesura.ReconnectFailed("no connection for 600 s")
    assert deepgram.sdk_error(failure) is failure
    assert isinstance(deepgram.sdk_error(ConnectionClosedByServer(1000)), ConnectionClosedOK)
    simulated = deepgram.sdk_error(refusal(429, "simulated"))
    assert isinstance(simulated, ApiError)
    assert (simulated.status_code, simulated.body) == (429, "simulated")


# ---- the async kind ----


async def recv_cancelled(server: FakeServer) -> str:
    transport = AsyncTransport(f"{server.url}/v1/listen?encoding=linear16&sample_rate=16000", {})
    await transport.send(VOICE.say("one"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(transport.recv(), 0.05)
    await transport.send('{"type": "CloseStream"}')
    said = json.loads(await transport.recv())
    await transport.close()
    return str(said["channel"]["alternatives"][0]["transcript"])


def test_to_give_up_waiting_for_a_message_loses_none(server: FakeServer) -> None:
    assert asyncio.run(recv_cancelled(server)) == "one"


async def opening_cancelled(server: FakeServer) -> str:
    await asyncio.to_thread(server.stall)
    transport = AsyncTransport(f"{server.url}/v1/listen?encoding=linear16&sample_rate=16000", {})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(transport.recv(), 0.05)
    await asyncio.to_thread(server.unstall)
    await transport.send('{"type": "CloseStream"}')
    said = json.loads(await transport.recv())
    await transport.close()
    return str(said["type"])


def test_to_give_up_waiting_for_the_connection_loses_it_not(server: FakeServer) -> None:
    assert asyncio.run(opening_cancelled(server)) in ("Results", "Metadata")


async def close_cancelled(server: FakeServer) -> None:
    transport = AsyncTransport(f"{server.url}/v1/listen?encoding=linear16&sample_rate=16000", {})
    await transport.send(VOICE.say("one"))
    await asyncio.to_thread(server.mute)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(transport.close(), 0.05)
    assert [message async for message in transport] == []


def test_to_give_up_closing_cuts(server: FakeServer) -> None:
    asyncio.run(close_cancelled(server))


# ---- connections that stay plain ----


@pytest.fixture
def echo() -> Iterator[str]:
    """The URL of a server that echoes everything twice, and refuses the path /no."""

    def say(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(message)
            connection.send(message)
            connection.close()

    def judge(connection: ServerConnection, request: Any) -> Any:
        return connection.respond(403, '{"err_msg": "no"}') if "/no" in request.path else None

    with serve(say, "127.0.0.1", 0, process_request=judge) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join()


def test_other_sockets_of_the_sdk_stay_what_they_are(echo: str) -> None:
    for path in ("/v2/listen?model=flux", "/v1/listen?callback=http%3A%2F%2Fhost", "/v1/speak"):
        transport = Transport(echo + path, {})
        transport.send(b"x")
        assert list(transport) == [b"x", b"x"]
        transport.close()
    with pytest.raises(ApiError, match="403"):
        Transport(f"{echo}/no", {})


async def plainly(url: str) -> list[Any]:
    transport = AsyncTransport(f"{url}/v2/listen", {})
    await transport.send("x")
    messages = [message async for message in transport]
    await transport.close()
    await AsyncTransport(f"{url}/v2/listen", {}).close()
    with pytest.raises(ApiError, match="403"):
        await AsyncTransport(f"{url}/no", {}).recv()
    return messages


def test_other_async_sockets_of_the_sdk_stay_what_they_are(echo: str) -> None:
    assert asyncio.run(plainly(echo)) == ["x", "x"]
