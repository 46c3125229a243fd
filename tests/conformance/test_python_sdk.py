"""The vendor's newest Python SDK, unmodified, against a real server on loopback."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from jiwer import wer
from websockets.exceptions import ConnectionClosedError, InvalidStatus

from tests.conformance.speech import (
    FIRST,
    FIRST_TEXT,
    FRAME_S,
    NET_0001,
    RATE,
    SECOND,
    SECOND_TEXT,
    WINDOW_S,
    Message,
    check_pause,
    check_script,
    check_stream,
    finals,
    frames,
    pcm,
    said,
    seconds,
)
from tests.server_process import ServerProcess
from tests.waiting import until, wait_until

pytestmark = [
    pytest.mark.conformance,
    # The SDK asks websockets for names that it is about to drop.
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

ASKED = {
    "model": "nova-3",
    "encoding": "linear16",
    "sample_rate": RATE,
    "channels": 1,
    "interim_results": "true",
    "punctuate": "true",
    "endpointing": 300,
}
SPEED = 4.0
"""How much faster than real time recordings are sent."""
PAUSE_S = 2 * WINDOW_S
WAIT_S = 100.0


def environment(served: ServerProcess) -> Any:
    """The only setting of the SDK that differs: the address of the server."""
    from deepgram.environment import DeepgramClientEnvironment

    http = served.url.replace("ws://", "http://")
    return DeepgramClientEnvironment(base=http, production=served.url, agent=served.url, agent_rest=http)


class Listener:
    """The messages that one SDK connection passed to its callbacks."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.errors: list[Exception] = []
        self.closes = 0

    def attach(self, live: Any) -> None:
        from deepgram.core.events import EventType

        live.on(EventType.MESSAGE, lambda message: self.messages.append(message.dict()))
        live.on(EventType.ERROR, self.errors.append)
        live.on(EventType.CLOSE, lambda _: self._closed())

    def _closed(self) -> None:
        self.closes += 1

    @property
    def finalized(self) -> bool:
        return any(message.get("from_finalize") for message in self.messages)


@contextmanager
def sync_live(client: Any, **asked: Any) -> Iterator[tuple[Any, Listener, threading.Thread]]:
    """A connection of the synchronous SDK, with its listening loop in a thread."""
    with client.listen.v1.connect(**(ASKED | asked)) as live:
        listener = Listener()
        listener.attach(live)
        thread = threading.Thread(target=live.start_listening, daemon=True)
        thread.start()
        yield live, listener, thread


def send(live: Any, audio: bytes) -> None:
    for frame in frames(audio):
        live.send_media(frame)
        time.sleep(FRAME_S / SPEED)


def paused_conversation(served: ServerProcess) -> list[Message]:
    """Speak, hold a pause longer than the window by KeepAlive, speak on, finalize, close: the synchronous client."""
    from deepgram import DeepgramClient

    with sync_live(DeepgramClient(api_key="any", environment=environment(served))) as (live, listener, thread):
        send(live, pcm(FIRST))
        for turn in range(6):
            live.send_keep_alive()
            time.sleep(PAUSE_S / 6)
            if turn == 2:
                settled = len(listener.messages)
        assert len(listener.messages) == settled, "a KeepAlive was answered"
        send(live, pcm(SECOND))
        live.send_finalize()
        wait_until(lambda: listener.finalized)
        live.send_close_stream()
        thread.join(WAIT_S)
        assert not thread.is_alive()
        assert (listener.errors, listener.closes) == ([], 1)
        assert live._websocket.close_code == 1000
    return listener.messages


def test_sync_client_holds_a_pause_longer_than_the_idle_timeout(scripted: ServerProcess) -> None:
    """KeepAlive holds the pause, and the words after it are timed as if it had not been."""
    messages = paused_conversation(scripted)
    total = seconds(pcm(FIRST) + pcm(SECOND))
    check_pause(messages, seconds(pcm(FIRST)), total)
    check_script(messages)
    flushed = [final for final in finals(messages) if final["from_finalize"]]
    assert len(flushed) == 1
    assert flushed[0]["start"] + flushed[0]["duration"] == pytest.approx(total, abs=2e-3)
    assert any(message["type"] == "Results" and not message["is_final"] for message in messages)


def test_sync_client_gets_real_words_on_both_sides_of_the_pause(moonshine: ServerProcess) -> None:
    """The default engine transcribes the speech before and after the pause."""
    messages = paused_conversation(moonshine)
    check_pause(messages, seconds(pcm(FIRST)), seconds(pcm(FIRST) + pcm(SECOND)))
    assert_said(messages, f"{FIRST_TEXT} {SECOND_TEXT}")


def test_async_client_holds_a_pause_longer_than_the_idle_timeout(scripted: ServerProcess) -> None:
    """The asynchronous client does the same."""

    async def conversation() -> list[Message]:
        from deepgram import AsyncDeepgramClient

        client = AsyncDeepgramClient(api_key="any", environment=environment(scripted))
        async with client.listen.v1.connect(**ASKED) as live:
            listener = Listener()
            listener.attach(live)
            listening = asyncio.create_task(live.start_listening())
            for frame in frames(pcm(FIRST)):
                await live.send_media(frame)
                await asyncio.sleep(FRAME_S / SPEED)
            for _ in range(6):
                await live.send_keep_alive()
                await asyncio.sleep(PAUSE_S / 6)
            for frame in frames(pcm(SECOND)):
                await live.send_media(frame)
                await asyncio.sleep(FRAME_S / SPEED)
            await live.send_finalize()
            await until(lambda: listener.finalized)  # the SDK has nothing to wait on
            async with asyncio.timeout(WAIT_S):
                await live.send_close_stream()
                await listening
            assert (listener.errors, listener.closes) == ([], 1)
            assert live._websocket.close_code == 1000
        return listener.messages

    messages = asyncio.run(conversation())
    check_pause(messages, seconds(pcm(FIRST)), seconds(pcm(FIRST) + pcm(SECOND)))
    check_script(messages)


def assert_timed_out(listener: Listener, audio_s: float) -> None:
    """The rest became final, Metadata came, then the close with the sentence that clients look for."""
    check_stream(listener.messages, audio_s)
    assert listener.closes == 1
    [error] = listener.errors
    assert isinstance(error, ConnectionClosedError)
    assert error.rcvd is not None
    assert (error.rcvd.code, error.rcvd.reason) == (1011, NET_0001)


def test_sync_client_times_out_without_keepalive(scripted: ServerProcess) -> None:
    """Silence for a whole window ends the stream with NET-0001, Metadata before it."""
    from deepgram import DeepgramClient

    with sync_live(DeepgramClient(api_key="any", environment=environment(scripted))) as (live, listener, thread):
        send(live, pcm(FIRST))
        thread.join(WAIT_S)
    assert_timed_out(listener, seconds(pcm(FIRST)))


def test_async_client_times_out_without_keepalive(scripted: ServerProcess) -> None:
    """The asynchronous client sees the same end."""

    async def conversation() -> Listener:
        from deepgram import AsyncDeepgramClient

        client = AsyncDeepgramClient(api_key="any", environment=environment(scripted))
        async with client.listen.v1.connect(**ASKED) as live, asyncio.timeout(WAIT_S):
            listener = Listener()
            listener.attach(live)
            for frame in frames(pcm(FIRST)):
                await live.send_media(frame)
            await live.start_listening()
        return listener

    assert_timed_out(asyncio.run(conversation()), seconds(pcm(FIRST)))


def test_sync_client_shows_a_refused_key_as_401(keyed: ServerProcess) -> None:
    """The synchronous SDK passes on the refused upgrade, with our sentence and request id in it."""
    from deepgram import DeepgramClient

    client = DeepgramClient(api_key="wrong", environment=environment(keyed))
    with pytest.raises(InvalidStatus) as refused, client.listen.v1.connect(**ASKED):
        pass
    response = refused.value.response
    assert response.status_code == 401
    assert response.headers["dg-error"] == "Invalid credentials."
    assert response.headers["dg-request-id"]
    assert b"wrong" not in (response.body or b"")


def test_async_client_shows_a_refused_key_as_its_credentials_error(keyed: ServerProcess) -> None:
    """The asynchronous SDK turns the 401 into its own error."""

    async def attempt() -> None:
        from deepgram import AsyncDeepgramClient

        client = AsyncDeepgramClient(api_key="wrong", environment=environment(keyed))
        async with client.listen.v1.connect(**ASKED):
            pass

    from deepgram.core.api_error import ApiError

    with pytest.raises(ApiError) as refused:
        asyncio.run(attempt())
    assert refused.value.status_code == 401


@pytest.mark.parametrize("credential", ["api_key", "access_token"])
def test_a_known_key_is_accepted(keyed: ServerProcess, key: str, credential: str) -> None:
    """As `Token` and, as the SDK sends temporary tokens, as `bearer` in lower case."""
    from deepgram import DeepgramClient

    client = DeepgramClient(**{credential: key}, environment=environment(keyed))
    with sync_live(client) as (live, listener, thread):
        live.send_media(pcm(FIRST))
        live.send_close_stream()
        thread.join(WAIT_S)
        assert live._websocket.close_code == 1000
    check_stream(listener.messages, seconds(pcm(FIRST)))


def test_an_unsupported_parameter_is_refused_with_a_sentence(scripted: ServerProcess) -> None:
    """The SDK's caller can read which parameter it was."""
    from deepgram import DeepgramClient

    client = DeepgramClient(api_key="any", environment=environment(scripted))
    with pytest.raises(InvalidStatus) as refused, client.listen.v1.connect(**ASKED, detect_entities="true"):
        pass
    assert refused.value.response.status_code == 400
    assert "detect_entities" in refused.value.response.headers["dg-error"]


def assert_said(messages: list[Message], expected: str) -> None:
    """At most one word in ten is wrong."""
    heard = said(finals(messages)).lower().replace("-", " ")
    assert wer(expected, heard) <= 0.1, heard
