"""Live streams with a callback: messages for the receiver and for the client, and secrets that neither gets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from caesura.ledger.requests import Outcome
from caesura.protocol.closing import CALLBACK_FAILED, REVOKED
from caesura.server.accounts import ledger_writer as ledger_writer_module
from caesura.server.outbound import callback as callback_module
from caesura.server.outbound.callback import RetryPolicy
from caesura.server.outbound.guard import Guard, ReachPolicy
from caesura.server.settings import Settings
from tests.in_process_server import InProcessServer, in_process_server
from tests.live_client import CLOSE_STREAM, FINALIZE, LiveClient, live_client
from tests.server.outbound.remote import Answer, Names, Raw, socket_server, web_server
from tests.server.outside import Outside
from tests.server.scenes import LINEAR, logged, record, refusal, served, speech
from tests.waiting import until

pytestmark = pytest.mark.slow

PRIVATE: dict[str, Any] = {"allow_private_urls": True, "interim_interval_s": 0.5}
EVENTS: dict[str, Any] = {**LINEAR, "interim_results": True, "vad_events": True, "utterance_end_ms": 1000}
FAILED = (1011, CALLBACK_FAILED.reason)


async def stream(line: LiveClient, data: bytes) -> None:
    """Send audio faster than it is spoken, but not so fast that there would be no interims."""
    for at in range(0, len(data), 8000):
        await line.socket.send(data[at : at + 8000])
        await asyncio.sleep(0.01)


async def all_is_read(line: LiveClient) -> None:
    """Wait until the server has read every frame that was sent so far: it answers a ping behind them."""
    await (await line.socket.ping())


def told(bodies: list[str]) -> list[dict[str, Any]]:
    return [json.loads(body) for body in bodies]


def finals(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == "Results" and message["is_final"]]


def words(messages: list[dict[str, Any]]) -> list[str]:
    return [word["word"] for final in finals(messages) for word in final["channel"]["alternatives"][0]["words"]]


def without_ids(message: dict[str, Any]) -> dict[str, Any]:
    return {
        name: without_ids(value) if isinstance(value, dict) else value
        for name, value in message.items()
        if name not in ("request_id", "created")
    }


def assert_tiled(messages: list[dict[str, Any]], duration: float) -> None:
    at = 0.0
    for final in finals(messages):
        assert final["start"] == pytest.approx(at, abs=0.002)
        at = final["start"] + final["duration"]
    assert at == pytest.approx(duration, abs=0.002)


class TranscriptSegment:
    """A WebSocket receiver, and what it was sent."""

    def __init__(self) -> None:
        self.bodies: list[str] = []
        self.headers: dict[str, str] = {}
        self.closed_with: tuple[int | None, str | None] = (None, None)

    async def __call__(self, line: ServerConnection) -> None:
        assert line.request is not None
        self.headers = dict(line.request.headers)
        with contextlib.suppress(ConnectionClosed):
            async for text in line:
                assert isinstance(text, str)
                self.bodies.append(text)
        self.closed_with = (line.close_code, line.close_reason)


@contextlib.asynccontextmanager
async def listening() -> AsyncIterator[tuple[TranscriptSegment, str]]:
    heard = TranscriptSegment()
    async with socket_server(heard) as port:
        yield heard, f"ws://127.0.0.1:{port}/calls?id=17"


def slowly(seconds: float) -> Raw:
    async def answer(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        writer.write(Answer(headers={"Connection": "close"}).written())

    return answer


# ---- delivery ----


def test_every_message_is_posted_in_order_and_the_socket_stays_silent_to_its_close() -> None:
    """The same messages as a client would have had without a callback."""

    async def main(server: InProcessServer) -> None:
        data = speech() + bytes(48_000) + speech()
        async with live_client(server.url, **LINEAR) as plain:
            await stream(plain, data)
            await plain.finish()
        async with web_server() as receiver:
            async with live_client(server.url, **EVENTS, callback=receiver.url("/a?b=c")) as line:
                await stream(line, data)
                await line.finish()
                assert line.messages == []
                assert line.closed_with == (1000, "")
            messages = told(receiver.bodies)
            assert {message["type"] for message in messages} == {"Results", "Metadata", "SpeechStarted", "UtteranceEnd"}
            assert messages[-1]["type"] == "Metadata"
            assert [without_ids(final) for final in finals(messages)] == [without_ids(one) for one in plain.finals]
            assert len([one for one in messages if one["type"] == "Results"]) > len(finals(messages))
            assert {request.line for request in receiver.requests} == {"POST /a?b=c HTTP/1.1"}
            assert {request.headers["content-type"] for request in receiver.requests} == {"application/json"}
            assert receiver.connections == 1
        ended = await record(server, 2)
        assert (ended.outcome, ended.close_code) == (Outcome.SUCCEEDED, 1000)
        assert ended.callback == f"http://127.0.0.1:{receiver.port}"
        assert ended.request_id == messages[-1]["request_id"]

    served(main, **PRIVATE)


def test_every_message_is_sent_over_one_socket_that_is_closed_cleanly() -> None:
    async def main(server: InProcessServer) -> None:
        data = speech() + bytes(48_000)
        async with listening() as (receiver, url):
            async with live_client(server.url, **EVENTS, callback=url) as line:
                await stream(line, data)
                await line.finish()
                assert line.messages == []
                assert line.closed_with == (1000, "")
            await until(lambda: receiver.closed_with[0])
            assert receiver.closed_with == (1000, "")
            messages = told(receiver.bodies)
            assert messages[-1]["type"] == "Metadata"
            assert_tiled(messages, messages[-1]["duration"])
            assert messages[-1]["duration"] == pytest.approx(len(data) / 32_000, abs=0.002)

    served(main, **PRIVATE)


def test_words_are_delivered_during_the_stream() -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver, live_client(server.url, **LINEAR, callback=receiver.url()) as line:
            await line.socket.send(speech()[:64_000])
            await line.socket.send(FINALIZE)
            await until(lambda: any(final["from_finalize"] for final in finals(told(receiver.bodies))))
            assert server.service.live == 1
            await line.finish()

    served(main, **PRIVATE)


def test_a_client_that_inspects_gets_the_same_on_the_socket() -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            async with live_client(server.url, **EVENTS, callback=receiver.url(), inspect_response=True) as line:
                await stream(line, speech() + bytes(48_000))
                await line.finish()
                assert line.closed_with == (1000, "")
            assert line.messages == told(receiver.bodies)
            assert line.messages[-1]["type"] == "Metadata"

    served(main, **PRIVATE)


def test_direct_answers_go_to_the_client() -> None:
    """Errors and answers to Configure are sent to the client only."""

    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            async with live_client(server.url, **LINEAR, callback=receiver.url()) as line:
                await line.socket.send("no JSON")
                await line.until("Error")
                await line.socket.send('{"type":"Configure","features":{"numerals":true}}')
                await line.until("ConfigureSuccess")
                await line.finish()
            assert [message["type"] for message in told(receiver.bodies)] == ["Metadata"]

    served(main, **PRIVATE)


def test_the_receiver_gets_the_id_of_the_key_and_never_the_key(tmp_path: Path) -> None:
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        query = {**LINEAR, "callback_method": "PUT"}
        async with web_server() as receiver, listening() as (socket_receiver, socket_url):
            url = receiver.url("/x", userinfo="anna:open%20sesame@")
            for callback in (url, socket_url):
                async with live_client(server.url, key=key.secret, callback=callback, **query) as line:
                    await line.finish()
                    assert line.closed_with == (1000, "")
            (request,) = receiver.requests
            assert request.line == "PUT /x HTTP/1.1"
            assert request.headers["dg-token"] == key.key.api_key_id
            assert request.headers["authorization"] == "Basic YW5uYTpvcGVuIHNlc2FtZQ=="
            assert socket_receiver.headers["dg-token"] == key.key.api_key_id
            assert key.secret not in str(request) + str(socket_receiver.headers)

    served(main, database=str(outside.path), **PRIVATE)


# ---- when the receiver fails ----


Failing = Callable[[], contextlib.AbstractAsyncContextManager[str]]
"""Makes the URL of a receiver that fails."""


def ends_in(failing: Failing, caplog: pytest.LogCaptureFixture) -> str:
    """A stream whose callback fails for good: what every such stream has in common, and its log."""

    async def main(server: InProcessServer) -> None:
        async with failing() as url, live_client(server.url, **EVENTS, callback=url) as line:
            with contextlib.suppress(ConnectionClosed):
                await stream(line, speech() + bytes(48_000))
                await line.socket.send(FINALIZE)
            await asyncio.wait_for(line.listen(), 10)
            assert line.closed_with == FAILED
            assert line.messages == []
            ended = await record(server)
            assert (ended.close_code, ended.close_reason) == FAILED
            assert ended.outcome is Outcome.FAILED
            assert b"caesura_callback_failures_total 1.0" in server.service.metrics.render()[0]
            assert "hush" not in server.service.metrics.render()[0].decode()

    with caplog.at_level(logging.DEBUG):
        served(main, url_connect_timeout_s=0.5, url_response_timeout_s=0.3, **PRIVATE)
    text = logged(caplog)
    assert "hush" not in text
    assert "the callback to" in text
    return text


SECRETS = "/calls?token=hush"


@contextlib.asynccontextmanager
async def web(*answers: Answer | Raw) -> AsyncIterator[str]:
    async with web_server(*answers) as receiver:
        yield receiver.url(SECRETS, userinfo="anna:hush@")


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries of transient failures are made at once."""
    monkeypatch.setattr("caesura.server.live.connection.Callback", hasty)


def hasty(*args: Any, **options: Any) -> callback_module.Callback:
    return callback_module.Callback(*args, **options, retry_policy=RetryPolicy(pauses_s=(0.0, 0.0)))


def test_a_receiver_that_refuses_messages_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    assert "it answered 410" in ends_in(lambda: web(Answer(410)), caplog)


@pytest.mark.usefixtures("_hasty")
def test_a_receiver_that_fails_for_long_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    assert "it answered 503" in ends_in(lambda: web(Answer(503)), caplog)


@pytest.mark.usefixtures("_hasty")
def test_a_receiver_that_never_answers_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    assert "did not answer within 0.3 s" in ends_in(lambda: web(slowly(5.0)), caplog)


@pytest.mark.usefixtures("_hasty")
def test_an_unreachable_receiver_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def nobody() -> AsyncIterator[str]:
        async with web_server() as receiver:
            url = receiver.url(SECRETS)
        yield url

    assert "no connection could be made" in ends_in(nobody, caplog)


def test_a_receiver_whose_socket_breaks_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    @contextlib.asynccontextmanager
    async def breaking() -> AsyncIterator[str]:
        async def handler(line: ServerConnection) -> None:
            await line.recv()
            await line.close(1001, "hush")

        async with socket_server(handler) as port:
            yield f"ws://127.0.0.1:{port}{SECRETS}"

    assert "its socket closed (1001)" in ends_in(breaking, caplog)


def test_a_receiver_that_fails_at_the_very_end_is_on_record_too() -> None:
    """The words were delivered in time, the Metadata was not: the stream failed, but no message can report that."""

    async def main(server: InProcessServer) -> None:
        async with (
            web_server(Answer(404)) as receiver,
            live_client(server.url, **LINEAR, callback=receiver.url()) as line,
        ):
            await line.finish()
            assert line.closed_with == FAILED
        ended = await record(server)
        assert (ended.close_code, ended.close_reason) == FAILED
        assert ended.outcome is Outcome.FAILED

    served(main, **PRIVATE)


@pytest.mark.usefixtures("_hasty")
def test_transient_failures_are_retried_without_loss() -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server(Answer(500), Answer(503), Answer(200)) as receiver:
            async with live_client(server.url, **LINEAR, callback=receiver.url()) as line:
                await stream(line, speech())
                await line.finish()
                assert line.closed_with == (1000, "")
            first, *rest = receiver.bodies
            assert rest[:2] == [first, first]
            messages = told(rest[1:])
            assert_tiled(messages, messages[-1]["duration"])

    served(main, **PRIVATE)


def test_a_slow_receiver_misses_interims_and_no_final(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(callback_module, "SHED_INTERIMS", 1)

    async def main(server: InProcessServer) -> None:
        data = speech() * 2
        async with live_client(server.url, **LINEAR) as plain:
            await stream(plain, data)
            await plain.finish()
        async with web_server(slowly(0.15)) as receiver:
            query = {**LINEAR, "interim_results": True}
            async with live_client(server.url, **query, callback=receiver.url(), inspect_response=True) as line:
                await stream(line, data)
                await line.finish()
                assert line.closed_with == (1000, "")
            messages = told(receiver.bodies)
        assert [without_ids(final) for final in finals(messages)] == [without_ids(one) for one in plain.finals]
        assert messages[-1] == line.messages[-1]
        assert len(messages) < len(line.messages)

    with caplog.at_level(logging.WARNING):
        served(main, **PRIVATE)
    assert "interims were dropped" in caplog.text
    assert " 0 were not delivered" in caplog.text


# ---- when the client goes ----


@pytest.mark.parametrize("last", [None, CLOSE_STREAM], ids=["cut", "closed by CloseStream"])
def test_received_audio_is_delivered_to_its_end_after_the_client_disconnected(last: str | None) -> None:
    """All accepted audio is transcribed, including results that were outstanding when the client disconnected."""

    async def main(server: InProcessServer) -> None:
        data = speech()
        async with live_client(server.url, **LINEAR) as plain:
            await plain.socket.send(data)
            await plain.finish()
        async with web_server(slowly(0.05)) as receiver:
            async with live_client(server.url, **LINEAR, callback=receiver.url()) as line:
                await line.socket.send(data)
                if last is not None:
                    await line.socket.send(last)
                await all_is_read(line)
                line.socket.transport.abort()
            ended = await record(server, 2)
            messages = told(receiver.bodies)
            assert words(messages) == [word["word"] for word in plain.words()]
            assert_tiled(messages, len(data) / 32_000)
            assert messages[-1]["type"] == "Metadata"
            if last is None:
                assert ended.close_code in (1005, 1006)
            else:
                assert (ended.close_code, ended.close_reason) == (1000, "")
            assert ended.audio_seconds == pytest.approx(len(data) / 32_000, abs=0.001)
        await until(lambda: not server.service.live)

    served(main, **PRIVATE)


def test_a_client_that_inspects_too_slowly_is_cut_and_the_receiver_gets_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("caesura.server.live.send_queue.MAX_BYTES", 10)

    async def main(server: InProcessServer) -> None:
        data = speech()
        async with web_server() as receiver:
            async with live_client(server.url, **LINEAR, callback=receiver.url(), inspect_response=True) as line:
                await line.socket.send(data)
                await line.socket.send(FINALIZE)
                await asyncio.wait_for(line.listen(), 10)
                assert line.messages == []
            ended = await record(server)
            messages = told(receiver.bodies)
        assert_tiled(messages, len(data) / 32_000)
        assert messages[-1]["type"] == "Metadata"
        assert ended.close_code == 1006
        assert ended.close_reason.startswith("cut: ")

    served(main, **PRIVATE)


def test_a_stopping_server_delivers_finished_transcripts() -> None:
    async def main() -> None:
        async with web_server() as receiver:
            async with in_process_server(Settings(engines=("scripted",), workers=1, **PRIVATE)) as server:
                line = await live_client(server.url, **LINEAR, callback=receiver.url()).__aenter__()
                await line.socket.send(speech()[:64_000])
                await all_is_read(line)
            await asyncio.wait_for(line.listen(), 10)
            assert line.closed_with == (1012, "")
            *messages, metadata = told(receiver.bodies)
            assert metadata["type"] == "Metadata"
            # Up to between two words: the client sends the rest again elsewhere.
            assert 1.0 < metadata["duration"] <= 2.0
            assert_tiled(messages, metadata["duration"])
        assert [row.close_code for row in server.service.session_log] == [1012]

    asyncio.run(main())


def test_messages_for_a_slow_receiver_are_delivered_after_the_key_was_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results from before are delivered; the stream is closed at once."""
    monkeypatch.setattr(ledger_writer_module, "POLL_S", 0.02)
    outside = Outside(tmp_path / "ledger.db")
    key = outside.key()

    async def main(server: InProcessServer) -> None:
        async with web_server(slowly(0.3)) as receiver:
            async with live_client(server.url, key=key.secret, **LINEAR, callback=receiver.url()) as line:
                for part in range(3):
                    await line.socket.send(speech()[part * 32_000 : (part + 1) * 32_000])
                    await line.socket.send(FINALIZE)
                await until(lambda: receiver.connections)
                await asyncio.sleep(0.1)
                await asyncio.to_thread(outside.revoke, key)
                await asyncio.wait_for(line.listen(), 5)
                assert line.closed_with == (1008, REVOKED.reason)
            ended = await record(server)
            assert (ended.close_code, ended.close_reason) == (1008, REVOKED.reason)
            assert len([final for final in finals(told(receiver.bodies)) if final["from_finalize"]]) == 3

    served(main, database=str(outside.path), **PRIVATE)


# ---- where it may not go ----


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_callback_on_this_machine_is_refused_before_the_upgrade(scheme: str) -> None:
    async def main(server: InProcessServer) -> None:
        async with web_server() as receiver:
            callback = receiver.url(SECRETS, scheme=scheme, userinfo="anna:hush@")
            status, body = await refusal(f"{server.url}?{urlencode({'callback': callback})}")
            assert (status, body["err_code"]) == (400, "INVALID_QUERY_PARAMETER")
            assert "hush" not in str(body)
            assert receiver.connections == 0

    served(main)


@pytest.mark.parametrize("scheme", ["http", "ws"])
def test_a_name_that_turns_out_to_be_this_machine_is_not_reached(scheme: str, caplog: pytest.LogCaptureFixture) -> None:
    """The name looks harmless before the upgrade; at connect time its address is judged."""

    async def main(server: InProcessServer) -> None:
        names = Names({"hooks.example.com": [["127.0.0.1"]]})
        server.service.outbound.guard = Guard(ReachPolicy(ports=None), names)
        async with web_server() as receiver:
            callback = receiver.url(SECRETS, scheme=scheme, host="hooks.example.com")
            async with live_client(server.url, **LINEAR, callback=callback) as line:
                with contextlib.suppress(ConnectionClosed):
                    await line.socket.send(speech()[:32_000])
                    await line.socket.send(FINALIZE)
                await asyncio.wait_for(line.listen(), 10)
                assert line.closed_with == FAILED
            assert names.asked == ["hooks.example.com"]
            assert receiver.connections == 0
        ended = await record(server)
        assert (ended.close_code, ended.close_reason) == FAILED

    with caplog.at_level(logging.DEBUG):
        served(main)
    assert "hooks.example.com is 127.0.0.1" in caplog.text
    assert "hush" not in logged(caplog)


def test_a_redirect_to_this_machine_is_not_followed(caplog: pytest.LogCaptureFixture) -> None:
    """The receiver's address is allowed, but not the target of its redirect."""

    async def main(server: InProcessServer) -> None:
        async with web_server() as inside:
            there = Answer(307, headers={"Location": inside.url(SECRETS, host="169.254.169.254")})
            async with (
                web_server(there) as receiver,
                live_client(server.url, **LINEAR, callback=receiver.url()) as line,
            ):
                await line.finish()
                assert line.closed_with == FAILED
            assert inside.connections == 0

    with caplog.at_level(logging.DEBUG):
        served(main, **PRIVATE)
    assert "hush" not in logged(caplog)
