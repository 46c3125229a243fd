"""The bare wire over a real socket: the documented pause and every rule around it, with a shortened idle timeout."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from tests.conformance.speech import (
    FIRST,
    FRAME_S,
    NET_0001,
    RATE,
    SECOND,
    Message,
    check_pause,
    check_stream,
    finals,
    frames,
    pcm,
    seconds,
    words,
)
from tests.conformance.speech import WIRE_WINDOW_S as WINDOW_S
from tests.server_process import ServerProcess
from tests.waiting import wait_until

pytestmark = pytest.mark.conformance

KEEP_ALIVE = '{"type":"KeepAlive"}'
FINALIZE = '{"type":"Finalize"}'
CLOSE_STREAM = '{"type":"CloseStream"}'
MID_WORD = pcm(FIRST)[: RATE * 2]
"""Breaks off while its speaker speaks."""
ASKED = {"encoding": "linear16", "sample_rate": str(RATE)}
WAIT_S = 100.0
LIVEKIT = (
    "model=nova-3&punctuate=true&smart_format=true&no_delay=true&interim_results=true&encoding=linear16"
    "&vad_events=true&sample_rate=16000&channels=1&endpointing=25&filler_words=true&profanity_filter=false"
    "&numerals=false&mip_opt_out=false&language=en-US"
)
PIPECAT = (
    "channels=1&detect_entities=false&diarize=false&dictation=false&encoding=linear16&interim_results=true"
    "&language=en-US&model=nova-3&multichannel=false&numerals=false&punctuate=true&sample_rate=16000&smart_format=true"
)

T = TypeVar("T")


class Talk:
    """One open connection: sends on command, and keeps received messages with their times of arrival."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.opened_at = time.monotonic()
        self.messages: list[Message] = []
        self.closed_at = 0.0
        self._arrived = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with suppress(ConnectionClosed):
            async for text in self.connection:
                assert isinstance(text, str), "the server sent a binary message"
                self.messages.append(json.loads(text))
                self._arrived.set()
        self.closed_at = time.monotonic()
        self._arrived.set()

    async def send(self, *items: str | bytes) -> None:
        for item in items:
            await self.connection.send(item)

    async def speak(self, audio: bytes, *, speed: float = 8.0) -> None:
        for frame in frames(audio):
            await self.connection.send(frame)
            await asyncio.sleep(FRAME_S / speed)

    async def hold(self, length_s: float, text: str | bytes = KEEP_ALIVE) -> None:
        """Send only `text`, four times in each window."""
        until = time.monotonic() + length_s
        while time.monotonic() < until:
            await self.connection.send(text)
            await asyncio.sleep(WINDOW_S / 4)

    async def answered(self, field: str, value: object) -> None:
        """Wait for a message with this in it."""
        while not any(message.get(field) == value for message in self.messages):
            assert not self.closed_at, self.messages
            await self.next_arrival()

    async def next_arrival(self) -> None:
        """Wait for the next message, or for the close."""
        self._arrived.clear()
        await self._arrived.wait()

    async def closed(self) -> tuple[int | None, str | None]:
        """Wait for the end; its code and reason."""
        await self._reading
        return self.connection.close_code, self.connection.close_reason


@asynccontextmanager
async def talk(served: ServerProcess, query: str | None = None, **asked: str) -> AsyncIterator[Talk]:
    query = query or urlencode(ASKED | asked)
    async with (
        asyncio.timeout(WAIT_S),
        connect(f"{served.url}/v1/listen?{query}", ping_interval=None) as connection,
    ):
        yield Talk(connection)


def run(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(story)


def types(messages: list[Message]) -> list[str]:
    return [message["type"] for message in messages]


# ---- the pause ----


@pytest.mark.parametrize("finalize", [True, False], ids=["finalized", "left-open"])
def test_the_documented_pause(quick: ServerProcess, finalize: bool) -> None:
    """Audio, a pause of twice the window held by KeepAlive, audio: stream time stood still in between."""

    async def story() -> list[Message]:
        async with talk(quick) as line:
            await line.speak(pcm(FIRST))
            if finalize:
                await line.send(FINALIZE)
                await line.answered("from_finalize", True)
            await line.hold(2 * WINDOW_S)
            await line.speak(pcm(SECOND))
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line.messages

    messages = run(story())
    pause_at, total = seconds(pcm(FIRST)), seconds(pcm(FIRST) + pcm(SECOND))
    check_pause(messages, pause_at, total)
    if finalize:
        told = finals(messages)
        [at] = [index for index, final in enumerate(told) if final["from_finalize"]]
        assert told[at]["start"] + told[at]["duration"] == pytest.approx(pause_at, abs=1e-3)
        assert told[at + 1]["start"] == pytest.approx(pause_at, abs=1e-3)


def test_the_same_pause_without_keepalive_is_closed(quick: ServerProcess) -> None:
    """One idle timeout after the last audio come Metadata for that audio, then NET-0001."""

    async def story() -> Talk:
        async with talk(quick) as line:
            await line.speak(pcm(FIRST))
            assert await line.closed() == (1011, NET_0001)
            return line

    check_stream(run(story()).messages, seconds(pcm(FIRST)))


def test_a_client_that_sends_nothing_is_closed_after_the_window(quick: ServerProcess) -> None:
    """Metadata with a duration of 0 and no model, then NET-0001; not before the window is over."""

    async def story() -> Talk:
        async with talk(quick) as line:
            assert await line.closed() == (1011, NET_0001)
            return line

    line = run(story())
    assert types(line.messages) == ["Metadata"]
    assert line.messages[0]["duration"] == 0
    assert line.messages[0]["sha256"] == hashlib.sha256(b"").hexdigest()
    assert WINDOW_S * 0.9 < line.closed_at - line.opened_at < WINDOW_S + 5


def test_keepalive_alone_holds_a_silent_connection_and_is_never_answered(quick: ServerProcess) -> None:
    """Three windows of nothing but KeepAlive bring no message at all."""

    async def story() -> Talk:
        async with talk(quick) as line:
            await line.hold(3 * WINDOW_S)
            assert line.messages == []
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line

    assert types(run(story()).messages) == ["Metadata"]


def test_one_keepalive_prolongs_by_a_full_window(quick: ServerProcess) -> None:
    """The window begins anew at the KeepAlive, not at the connect."""

    async def story() -> float:
        async with talk(quick) as line:
            await asyncio.sleep(WINDOW_S * 0.6)
            sent_at = time.monotonic()
            await line.send(KEEP_ALIVE)
            assert await line.closed() == (1011, NET_0001)
            return line.closed_at - sent_at

    assert run(story()) > WINDOW_S * 0.98


def test_pings_are_answered_and_do_not_hold_the_connection(quick: ServerProcess) -> None:
    """A WebSocket ping does not restart the idle timeout."""

    async def story() -> int:
        async with talk(quick) as line:
            pongs = 0
            with suppress(ConnectionClosed):
                while True:
                    await (await line.connection.ping())
                    pongs += 1
                    await asyncio.sleep(WINDOW_S / 8)
            assert await line.closed() == (1011, NET_0001)
            return pongs

    assert run(story()) >= 3


def test_keepalive_sent_as_binary_is_audio(quick: ServerProcess) -> None:
    """It holds the connection and moves the stream clock by its own length, and is neither obeyed nor an error."""
    payload = KEEP_ALIVE.encode()

    async def story() -> tuple[Talk, int]:
        async with talk(quick) as line:
            sent = 0
            until = time.monotonic() + 1.5 * WINDOW_S
            while time.monotonic() < until:
                await line.send(payload)
                sent += len(payload)
                await asyncio.sleep(WINDOW_S / 4)
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line, sent

    line, sent = run(story())
    assert "Error" not in types(line.messages)
    assert line.messages[-1]["duration"] == pytest.approx(sent / 2 / RATE, abs=6e-4)
    record = record_of(quick, line)
    assert (record["bytes_in"], record["keepalive_count"]) == (sent, 0)
    assert record["binary_control_suspects"] == sent // len(payload)


def test_an_odd_binary_keepalive_spoils_the_audio_after_it(quick: ServerProcess) -> None:
    """21 bytes shift every later sample by one byte: the documented corruption, reproduced and not hidden."""

    async def heard(*before: bytes) -> list[Message]:
        async with talk(quick) as line:
            await line.send(*before)
            await line.speak(pcm(SECOND))
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return words(finals(line.messages))

    clean, spoilt = run(heard()), run(heard(b'{"type": "KeepAlive"}'))
    assert len(clean) > 5
    assert len(spoilt) < len(clean) / 2


def test_a_pause_causes_no_endpoint(quick: ServerProcess) -> None:
    """Time without audio is not silence: neither speech_final nor UtteranceEnd comes from it."""

    async def story() -> list[Message]:
        async with talk(quick, interim_results="true", utterance_end_ms="1000", vad_events="true") as line:
            await line.speak(MID_WORD)
            await line.hold(3 * WINDOW_S)
            during = list(line.messages)
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            assert words(finals(line.messages))
            return during

    during = run(story())
    assert "SpeechStarted" in types(during)
    assert "UtteranceEnd" not in types(during)
    assert finals(during) == []


# ---- control messages ----


def test_a_misspelt_keepalive_is_answered_with_an_error_and_the_stream_stays_open(quick: ServerProcess) -> None:
    """The type must match to the letter; the Error carries the text back."""
    text = '{ "type": "KeepAlive "}'

    async def story() -> list[Message]:
        async with talk(quick) as line:
            await line.send(text)
            await line.answered("type", "Error")
            await line.hold(1.5 * WINDOW_S)
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line.messages

    messages = run(story())
    assert types(messages) == ["Error", "Metadata"]
    assert messages[0] == {
        "type": "Error",
        "variant": "SchemaError",
        "description": "Could not deserialize last text message: unknown variant `KeepAlive `, expected one of "
        "`CloseStream`, `Configure`, `Sync`, `KeepAlive`, `Finalize` at line 1 column 22",
        "message": text,
    }


@pytest.mark.parametrize("end", [CLOSE_STREAM, b""], ids=["CloseStream", "empty binary"])
def test_the_end_brings_the_last_finals_then_metadata_then_the_close(quick: ServerProcess, end: str | bytes) -> None:
    """Old SDKs give them half a second, and a bench measures the real time."""

    async def story() -> Talk:
        async with talk(quick) as line:
            await line.speak(pcm(FIRST))
            await line.send(end)
            assert await line.closed() == (1000, "")
            return line

    line = run(story())
    check_stream(line.messages, seconds(pcm(FIRST)))
    assert line.messages[-1]["sha256"] == hashlib.sha256(pcm(FIRST)).hexdigest()


def test_text_after_closestream_is_no_error(quick: ServerProcess) -> None:
    """A framework's keepalive task may fire once more while the stream is being flushed."""

    async def story() -> list[Message]:
        async with talk(quick) as line:
            await line.speak(pcm(FIRST), speed=50)
            await line.send(CLOSE_STREAM, KEEP_ALIVE, FINALIZE, "no JSON")
            assert await line.closed() == (1000, "")
            return line.messages

    check_stream(run(story()), seconds(pcm(FIRST)))


def test_the_usage_of_a_stream_is_recorded(quick: ServerProcess) -> None:
    """Audio seconds count, paused ones do not."""

    async def story() -> Talk:
        async with talk(quick, tag="wire") as line:
            await line.speak(pcm(FIRST))
            await line.hold(1.6 * WINDOW_S)
            await line.send(CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line

    record = record_of(quick, run(story()))
    assert record["audio_seconds"] == pytest.approx(seconds(pcm(FIRST)), abs=1e-3)
    assert record["billed_seconds"] == record["audio_seconds"]
    assert (record["code"], record["method"], record["tags"]) == (101, "streaming", ["wire"])
    assert record["keepalive_count"] >= 4
    assert record["paused_seconds"] >= 1.0
    assert record["bytes_in"] == len(pcm(FIRST))
    assert (record["close_code"], record["close_reason"]) == (1000, "")


# ---- frameworks ----


def test_livekit_simply_works(quick: ServerProcess) -> None:
    """Its query; KeepAlive before any audio; Finalize and CloseStream at once after each other."""

    async def story() -> list[Message]:
        async with talk(quick, LIVEKIT) as line:
            await line.send(KEEP_ALIVE)
            await line.speak(pcm(FIRST))
            await line.send(FINALIZE, CLOSE_STREAM)
            assert await line.closed() == (1000, "")
            return line.messages

    messages = run(story())
    check_stream(messages, seconds(pcm(FIRST)))
    assert "SpeechStarted" in types(messages)
    assert words(finals(messages))
    assert [final["from_finalize"] for final in finals(messages)].count(True) == 1


def test_pipecat_simply_works(quick: ServerProcess) -> None:
    """With pipecat's query: each Finalize is answered, also if nothing is pending, with the words so far."""

    async def story() -> list[Message]:
        async with talk(quick, PIPECAT) as line:
            await line.speak(MID_WORD)
            await line.send(FINALIZE)
            await line.answered("from_finalize", True)
            spoken = list(line.messages)
            await line.send(FINALIZE)
            while sum(message.get("from_finalize", False) for message in line.messages) < 2:
                await line.next_arrival()
            # It reads nothing more: CloseStream and its own close frame are sent together.
            await line.send(CLOSE_STREAM)
            await line.connection.close()
            await line.closed()
            return spoken

    spoken = run(story())
    assert spoken[-1]["from_finalize"] is True
    assert words([spoken[-1]])


# ---- credentials as browsers send them ----


@pytest.mark.parametrize(
    "offered",
    [
        ["token", "{key}"],
        ["Token", "{key}"],
        ["bearer", "{key}"],
        ["token", "{key}", "x-deepgram-session-id", "0b9a6c1e-1111-4222-8333-444455556666"],
        ["mine", "token", "{key}"],
    ],
    ids=["token", "capital", "bearer", "session-id", "own-first"],
)
def test_a_key_offered_as_subprotocol_is_accepted_and_never_echoed(
    keyed: ServerProcess, key: str, offered: list[str]
) -> None:
    """Browsers cannot set headers: the scheme word comes back, the secret does not."""
    protocols = [Subprotocol(item.format(key=key)) for item in offered]

    async def story() -> ClientConnection:
        async with connect(f"{keyed.url}/v1/listen?{urlencode(ASKED)}", subprotocols=protocols) as connection:
            await connection.send(CLOSE_STREAM)
            await connection.wait_closed()
            return connection

    connection = run(story())
    assert connection.close_code == 1000
    assert connection.subprotocol == next(item for item in offered if item.lower() in {"token", "bearer"})
    assert connection.response is not None
    assert key not in str(list(connection.response.headers.raw_items()))


@pytest.mark.parametrize("offered", [["token", "wrong"], ["token"], ["{key}"], ["x-deepgram-session-id", "{key}"]])
def test_a_wrong_subprotocol_credential_is_refused_before_the_upgrade(
    keyed: ServerProcess, key: str, offered: list[str]
) -> None:
    """An ordinary HTTP answer with 401, the request id and our sentence."""
    protocols = [Subprotocol(item.format(key=key)) for item in offered]

    async def story() -> None:
        async with connect(f"{keyed.url}/v1/listen?{urlencode(ASKED)}", subprotocols=protocols):
            pass

    with pytest.raises(InvalidStatus) as refused:
        run(story())
    response = refused.value.response
    body = json.loads(response.body or b"")
    assert response.status_code == 401
    assert body["err_code"] == "INVALID_AUTH"
    assert body["request_id"] == response.headers["dg-request-id"]
    assert response.headers["dg-error"] == body["err_msg"] == "Invalid credentials."


def test_header_clients_get_no_subprotocol(keyed: ServerProcess, key: str) -> None:
    """Nothing was offered, so nothing is selected."""

    async def story() -> ClientConnection:
        headers = {"Authorization": f"token {key}"}
        async with connect(f"{keyed.url}/v1/listen?{urlencode(ASKED)}", additional_headers=headers) as connection:
            return connection

    connection = run(story())
    assert connection.subprotocol is None
    assert connection.response is not None
    assert "Sec-WebSocket-Protocol" not in connection.response.headers


def record_of(served: ServerProcess, line: Talk) -> Message:
    """The server's record of this connection, which is written just after the close."""
    request_id = line.messages[-1]["request_id"]

    def found() -> list[Message]:
        return [record for record in served.records() if record["request_id"] == request_id]

    wait_until(found, WAIT_S)
    return found()[0]
