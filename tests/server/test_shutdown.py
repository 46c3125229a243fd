"""The stop of a server: every client gets its transcript, Metadata and 1012, even when another hangs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
import uvicorn
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from caesura.server.drain import Drain, DrainLimits
from caesura.server.shutdown import DrainingServer, Shutdown
from caesura.workers.process_worker import ProcessWorker
from tests.in_process_server import InProcessServer
from tests.server.scenes import refusal, served, speech, until

SLOW = "tests.server.slow_engine:SLOW"
STUCK = "tests.server.slow_engine:STUCK"
WITHIN_S = 240.0
"""Nothing takes so long; the machine may be busy."""
UPGRADE = (
    b"GET /v1/listen?encoding=linear16&sample_rate=16000 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)


# ---- the parts ----


@dataclass
class Stops:
    """Stands in for the service."""

    shutdown: Shutdown

    is_polled = False

    def refuse_requests(self) -> None:
        self.shutdown.refusing = True

    def end_streams(self, drain: Drain, *, now: float) -> None:
        assert drain.due([], now=now) == []

    def give_up(self) -> None:
        self.shutdown.given_up.set()


def test_a_stop_waits_for_work_without_a_request() -> None:
    shutdown = Shutdown()
    with shutdown.hold_open(), shutdown.hold_open():
        assert shutdown.unfinished
    assert not shutdown.unfinished
    with suppress(ZeroDivisionError), shutdown.hold_open():
        raise ZeroDivisionError
    assert not shutdown.unfinished


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_two_signals_stop_gracefully_and_the_third_skips_the_waiting(which: int) -> None:
    stops = Stops(Shutdown())
    server = DrainingServer(uvicorn.Config(cast(Any, None)), stops, limits=DrainLimits(0.0, 0.0, 1.0))
    server.handle_exit(which, None)
    assert (stops.shutdown.begun, server.should_exit, server.force_exit) == (True, True, False)
    server.handle_exit(which, None)
    assert not server.force_exit
    server.handle_exit(which, None)
    assert server.force_exit


# ---- a process ----


@dataclass
class Command:
    """A `caesura serve` that runs, in a process group of its own."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def http(self) -> str:
        """The root of its HTTP routes."""
        return f"http://127.0.0.1:{self.port}"

    async def ended(self) -> int:
        """Its exit code."""
        return await asyncio.to_thread(self.process.wait, WITHIN_S)

    def outcomes(self) -> list[tuple[str, int]]:
        """The ledger's rows of all requests: outcome and close code."""
        lines = [line for line in self.log.read_text().splitlines() if '"session_ended"' in line]
        records = [json.loads(line[line.index("{") :]) for line in lines]
        return [(record["outcome"], record["close_code"]) for record in records]


@asynccontextmanager
async def serve(folder: Path, engine: str = "scripted", **flags: float) -> AsyncIterator[Command]:
    """A server that takes streams, with one worker; killed in the end if it is still there.

    By default it has room for all streams, and cuts them as soon as it is to stop.
    """
    flags = {"capacity": 1000, "drain_delay": 0, "drain_within": 0, **flags}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "log"
    command = [sys.executable, "-m", "caesura", "serve", "--port", str(port), "--engine", engine, "--workers", "1"]
    command += ["--database", str(folder / "ledger.db")]
    command += [part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    env = {name: value for name, value in os.environ.items() if not name.startswith("CAESURA_")}
    root = str(Path(__file__).parent.parent.parent)
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: ASYNC220  # its end is waited for on a thread
            command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env | {"PYTHONPATH": root}, process_group=0
        )
    served = Command(port, process, log)
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await _ready(served):
                await asyncio.sleep(0.1)
        yield served
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


async def _ready(server: Command) -> bool:
    assert server.process.poll() is None, server.log.read_text()
    async with httpx2.AsyncClient() as client:
        try:
            return (await client.get(f"{server.http}/readyz")).status_code == 200
        except httpx2.TransportError:
            return False


def http_client() -> httpx2.AsyncClient:
    """A client that keeps no connection: a server that stops closes an idle one, perhaps under the next request."""
    return httpx2.AsyncClient(timeout=WITHIN_S, limits=httpx2.Limits(max_keepalive_connections=0))


async def receiving(client: httpx2.AsyncClient, server: Command) -> bool:
    """Whether a recording is being received."""
    return bool(json.loads((await client.get(f"{server.http}/v1/status")).content)["active_batch_requests"])


async def stopping(client: httpx2.AsyncClient, server: Command) -> bool:
    """Whether the server has been told to stop."""
    answer = await client.get(f"{server.http}/readyz")
    return (answer.status_code, answer.json()["reason"]) == (503, "draining")


async def refusing(client: httpx2.AsyncClient, server: Command) -> bool:
    """Whether the server takes nothing new."""
    return (await client.get(f"{server.http}/v1/projects")).status_code == 503


async def talk(server: Command, seconds: float = 3.0) -> ClientConnection:
    """A client that has sent speech and is in the middle of it."""
    client = await admitted(f"ws://127.0.0.1:{server.port}/v1/listen")
    await client.send(speech()[: int(seconds * 32_000)])
    return client


async def admitted(url: str) -> ClientConnection:
    """A connection for linear16. Only a 429 has Retry-After: who connects with many others waits."""
    while True:
        try:
            return await connect(f"{url}?encoding=linear16&sample_rate=16000", open_timeout=WITHIN_S)
        except InvalidStatus as refused:
            await asyncio.sleep(float(refused.response.headers["retry-after"]))


async def rest(client: ClientConnection) -> tuple[list[str], bool, int | None]:
    """The words it gets, whether Metadata is the last thing it gets, and the close code."""
    messages: list[dict[str, Any]] = []
    async with asyncio.timeout(WITHIN_S):
        with suppress(ConnectionClosed):
            while True:
                messages.append(json.loads(await client.recv()))
    results = [message for message in messages if message["type"] == "Results"]
    words = [word["word"] for each in results for word in each["channel"]["alternatives"][0]["words"]]
    return words, bool(messages) and messages[-1]["type"] == "Metadata", client.close_code


async def hang(server: Command, sent: bytes) -> socket.socket:
    """A connection that sends this and nothing more, and reads nothing."""
    line = socket.create_connection(("127.0.0.1", server.port))
    line.sendall(sent)
    await asyncio.sleep(0)
    return line


async def hang_unread(server: Command) -> socket.socket:
    """A stream that is sent more than its client takes: it never reads, and each of its texts is answered."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", server.port))
    line.sendall(UPGRADE + b"\r\n")
    line.settimeout(1.0)
    text = b"?" * 100
    frame = bytes([0x81, 0x80 | len(text)]) + bytes(4) + text
    with suppress(TimeoutError):
        while True:
            await asyncio.to_thread(line.sendall, frame * 1000)
    return line


HANGING = (
    b"",
    UPGRADE,
    UPGRADE.replace(b"\r\nHost", b"\r\nContent-Length: 100\r\nHost") + b"\r\n",
    b"POST /v1/listen HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100000\r\n\r\nRIFF",
    UPGRADE + b"\r\n",
)
"""Silence, half a head, an upgrade that is refused and not hung up, half a recording, a stream whose client is dead."""


@pytest.mark.slow
def test_connections_that_hang_cost_no_other_its_transcript(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path, drain_timeout=3) as server:
            hanging = [*[await hang(server, sent) for sent in HANGING], await hang_unread(server)]
            clients = [await talk(server) for _ in range(3)]
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            for words, metadata, code in await asyncio.gather(*map(rest, clients)):
                assert words
                assert (metadata, code) == (True, 1012)
            assert await server.ended() == 0
            for line in hanging:
                line.close()
            assert server.outcomes().count(("succeeded", 1012)) >= 3
            assert "Traceback" not in server.log.read_text()

    asyncio.run(main())


@pytest.mark.slow
def test_forty_streams_with_more_to_transcribe_than_five_seconds_all_get_their_last_words(tmp_path: Path) -> None:
    async def main() -> None:
        # They come in one after the other, and the first must not have been idle for too long by then.
        async with serve(tmp_path, SLOW, idle_timeout=300) as server:
            clients = await asyncio.gather(*(talk(server) for _ in range(40)))
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            ends = await asyncio.gather(*map(rest, clients))
            assert all(words for words, _, _ in ends)
            assert {(metadata, code) for _, metadata, code in ends} == {(True, 1012)}
            assert await server.ended() == 0
            assert server.outcomes() == [("succeeded", 1012)] * 40

    asyncio.run(main())


@pytest.mark.slow
def test_a_recording_in_progress_is_finished_and_new_ones_get_503(tmp_path: Path) -> None:
    more = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield speech()[:64_000]
        await more.wait()
        yield speech()[64_000:]

    async def main() -> None:
        async with serve(tmp_path, drain_within=300) as server, http_client() as client:
            url = f"{server.http}/v1/listen?encoding=linear16&sample_rate=16000"
            recording = asyncio.create_task(client.post(url, content=body()))
            await until(lambda: receiving(client, server))
            server.process.send_signal(signal.SIGTERM)
            await until(lambda: refusing(client, server))
            assert await stopping(client, server)
            assert (await client.get(f"{server.http}/healthz")).status_code == 200
            status, said = await refusal(url.replace("http", "ws"))
            assert (status, said["err_msg"]) == (503, "Please try again later")
            for answer in (await client.post(url, content=b""), await client.get(f"{server.http}/v1/projects")):
                assert (answer.status_code, answer.json()["err_msg"]) == (503, "Please try again later")
                assert answer.headers["retry-after"] == "1"
            more.set()
            answer = await recording
            assert answer.status_code == 200
            assert answer.json()["results"]["channels"][0]["alternatives"][0]["words"]
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_connection_without_a_request_yet_is_answered_and_an_idle_one_is_closed(tmp_path: Path) -> None:
    """While a stream in progress holds the server; the idle connection's end shows that it has begun to stop."""
    request = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def main() -> None:
        async with serve(tmp_path, STUCK, drain_within=5) as server, http_client() as client:
            url = f"{server.http}/v1/listen?encoding=linear16&sample_rate=16000"
            recording = asyncio.create_task(client.post(url, content=speech()))
            await until(lambda: receiving(client, server))
            fresh, idle = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(2)]
            idle[1].write(request)
            assert (await idle[0].readline()).startswith(b"HTTP/1.1 200")
            server.process.send_signal(signal.SIGTERM)
            await idle[0].read()
            fresh[1].write(request)
            assert (await fresh[0].readline()).startswith(b"HTTP/1.1 503")
            for _, writer in (fresh, idle):
                writer.close()
            assert (await recording).status_code == 503

    asyncio.run(main())


@pytest.mark.slow
def test_a_recording_that_cannot_be_finished_in_time_gets_503(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path, STUCK, drain_within=1) as server, http_client() as client:
            url = f"{server.http}/v1/listen?encoding=linear16&sample_rate=16000"
            recording = asyncio.create_task(client.post(url, content=speech()))
            await until(lambda: receiving(client, server))
            server.process.send_signal(signal.SIGTERM)
            answer = await recording
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["err_msg"] == "Please try again later"
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_third_signal_ends_the_server_at_once(tmp_path: Path) -> None:
    """Its limits are longer than this test waits."""

    async def main() -> None:
        async with serve(tmp_path, STUCK, drain_within=600, drain_timeout=600) as server:
            client = await talk(server)
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            async with http_client() as http:
                await until(lambda: stopping(http, server))
                server.process.send_signal(signal.SIGTERM)
                assert await stopping(http, server)
            server.process.send_signal(signal.SIGTERM)
            _, metadata, code = await rest(client)
            assert (metadata, code) == (False, 1006)
            assert await server.ended() == -signal.SIGTERM

    asyncio.run(main())


@pytest.mark.slow
def test_a_second_signal_cuts_the_streams_that_have_no_pause(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path, drain_within=600) as server:
            client = await talk(server)
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            async with http_client() as http:
                await until(lambda: stopping(http, server))
            server.process.send_signal(signal.SIGTERM)
            words, metadata, code = await rest(client)
            assert words
            assert (metadata, code) == (True, 1012)
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_stream_ends_at_its_next_pause(tmp_path: Path) -> None:
    """Its limits are longer than this test waits; a stream that is held by KeepAlive has its pause at once."""

    async def main() -> None:
        async with serve(tmp_path, drain_within=600) as server, http_client() as http:
            undisturbed, client, held = [await talk(server) for _ in range(3)]
            await undisturbed.send(speech()[96_000:] + bytes(32_000))
            await undisturbed.send('{"type":"CloseStream"}')
            spoken, _, _ = await rest(undisturbed)
            await held.send('{"type":"KeepAlive"}')
            server.process.send_signal(signal.SIGTERM)
            await until(lambda: stopping(http, server))
            words, metadata, code = await rest(held)
            assert (bool(words), metadata, code) == (True, True, 1012)
            await client.send(speech()[96_000:] + bytes(32_000))
            words, metadata, code = await rest(client)
            assert (words, metadata, code) == (spoken, True, 1012)
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_in_the_delay_the_server_is_not_ready_and_serves_what_comes_all_the_same(tmp_path: Path) -> None:
    """For balancers that poll; the stream ends once the delay is over."""

    async def main() -> None:
        async with serve(tmp_path, drain_delay=15, idle_timeout=300) as server, http_client() as http:
            server.process.send_signal(signal.SIGTERM)
            await until(lambda: stopping(http, server))
            client = await talk(server)
            url = f"{server.http}/v1/listen?encoding=linear16&sample_rate=16000"
            assert (await http.post(url, content=speech())).status_code == 200
            words, metadata, code = await rest(client)
            assert (bool(words), metadata, code) == (True, True, 1012)
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_ctrl_c_ends_a_server_without_streams_whatever_the_limits_are(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path, drain_delay=600, drain_within=600) as server:
            server.process.send_signal(signal.SIGINT)
            assert await server.ended() == 0

    asyncio.run(main())


@pytest.mark.slow
def test_a_client_that_does_not_answer_the_close_is_cut(tmp_path: Path) -> None:
    """Long before the limits of the stop."""

    async def main() -> None:
        async with serve(tmp_path, drain_within=600, drain_timeout=600) as server:
            line = await hang(server, UPGRADE + b"\r\n")
            await asyncio.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            assert await server.ended() == 0
            line.close()
            assert server.outcomes() == [("succeeded", 1012)]

    asyncio.run(main())


@pytest.mark.slow
def test_ctrl_c_which_reaches_the_workers_too_drains_as_well(tmp_path: Path) -> None:
    async def main() -> None:
        async with serve(tmp_path, SLOW) as server:
            clients = [await talk(server) for _ in range(3)]
            await asyncio.sleep(0.3)
            os.killpg(server.process.pid, signal.SIGINT)
            for words, metadata, code in await asyncio.gather(*map(rest, clients)):
                assert words
                assert (metadata, code) == (True, 1012)
            assert await server.ended() == 0
            assert "replaced" not in server.log.read_text()

    asyncio.run(main())


# ---- in this process ----


@pytest.mark.slow
def test_words_that_miss_the_drain_cap_do_not_delay_the_stop() -> None:
    """The client still gets 1012, and Metadata with the amount of audio received."""

    async def main(server: InProcessServer) -> None:
        client = await connect(f"{server.url}?encoding=linear16&sample_rate=16000")
        await client.send(speech()[:64_000])
        await until(lambda: server.service.engines[0].pool.waiting_s == 0 and server.service.live)
        await asyncio.sleep(0.3)
        now = asyncio.get_running_loop().time()
        server.service.refuse_requests()
        server.service.end_streams(Drain(DrainLimits(0.0, 0.0, 0.0), delayed=False, now=now), now=now)
        words, metadata, code = await rest(client)
        assert (words, metadata, code) == ([], True, 1012)

    served(main, new_worker=ProcessWorker, engines=(STUCK,), drain_timeout_s=0.5)


@pytest.mark.slow
def test_a_closing_stream_waits_for_its_turn_as_long_as_the_engine_works() -> None:
    """Lag alone is no reason to close with 1011: finals are done in their order, and each takes 0.2 s."""

    async def one(server: InProcessServer) -> tuple[list[str], bool, int | None]:
        client = await admitted(server.url)
        await client.send(speech()[:64_000])
        await client.send('{"type":"CloseStream"}')
        return await rest(client)

    async def main(server: InProcessServer) -> None:
        ends = await asyncio.gather(*(one(server) for _ in range(8)))
        assert {(bool(words), metadata, code) for words, metadata, code in ends} == {(True, True, 1000)}

    served(main, engines=(SLOW,), drain_timeout_s=0.5)


@pytest.mark.slow
def test_a_closing_stream_with_a_stuck_engine_ends_at_the_drain_cap() -> None:
    async def main(server: InProcessServer) -> None:
        client = await connect(f"{server.url}?encoding=linear16&sample_rate=16000")
        await client.send(speech()[:64_000])
        await client.send('{"type":"CloseStream"}')
        words, metadata, code = await rest(client)
        assert (words, metadata, code) == ([], False, 1011)

    served(main, new_worker=ProcessWorker, engines=(STUCK,), drain_timeout_s=0.5)
