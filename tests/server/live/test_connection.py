"""Live connections over real sockets: bad clients harm no other, and no transcript is lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed

from caesura.protocol.actions import Send
from caesura.server.live.send_queue import PAUSE_BYTES, SendQueue
from caesura.server.service import embedder_info
from caesura.server.settings import Settings
from caesura.workers.base import NewWorker
from caesura.workers.process_worker import ProcessWorker
from caesura.workers.thread_worker import ThreadWorker
from tests.encodings import encode
from tests.in_process_server import InProcessServer, in_process_server
from tests.live_client import CLOSE_STREAM, FINALIZE, KEEPALIVE, LiveClient, live_client
from tests.recordings import recording
from tests.waiting import until

pytestmark = pytest.mark.slow
LINEAR: dict[str, Any] = {"encoding": "linear16", "sample_rate": 16_000}
UPGRADE = (
    b"GET /v1/listen?encoding=linear16&sample_rate=16000&interim_results=true HTTP/1.1\r\nHost: localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n"
)


def served(
    test: Callable[[InProcessServer], Coroutine[Any, Any, None]],
    *,
    new_worker: NewWorker = ThreadWorker,
    **settings: Any,
) -> None:
    """Run `test` against a server of its own."""

    async def main() -> None:
        async with in_process_server(
            Settings(**{"engines": ("scripted",), "workers": 1, **settings}), new_worker=new_worker
        ) as server:
            await test(server)

    asyncio.run(main())


def speech() -> bytes:
    """5.3 s of speech as linear16."""
    data, _ = encode(recording("lv-0890").samples[np.newaxis, :], 16_000, "linear16")
    assert isinstance(data, bytes)
    return data


async def ended(server: InProcessServer, count: int = 1) -> None:
    """Wait until so many sessions have left their record."""
    await until(lambda: len(server.service.session_log) >= count)


async def whole(line: LiveClient, data: bytes, size: int = 3200, pause_s: float = 0.0) -> list[str]:
    """Send everything, at once or with a pause after each piece, finish, and give the words."""

    async def send() -> None:
        for at in range(0, len(data), size):
            await line.socket.send(data[at : at + size])
            if pause_s:
                await asyncio.sleep(pause_s)
        await line.socket.send(CLOSE_STREAM)

    sending = asyncio.create_task(send())
    await asyncio.wait_for(line.listen(), 60)
    await sending
    return [word["word"] for word in line.words()]


async def undisturbed(server: InProcessServer, meanwhile: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """A session that pauses while something bad happens to another one ends as if nothing had."""
    data = speech()
    async with live_client(server.url, **LINEAR) as line:
        expected = await whole(line, data)

    async def hold(line: LiveClient) -> None:
        while True:
            await line.socket.send(KEEPALIVE)
            await asyncio.sleep(1)

    async with live_client(server.url, **LINEAR) as line:
        await line.socket.send(data[:64_000])
        holding = asyncio.create_task(hold(line))
        await meanwhile()
        holding.cancel()
        assert await whole(line, data[64_000:]) == expected
        assert line.closed_with == (1000, "")


def test_a_message_over_the_limit_closes_that_session_only() -> None:
    """17 MiB in one message: 1009."""

    async def main(server: InProcessServer) -> None:
        async def too_big() -> None:
            async with live_client(server.url, **LINEAR) as line:
                with contextlib.suppress(ConnectionClosed):
                    await line.socket.send(bytes(17 * 1024 * 1024))
                await line.listen()
                assert line.closed_with[0] == 1009

        await undisturbed(server, too_big)

    served(main)


def test_a_client_that_vanishes_in_mid_message_is_let_go() -> None:
    """A frame is announced and half sent, then the connection is reset; the record has that reason."""

    async def main(server: InProcessServer) -> None:
        async def vanish() -> None:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(UPGRADE)
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"\x82\xfe\x10\x00" + bytes(100))
            await writer.drain()
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.close()
            # The session of the bystander goes on; this one is the first to end after the calibration.
            await ended(server, 2)

        await undisturbed(server, vanish)
        gone = [record for record in server.service.session_log if record.bytes_in == 0]
        assert [record.close_code for record in gone] in ([1005], [1006])

    served(main)


def test_a_client_that_stops_reading_is_disconnected_without_harming_others(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It floods us with what must be answered and reads nothing: the queue is bounded, in time and in bytes."""
    monkeypatch.setattr("caesura.server.live.send_queue.SEND_TIMEOUT_S", 0.5)

    async def main(server: InProcessServer) -> None:
        async def deaf() -> None:
            raw = socket.socket()
            # Before it connects: the window that it offers is then small from the start.
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(raw, server.address)
            await loop.sock_sendall(raw, UPGRADE)
            assert b"101" in await loop.sock_recv(raw, 1000)
            text = b"x" * 1000
            frame = b"\x81\xfe" + struct.pack("!H", len(text)) + bytes(4) + text
            with contextlib.suppress(TimeoutError, OSError):
                while len(server.service.session_log) < 2:
                    async with asyncio.timeout(2):
                        await loop.sock_sendall(raw, frame)
            await ended(server, 2)
            raw.close()

        await undisturbed(server, deaf)

    with caplog.at_level(logging.WARNING):
        # On a slow machine it takes seconds to fill the socket's buffers, and what it sends holds no connection.
        served(main, idle_timeout_s=600)
    assert "stopped reading" in caplog.text


@pytest.mark.parametrize("behind", [None, KEEPALIVE, FINALIZE, CLOSE_STREAM, "a cut"])
def test_audio_counts_whatever_comes_right_behind_it(behind: str | None) -> None:
    """Small messages are gathered for a moment; none is left behind, and none is overtaken."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            for _ in range(10):
                await line.socket.send(bytes(1600))
            if behind == "a cut":
                line.socket.transport.write_eof()
                await line.listen()
            else:
                if behind is not None:
                    await line.socket.send(behind)
                await line.finish()
                assert line.messages[-1]["duration"] == 0.5
        await ended(server)
        (record,) = server.service.session_log
        assert record.bytes_in == 16_000

    served(main)


def test_a_client_that_reads_slowly_misses_interims_and_no_final(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The next interim supersedes it; the log has the number of dropped ones."""

    async def main(server: InProcessServer) -> None:
        data = speech() * 2
        async with live_client(server.url, **LINEAR, interim_results=True) as line:
            expected = await whole(line, data, 32_000, 0.05)
            assert len(line.of("Results")) > len(line.finals)
        monkeypatch.setattr("caesura.server.live.send_queue.SHED_INTERIMS", 0)
        async with live_client(server.url, **LINEAR, interim_results=True) as line:
            assert await whole(line, data, 32_000, 0.05) == expected
            assert line.of("Results") == line.finals
        await ended(server, 2)

    with caplog.at_level(logging.WARNING):
        served(main)
    assert "interims left out" in caplog.text


def test_the_queue_of_a_client_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the connection is aborted, and the record has the reason."""
    monkeypatch.setattr("caesura.server.live.send_queue.MAX_BYTES", 10)

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            await line.socket.send("not json")
            await asyncio.wait_for(line.listen(), 10)
            assert not line.messages
        await ended(server)
        (record,) = server.service.session_log
        assert record.close_code == 1006
        assert "wait to be sent" in record.close_reason

    served(main)


def test_thousands_of_one_byte_frames_are_audio_like_any_other() -> None:
    """16,000 frames of one byte each."""

    async def main(server: InProcessServer) -> None:
        data = speech()[32_000:48_000]
        words = []
        for size in (1, len(data)):
            async with live_client(server.url, **LINEAR) as line:
                words.append(await whole(line, data, size))
                assert line.of("Metadata")[0]["duration"] == 0.5
        assert words[0] == words[1]

    served(main)


@pytest.mark.parametrize("size", [3200, 1 << 20])
def test_a_long_file_at_full_speed_is_transcribed_correctly(size: int) -> None:
    """Ten minutes: finals tile the stream, words are in order, and what waits stays bounded."""

    async def main(server: InProcessServer) -> None:
        part = speech() + bytes(32_000)
        data = part * (600 * 32_000 // len(part))
        peak = 0.0
        async with live_client(server.url, **LINEAR, interim_results=True) as line:

            async def watch() -> None:
                nonlocal peak
                while True:
                    peak = max(peak, server.service.engines[0].pool.waiting_s)
                    await asyncio.sleep(0.01)

            watching = asyncio.create_task(watch())
            await whole(line, data, size)
            watching.cancel()
        at = 0.0
        for final in line.finals:
            assert final["start"] == pytest.approx(at, abs=0.0011)
            at = final["start"] + final["duration"]
        assert at == pytest.approx(len(data) / 32_000, abs=0.002)
        assert line.of("Metadata")[0]["duration"] == pytest.approx(len(data) / 32_000, abs=0.001)
        starts = [word["start"] for word in line.words()]
        assert starts == sorted(starts)
        assert len(starts) > 500
        assert peak <= 60

    served(main)


def test_bad_text_is_answered_and_the_stream_continues() -> None:
    """Audio sent as text, JSON that is no message, a blank in the type: an Error each, nothing closes."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            for text in ('{"type":"KeepAlive "}', "not json", "[1]", "\u0000\u0001" * 50):
                await line.socket.send(text)
                error = await line.until("Error")
                assert error["variant"] == "SchemaError"
                assert error["message"] == text
            assert await whole(line, speech())
            assert line.closed_with == (1000, "")

    served(main)


def test_a_client_that_floods_and_does_not_read_costs_a_bounded_amount(monkeypatch: pytest.MonkeyPatch) -> None:
    """Errors for bad text are longer than the text: while they wait, no more is read."""
    waiting: list[int] = []
    put = SendQueue.put

    def watched(self: SendQueue, send: Send) -> bool:
        taken = put(self, send)
        waiting.append(self.bytes_waiting)
        return taken

    monkeypatch.setattr(SendQueue, "put", watched)
    monkeypatch.setattr("caesura.server.live.send_queue.SEND_TIMEOUT_S", 1.0)

    async def main(server: InProcessServer) -> None:
        reader, writer = await asyncio.open_connection(*server.address, limit=1024)
        writer.write(UPGRADE)
        await reader.readuntil(b"\r\n\r\n")
        text = b"\x01" * 4000
        frame = b"\x81\xfe" + struct.pack("!H", len(text)) + bytes(4) + text
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(10):
                for _ in range(20_000):
                    writer.write(frame)
                    await writer.drain()
        await ended(server)
        writer.transport.abort()
        await asyncio.sleep(0.05)
        (record,) = server.service.session_log
        assert "nothing was taken" in record.close_reason

    served(main)
    assert max(waiting) < PAUSE_BYTES + 100_000


def test_a_stall_of_the_server_does_not_close_streams_held_by_keepalive() -> None:
    """The loop stands still past the deadline while a KeepAlive lies in the socket: it is read before judging."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            await line.socket.send(KEEPALIVE)
            await asyncio.sleep(0.7)
            # Written, not read: server and test share the loop that now stands still.
            line.socket.transport.write(b"\x81\x95" + bytes(4) + KEEPALIVE.encode())
            time.sleep(0.8)  # noqa: ASYNC251  # on purpose
            await asyncio.sleep(0.5)
            await line.socket.send(KEEPALIVE)
            await line.finish()
            assert line.closed_with == (1000, "")

    served(main, idle_timeout_s=1.0)


def test_random_bytes_as_flac_are_refused() -> None:
    """1008 with the bare code, after Metadata."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, encoding="flac") as line:
            await line.socket.send(np.random.default_rng(5).bytes(200_000))
            await asyncio.wait_for(line.listen(), 20)
            assert line.closed_with == (1008, "DATA-0000")
            assert [message["type"] for message in line.messages] == ["Metadata"]

    served(main)


def test_keepalive_as_binary_is_audio_and_warned_about_once(caplog: pytest.LogCaptureFixture) -> None:
    """Each has 21 bytes, which count as audio and shift the samples; the log explains the mistake."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:
            for _ in range(4):
                await line.socket.send(KEEPALIVE.encode())
            await line.finish()
            assert line.of("Metadata")[0]["duration"] == pytest.approx(42 / 16_000, abs=0.0006)
            assert not line.of("Error")
        await ended(server)
        (record,) = server.service.session_log
        assert (record.keepalive_count, record.bytes_in) == (0, 84)
        assert b"caesura_binary_control_suspect_total 4.0" in server.service.metrics.render()[0]

    with caplog.at_level(logging.WARNING, "caesura.live"):
        served(main)
    assert caplog.text.count("KeepAlive") >= 1
    assert len([message for message in caplog.messages if "binary" in message]) == 1


def test_a_session_leaves_one_record_and_one_log_line(caplog: pytest.LogCaptureFixture) -> None:
    """Audio, pause and control messages are counted; the key is an id."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR, tag="call") as line:
            await line.socket.send(speech()[:32_000])
            await line.socket.send(KEEPALIVE)
            await line.socket.send(FINALIZE)
            await line.until("Results", from_finalize=True)
            await line.finish()
        await ended(server)
        (record,) = server.service.session_log
        assert record.request_id == line.of("Metadata")[0]["request_id"]
        assert record.audio_seconds == record.billed_seconds == 1.0
        assert (record.bytes_in, record.keepalive_count, record.channels) == (32_000, 1, 1)
        assert (record.close_code, record.close_reason, record.code) == (1000, "", 101)
        assert record.tags == ("call",)
        assert server.service.live == 0

    with caplog.at_level(logging.INFO, "caesura.session"):
        served(main)
    (line,) = [json.loads(message) for message in caplog.messages]
    assert line["event"] == "session_ended"


@pytest.mark.parametrize("engine", ["scripted", "moonshine"])
def test_a_worker_killed_in_mid_utterance_loses_no_word(engine: str) -> None:
    """SIGKILL while audio flows, again and again: the words are those of an undisturbed run."""

    async def main(server: InProcessServer) -> None:
        data = speech() * 3
        async with live_client(server.url, **LINEAR, interim_results=True) as line:
            expected = await whole(line, data)
        async with live_client(server.url, **LINEAR, interim_results=True) as line:

            async def kill() -> None:
                for _ in range(2):
                    for pid in map(int, server.service.engines[0].pool.ready_workers):
                        os.kill(pid, signal.SIGKILL)
                    await asyncio.sleep(0.1)

            killing = asyncio.create_task(kill())
            words = await whole(line, data)
            killing.cancel()
            assert words == expected
            assert line.closed_with == (1000, "")
        assert server.service.engines[0].pool.restarts >= 1

    served(main, new_worker=ProcessWorker, engines=(engine,))


def test_our_own_mistake_closes_one_session_with_1011(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """This holds on a message of the client and on an event of the stream; the log has the error."""

    def broken(*_: object) -> str:
        raise ZeroDivisionError("on purpose")

    async def main(server: InProcessServer) -> None:
        for provoke in ("not json", speech()[:64_000]):
            async with live_client(server.url, **LINEAR) as line:
                monkeypatch.setattr("caesura.protocol.session.write_server_message", broken)
                await line.socket.send(provoke)
                await line.socket.send(FINALIZE)
                await asyncio.wait_for(line.listen(), 20)
                assert line.closed_with[0] == 1011
            monkeypatch.undo()
        async with live_client(server.url, **LINEAR) as line:
            assert await whole(line, speech())
        await ended(server, 3)
        assert [record.close_code for record in server.service.session_log] == [1011, 1011, 1000]

    with caplog.at_level(logging.ERROR):
        served(main)
    assert "on purpose" in caplog.text


def test_pings_are_answered_and_hold_nothing() -> None:
    """The pong comes; the idle window ends all the same."""

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR) as line:

            async def ping() -> None:
                while True:
                    await (await line.socket.ping())
                    await asyncio.sleep(0.05)

            pinging = asyncio.create_task(ping())
            await asyncio.wait_for(line.listen(), 10)
            pinging.cancel()
            assert line.closed_with[0] == 1011
            assert "net0001" in str(line.closed_with[1])

    served(main, idle_timeout_s=0.5)


def test_a_stopped_server_sends_its_clients_the_transcript() -> None:
    """The words before a gap between two, Metadata up to there, and the service restart code; nothing hangs."""

    async def main() -> None:
        async with in_process_server(Settings(engines=("scripted",), workers=1)) as server:
            line = await live_client(server.url, **LINEAR).__aenter__()
            await line.socket.send(speech()[:64_000])
            await until(lambda: server.service.live)
            await asyncio.sleep(0.3)
        await asyncio.wait_for(line.listen(), 10)
        assert line.closed_with == (1012, "")
        assert line.words()
        assert line.messages[-1]["type"] == "Metadata"
        last = [message for message in line.messages if message["type"] == "Results" and message["is_final"]][-1]
        assert line.messages[-1]["duration"] == last["start"] + last["duration"] < 2.0
        assert [record.close_code for record in server.service.session_log] == [1012]

    asyncio.run(main())


def test_results_name_the_diarizer() -> None:
    """Results without diarization name neither."""

    async def main(server: InProcessServer) -> None:
        for asked in (True, False):
            async with live_client(server.url, diarize=asked, **LINEAR) as line:
                await whole(line, speech())
                results = line.of("Results")
            words = [word for each in results for word in each["channel"]["alternatives"][0]["words"]]
            assert words
            assert {word.get("speaker") for word in words} == ({0} if asked else {None})
            diarizers = [each["metadata"].get("diarize_info") for each in results]
            received = {"model_uuid": embedder_info().uuid, "arch": embedder_info().arch}
            assert diarizers == [received if asked else None] * len(results)

    served(main)


def test_a_pause_behind_a_number_does_not_keep_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """The final waits for more of the number; KeepAlive holds the line, so no audio shows that it is complete."""
    monkeypatch.setattr("caesura.protocol.session_timers.HOLD_S", 0.3)

    async def main(server: InProcessServer) -> None:
        async with live_client(server.url, **LINEAR, smart_format=True, endpointing=300) as line:
            await line.socket.send(speech() + bytes(32_000))
            await line.socket.send(KEEPALIVE)
            received: list[str] = []
            while not any(text.endswith("25") for text in received):
                received.append((await line.until("Results"))["channel"]["alternatives"][0]["transcript"])
            await line.finish()
            assert [text for text in received if text] == ["The code I was given for the house door is 25"]
            assert len(line.words()) == 11

    served(main, engines=("tests.server.sentence_engine:NUMBER",))
