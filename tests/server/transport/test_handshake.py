"""Every connection is answered or closed in time, whatever bytes come, and none keeps others from being served."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import socket
import threading
import time

import httpx2
import pytest
from websockets.asyncio.client import connect

from caesura.protocol.closing import NOT_UTF8, TOO_MANY_FRAMES
from caesura.server.log_limit import PER_MINUTE
from caesura.server.settings import Settings
from caesura.server.transport.frame_budget import BURST
from caesura.server.transport.handshake import MAX_HEADERS, MAX_LINE, RefusalLogFilter
from tests.in_process_server import in_process_server
from tests.server.scenes import until
from tests.server_process import start_server

pytestmark = pytest.mark.slow


def _head(target: int = 10, header: int = 10) -> bytes:
    return (
        b"GET /v1/listen?tag=%b HTTP/1.1\r\nHost: localhost\r\nX-Long: %b\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ) % (b"x" * target, b"y" * header)


@pytest.mark.parametrize("sizes", [{"target": MAX_LINE}, {"target": 60_000}, {"header": MAX_LINE + 1}])
def test_a_line_that_is_too_long_gets_414(sizes: dict[str, int]) -> None:
    """With the body, the id and the sentence of every refusal, and the connection ends."""

    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head(**sizes))
            answer = await asyncio.wait_for(reader.read(), 10)
            writer.close()
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 414 ")
            received = json.loads(body)
            assert f"dg-request-id: {received['request_id']}".encode() in head
            assert f"dg-error: {received['err_msg']}".encode() in head

    asyncio.run(main())


def test_more_headers_than_are_read_get_431() -> None:
    """One below the limit is upgraded."""

    async def main() -> None:
        async with in_process_server() as server:
            # The head has six of its own.
            for count, status in ((MAX_HEADERS - 6, b"101"), (MAX_HEADERS - 5, b"431")):
                reader, writer = await asyncio.open_connection(*server.address)
                more = b"".join(b"X-%d: y\r\n" % number for number in range(count))
                writer.write(_head().replace(b"X-Long", more + b"X-Long"))
                assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 " + status)
                writer.close()

    asyncio.run(main())


def test_a_connection_without_a_request_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent or with half a head; a connection that was upgraded stays."""
    monkeypatch.setattr("caesura.server.transport.handshake.HEAD_S", 0.3)

    async def main() -> None:
        async with in_process_server() as server:
            lines = []
            for sent in (b"", _head()[:40], _head()):
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(sent)
                lines.append((reader, writer))
            for reader, _ in lines[:2]:
                assert await asyncio.wait_for(reader.read(), 10) == b""
            upgraded = lines[2][0]
            assert (await upgraded.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(upgraded.read(1), 0.5)
            for _, writer in lines:
                writer.close()

    asyncio.run(main())


def test_a_head_of_ordinary_length_is_upgraded() -> None:
    """The limit is for lines, not for the head as a whole."""

    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head(target=100, header=5000))
            assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 101 ")
            writer.close()

    asyncio.run(main())


def test_only_the_misleading_record_is_dropped() -> None:
    """uvicorn logs for each proper refusal that the application did not answer."""
    keep = RefusalLogFilter().filter
    assert not keep(logging.makeLogRecord({"msg": "ASGI callable returned without completing handshake."}))
    assert keep(logging.makeLogRecord({"msg": "Exception in ASGI application\n"}))


def frame(opcode: int, data: bytes = b"", *, fin: bool = True) -> bytes:
    """One frame of a client, masked with zeros."""
    return bytes([(0x80 if fin else 0) | opcode, 0x80 | len(data)]) + bytes(4) + data


CONTINUED, TEXT, BINARY, PING, PONG = 0, 1, 2, 9, 10
START = frame(TEXT, b'{"type":', fin=False)
END = frame(CONTINUED, b'"KeepAlive"}')
FLOODS = {
    "pings": frame(PING),
    "pongs": frame(PONG, b"unasked"),
    "empty fragments": frame(CONTINUED, fin=False),
    "fragments of a byte": frame(CONTINUED, b" ", fin=False),
}


async def read_close(reader: asyncio.StreamReader) -> tuple[int, str]:
    """Code and reason of the close frame, which may come behind pongs and messages."""
    received = b""
    while (at := received.rfind(b"\x88")) < 0 or len(received) < at + 2 + received[at + 1]:
        piece = await asyncio.wait_for(reader.read(65536), 10)
        assert piece, received[-200:]
        received += piece
    return int.from_bytes(received[at + 2 : at + 4]), received[at + 4 :].decode()


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_of_frames_without_a_message_is_closed_with_1008(flood: str) -> None:
    """A full burst is accepted; one more frame closes the stream, and the record has the reason."""

    async def main() -> None:
        async with in_process_server() as server:
            for count, closes in ((int(BURST) - 2, False), (int(BURST) + 60, True)):
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(_head())
                await reader.readuntil(b"\r\n\r\n")
                writer.write((START if "fragments" in flood else b"") + FLOODS[flood] * count)
                if closes:
                    assert await read_close(reader) == (1008, TOO_MANY_FRAMES.reason)
                    await until(lambda: len(server.service.session_log) == 2)
                else:
                    writer.write((END if "fragments" in flood else b"") + frame(TEXT, b'{"type":"CloseStream"}'))
                    assert await read_close(reader) == (1000, "")
                writer.close()
            ended = list(server.service.session_log)[-1]
            assert (ended.close_code, ended.close_reason) == (1008, TOO_MANY_FRAMES.reason)
            assert 'reason="too-many-frames"} 1.0' in server.service.metrics.render()[0].decode()

    asyncio.run(main())


def test_a_message_in_fragments_as_libraries_cut_it_is_whole() -> None:
    """A thousand fragments of 4 KiB at once are no flood."""

    async def main() -> None:
        async with in_process_server() as server, connect(f"{server.url}?encoding=linear16&sample_rate=16000") as line:
            await line.send(bytes(4096) for _ in range(1000))
            await line.send('{"type":"CloseStream"}')
            async for _ in line:
                pass
            assert line.close_code == 1000
            await until(lambda: len(server.service.session_log) == 1)
            assert next(iter(server.service.session_log)).bytes_in == 4096 * 1000

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["pings", "empty fragments", "messages of a byte", "KeepAlives", "chunks of a byte"])
@pytest.mark.serial
def test_others_are_answered_while_one_connection_floods(kind: str) -> None:
    """Held against the same server without a flood: it was a thousand times slower, not a few."""
    unit, head = {
        "pings": (FLOODS["pings"], _head()),
        "empty fragments": (FLOODS["empty fragments"], _head()),
        "messages of a byte": (frame(BINARY, b"x"), _head()),
        "KeepAlives": (frame(TEXT, b'{"type":"KeepAlive"}'), _head()),
        "chunks of a byte": (
            b"1\r\nx\r\n",
            b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        ),
    }[kind]
    with start_server() as server:
        host, port = server.url.removeprefix("ws://").split(":")
        health = f"http://{host}:{port}/healthz"

        def took() -> float:
            began = time.perf_counter()
            assert httpx2.get(health, timeout=30).status_code == 200
            return time.perf_counter() - began

        idle = sorted(took() for _ in range(9))[4]
        with socket.create_connection((host, int(port))) as flooding:
            flooding.sendall(head)
            if head == _head():
                assert flooding.recv(4096).startswith(b"HTTP/1.1 101")
                flooding.sendall(START if "fragments" in kind else b"")
            stop = threading.Event()
            thread = threading.Thread(target=flood_until, args=(flooding, unit * 20_000, stop))
            thread.start()
            try:
                time.sleep(0.2)
                flooded = sorted(took() for _ in range(9))[4]
            finally:
                stop.set()
                thread.join()
        assert flooded < 25 * idle


def flood_until(flooding: socket.socket, data: bytes, stop: threading.Event) -> None:
    """Send as much as the server takes."""
    flooding.settimeout(0.1)
    while not stop.is_set():
        try:
            flooding.send(data)
        except TimeoutError:
            continue
        except OSError:
            return


# ---- doors ----

REFUSED_BODY = b"POST /v1/listen?model=nonesuch HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n"
HELD = {
    "a refused recording whose body never comes": REFUSED_BODY,
    "a refused recording whose body stops": REFUSED_BODY + b"RIFF",
    "an answered request whose body never comes": b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n",
    "a second head that never ends": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /healthz HT",
    "an upgrade that announces a body": _head().replace(b"\r\n\r\n", b"\r\nContent-Length: 1000\r\n\r\n"),
    "an upgrade with a body in chunks": _head().replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"),
}


@pytest.mark.parametrize("held", HELD)
def test_a_stalled_connection_is_closed(held: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty connections that send a byte now and then are closed, and their resources freed."""
    monkeypatch.setattr("caesura.server.transport.handshake.HEAD_S", 1.0)

    async def main() -> None:
        async with in_process_server() as server:
            before = descriptors()
            opened = [await asyncio.open_connection(*server.address) for _ in range(50)]
            for _, writer in opened:
                writer.write(HELD[held])
            ended = [asyncio.create_task(asyncio.wait_for(reader.read(), 15)) for reader, _ in opened]
            while not all(task.done() for task in ended):
                for _, writer in opened:
                    writer.write(b"x")
                await asyncio.sleep(0.2)
            for task in ended:
                # A close that finds unread bytes is a reset.
                assert isinstance(task.exception(), ConnectionResetError | None)
            for _, writer in opened:
                writer.close()
            await until(lambda: descriptors() <= before)

    asyncio.run(main())


def descriptors() -> int:
    """Open files of this process, which is server and client."""
    return len(os.listdir("/proc/self/fd"))


def test_requests_one_after_the_other_are_not_cut_by_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    """It counts from the answer before, and not while a request is under way."""
    monkeypatch.setattr("caesura.server.transport.handshake.HEAD_S", 0.6)

    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            for _ in range(4):
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert b"200 OK" in await asyncio.wait_for(reader.readuntil(b'"ok"}'), 10)
                await asyncio.sleep(0.4)
            writer.close()
            # A recording under way takes longer than the deadline.
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
            for byte in b"RIFF":
                await asyncio.sleep(0.3)
                writer.write(bytes([byte]))
            assert b"HTTP/1.1 400" in await asyncio.wait_for(reader.readline(), 10)
            writer.close()

    asyncio.run(main())


# ---- bytes that are not HTTP ----

UPGRADE = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
MANGLED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "a target that is not ASCII": b"GET /v1/listen?tag=\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an upgrade whose target is not ASCII": b"GET /v1/listen?tag=\xff HTTP/1.1\r\nHost: localhost\r\n"
    + UPGRADE
    + b"\r\n",
    "an upgrade without a key": b"GET /v1/listen HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE + b"\r\n",
    "an upgrade with a key that is not ASCII": _head().replace(b"dGhl", b"\xff\xfe\xfd\xfc"),
    "an upgrade of another version": _head().replace(b"Version: 13", b"Version: 7"),
    "an upgrade by POST": _head().replace(b"GET", b"POST"),
    "another upgrade": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: a\r\n\r\n",
    "a host that is no host": b"GET /v1/projects HTTP/1.1\r\nHost: [\r\n\r\n",
    "a path that is not UTF-8": b"GET /v1/%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a query that is not UTF-8": b"GET /v1/projects?a=%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header that is not UTF-8": b"GET /v1/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Token \xff\r\n\r\n",
    "a body that is not UTF-8": b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    b"Content-Length: 2\r\n\r\n\xff\xfe",
    "a length that is none": b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nContent-Length: \xb2\r\n\r\n",
    "a chunk that is none": b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "no HTTP behind a request": b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n\xff\xff\r\n\r\n",
    "no HTTP while an answer waits": b"POST /v1/listen HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
    b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "text that is not UTF-8": _head() + frame(TEXT, b"\xff\xfe"),
    "text in fragments that is not UTF-8": _head() + frame(TEXT, b"\xc3", fin=False) + frame(CONTINUED, b"\x28"),
    "a subprotocol that is not UTF-8": _head().replace(b"\r\n\r\n", b"\r\nSec-WebSocket-Protocol: token, \xff\r\n\r\n"),
    "an origin that is not UTF-8": _head().replace(b"\r\n\r\n", b"\r\nOrigin: http://\xff\r\n\r\n"),
    "a frame of no kind": _head() + bytes([0x83, 0x80, 0, 0, 0, 0]),
    "a frame without a mask": _head() + bytes([0x82, 0x01, 0]),
    "a close frame of one byte": _head() + frame(8, b"\x03"),
    "a close reason that is not UTF-8": _head() + frame(8, b"\x03\xe8\xff"),
    "a fragment of nothing": _head() + frame(CONTINUED, b"x"),
    "a head in two lines": b"GET / HTTP/1.1\nHost: localhost\nUpgrade: websocket\nConnection: Upgrade\n\n",
}


@pytest.mark.parametrize("open_first", [False, True], ids=["at once", "after the upgrade"])
def test_mangled_bytes_are_answered_or_closed_without_a_traceback(
    open_first: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each ends, with an answer or without; nothing is logged as an error, and no more than one line for each."""
    monkeypatch.setattr("caesura.server.transport.handshake.HEAD_S", 1.0)

    async def main() -> None:
        async with in_process_server(Settings(engines=("scripted",), workers=1, idle_timeout_s=1.5)) as server:
            for name, sent in MANGLED.items():
                caplog.clear()
                reader, writer = await asyncio.open_connection(*server.address)
                first, rest = (_head(), sent.removeprefix(_head())) if open_first else (sent, b"")
                writer.write(first)
                if open_first:
                    await reader.readuntil(b"\r\n\r\n")
                    writer.write(rest)
                with contextlib.suppress(ConnectionResetError):
                    await asyncio.wait_for(reader.read(), 10)
                writer.close()
                await until(lambda: server.service.live == 0)
                ours = [
                    entry for entry in caplog.records if not entry.name.startswith(("websockets.client", "asyncio"))
                ]
                assert [entry.getMessage() for entry in caplog.records if entry.exc_info] == [], name
                assert [entry.getMessage() for entry in caplog.records if entry.levelno >= logging.ERROR] == [], name
                assert len([entry for entry in ours if entry.levelno >= logging.WARNING]) <= 1, name

    with caplog.at_level(logging.INFO):
        asyncio.run(main())


@pytest.mark.parametrize(
    "text", [frame(TEXT, b"\xff\xfe"), frame(TEXT, b"\xc3", fin=False) + frame(CONTINUED, b"\x28")]
)
def test_text_that_is_not_utf_8_is_closed_with_1007(text: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Messages before it count, and the record has the reason."""

    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head())
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame(TEXT, b'{"type":"KeepAlive"}') + text + frame(PING))
            assert await read_close(reader) == (1007, NOT_UTF8.reason)
            await until(lambda: len(server.service.session_log) == 1)
            (ended,) = server.service.session_log
            assert (ended.close_code, ended.keepalive_count) == (1007, 1)
            writer.close()

    asyncio.run(main())
    assert "Traceback" not in caplog.text


def test_lines_that_clients_can_cause_are_logged_a_few_times_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with in_process_server() as server:
            for _ in range(3 * PER_MINUTE):
                reader, writer = await asyncio.open_connection(*server.address)
                writer.write(MANGLED["no HTTP"])
                await asyncio.wait_for(reader.read(), 10)
                writer.close()

    asyncio.run(main())
    assert caplog.text.count("Invalid HTTP request") <= PER_MINUTE


@pytest.mark.parametrize("sent", ["no HTTP", "an upgrade whose target is not ASCII", "two hosts"])
def test_bytes_that_are_not_http_get_400_in_the_usual_format(sent: str) -> None:
    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(MANGLED[sent])
            head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 400 ")
            assert f"dg-request-id: {json.loads(body)['request_id']}".encode() in head
            writer.close()

    asyncio.run(main())


def test_frames_that_come_with_the_head_are_handled_after_the_upgrade() -> None:
    """No client does so that waits for its answer; nothing that comes is lost, all the same."""

    async def main() -> None:
        async with in_process_server() as server:
            reader, writer = await asyncio.open_connection(*server.address)
            writer.write(_head() + frame(TEXT, b'{"type":"CloseStream"}'))
            assert (await reader.readline()).startswith(b"HTTP/1.1 101 ")
            assert await read_close(reader) == (1000, "")
            writer.close()

    asyncio.run(main())
