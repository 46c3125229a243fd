"""Downloading a recording: all its bytes within the bounds, or a sentence with the reason."""

from __future__ import annotations

import asyncio
import gzip
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from caesura.errors import NotFetched
from caesura.server.outbound.fetch import open_download
from caesura.server.outbound.guard import ReachPolicy
from caesura.server.outbound.http import Timeouts
from tests.server.outbound.remote import ANYWHERE, CALM, QUICK, Answer, Raw, WebServer, outbound, silence, web_server
from tests.waiting import WITHIN_S

SOUND = bytes(range(256)) * 700


async def fetched(
    url: str, *, reach: ReachPolicy = ANYWHERE, max_bytes: int = 10_000_000, timeouts: Timeouts = CALM
) -> tuple[str, bytes]:
    with outbound(reach=reach, timeouts=timeouts) as out:
        async with open_download(url, outbound=out, max_bytes=max_bytes) as remote:
            return remote.media_type, b"".join([part async for part in remote.parts])


def asked(answer: Answer | Raw, *, max_bytes: int = 10_000_000, timeouts: Timeouts = CALM) -> tuple[str, bytes]:
    async def main() -> tuple[str, bytes]:
        async with web_server(answer) as server:
            return await fetched(server.url("/a.wav"), max_bytes=max_bytes, timeouts=timeouts)

    return asyncio.run(main())


def test_a_recording_is_downloaded_unchanged_with_its_type() -> None:
    answer = Answer(200, {"Content-Type": "Audio/WAV; codecs=1"}, SOUND)
    assert asked(answer) == ("audio/wav", SOUND)


def test_the_request_accepts_no_compression_and_has_the_password_of_the_url() -> None:
    async def main() -> None:
        async with web_server(Answer(200, {}, b"x")) as server:
            await fetched(server.url("/a.wav?b=1", userinfo="user:word@"))
            (request,) = server.requests
            assert request.line == "GET /a.wav?b=1 HTTP/1.1"
            assert request.headers == {
                "host": f"127.0.0.1:{server.port}",
                "user-agent": "caesura",
                "accept": "*/*",
                "accept-encoding": "identity",
                "authorization": "Basic dXNlcjp3b3Jk",
            }

    asyncio.run(main())


def test_chunks_make_one_recording() -> None:
    async def chunked(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for at in range(0, len(SOUND), 50_000):
            part = SOUND[at : at + 50_000]
            writer.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    assert asked(chunked) == ("", SOUND)


def test_a_recording_may_end_with_its_connection() -> None:
    async def bare(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n" + SOUND)

    assert asked(bare) == ("", SOUND)


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(SOUND)),
        ("GZIP", gzip.compress(SOUND[:1000]) + gzip.compress(SOUND[1000:])),
        ("x-gzip", gzip.compress(SOUND)),
        ("deflate", zlib.compress(SOUND)),
        ("identity", SOUND),
        ("", SOUND),
    ],
)
def test_a_compressed_response_is_decompressed(encoding: str, packed: bytes) -> None:
    assert asked(Answer(200, {"Content-Encoding": encoding}, packed)) == ("", SOUND)


@pytest.mark.parametrize(
    ("encoding", "body", "why"),
    [
        ("br", b"x", "neither gzip nor deflate"),
        ("gzip, gzip", b"x", "neither gzip nor deflate"),
        ("gzip", b"RIFF....", "does not match its Content-Encoding"),
        ("gzip", gzip.compress(SOUND)[:-9], "ended early"),
        ("deflate", zlib.compress(SOUND)[:-1], "ended early"),
    ],
)
def test_data_that_cannot_be_decompressed_are_refused(encoding: str, body: bytes, why: str) -> None:
    with pytest.raises(NotFetched, match=why):
        asked(Answer(200, {"Content-Encoding": encoding}, body))


def test_an_empty_answer_is_an_empty_recording() -> None:
    assert asked(Answer(200, {"Content-Encoding": "gzip"}, b"")) == ("", b"")


def test_a_bomb_is_stopped_at_the_limit_and_never_held_whole() -> None:
    """Some 100 kB stand for 100 MB here; 1 MB of it is unpacked, in slices."""
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1_000_000)) for _ in range(100)) + packer.flush()
    tracemalloc.start()
    try:
        with pytest.raises(NotFetched, match="larger than 1000000 bytes"):
            asked(Answer(200, {"Content-Encoding": "gzip"}, bomb), max_bytes=1_000_000)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_other_tasks_run_while_much_is_uncompressed() -> None:
    packed = gzip.compress(bytes(5_000_000))

    async def main() -> int:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        async with web_server(Answer(200, {"Content-Encoding": "gzip"}, packed)) as server:
            with outbound() as out:
                async with open_download(server.url(), outbound=out) as remote:
                    turning = asyncio.create_task(turn())
                    async for _ in remote.parts:
                        pass
                    turning.cancel()
        return turns

    assert asyncio.run(main()) > 50  # of 76 slices


def test_a_length_over_the_limit_is_refused_before_a_byte_is_read() -> None:
    async def announcing(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10000001\r\n\r\n")
        await asyncio.Event().wait()

    with pytest.raises(NotFetched, match="larger than 10000000 bytes"):
        asked(announcing)


def test_a_download_over_the_limit_is_aborted() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(SOUND)
            await writer.drain()

    with pytest.raises(NotFetched, match="larger than 500000 bytes"):
        asked(endless, max_bytes=500_000)


def test_as_much_as_is_allowed_is_fetched() -> None:
    assert asked(Answer(200, {}, SOUND), max_bytes=len(SOUND)) == ("", SOUND)


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 401, 403, 404, 500, 503])
def test_another_status_than_200_is_no_recording(status: int) -> None:
    with pytest.raises(NotFetched, match=f"it answered {status}"):
        asked(Answer(status))


async def silence_within(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    await asyncio.Event().wait()


async def cut(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")


async def cut_chunk(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc")


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(b"x")
        await asyncio.sleep(0.02)


STALLED = replace(CALM, response_s=0.15)
TRICKLED = replace(CALM, whole_s=0.4)
"""Each sets one limit: on a busy machine two that are close to each other pass in either order."""


@pytest.mark.parametrize(
    ("answer", "why", "timeouts"),
    [
        (silence, "did not answer within", STALLED),
        (silence_within, "did not answer within", STALLED),
        (cut, "complete HTTP", CALM),
        (cut_chunk, "complete HTTP", CALM),
        (drip, f"took longer than {TRICKLED.whole_s:g} s", TRICKLED),
    ],
)
def test_a_download_that_stalls_or_trickles_is_given_up(
    answer: Callable[[asyncio.StreamWriter], Awaitable[None]], why: str, timeouts: Timeouts
) -> None:
    with pytest.raises(NotFetched, match=why):
        asked(answer, timeouts=timeouts)


def test_a_server_that_begins_too_late_is_given_up() -> None:
    with pytest.raises(NotFetched, match=r"longer than 0\.05 s"):
        asked(silence, timeouts=Timeouts(response_s=5.0, whole_s=0.05))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_the_password_stays_at_home(status: int) -> None:
    async def main() -> None:
        async with web_server(Answer(200, {}, SOUND)) as other, web_server() as server:
            server.answers = [Answer(status, {"Location": "/b"}), Answer(status, {"Location": other.url("/c")})]
            assert await fetched(server.url(userinfo="u:p@")) == ("", SOUND)
            assert [each.line for each in server.requests] == ["GET / HTTP/1.1", "GET /b HTTP/1.1"]
            assert all("authorization" in each.headers for each in server.requests)
            assert other.requests[0].line == "GET /c HTTP/1.1"
            assert "authorization" not in other.requests[0].headers

    asyncio.run(main())


def test_a_loop_of_redirects_ends() -> None:
    async def main() -> WebServer:
        async with web_server(Answer(302, {"Location": "/again"})) as server:
            with pytest.raises(NotFetched, match="redirects more than 5 times"):
                await fetched(server.url())
            return server

    assert len(asyncio.run(main()).requests) == 6


def test_a_redirect_to_a_file_is_refused() -> None:
    with pytest.raises(NotFetched, match="begins with http"):
        asked(Answer(302, {"Location": "file:///etc/passwd"}))


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.com/a", "ws://example.com/", "a.wav", "", "http://"]
)
def test_only_urls_of_the_web_are_fetched(url: str) -> None:
    with pytest.raises(NotFetched):
        asyncio.run(fetched(url))


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://[::1]/", "http://10.0.0.1:8080/", "http://2130706433/", "http://localhost:22/"]
)
def test_nothing_inside_is_fetched(url: str) -> None:
    with pytest.raises(NotFetched, match=r"may not be reached|does not connect to port 22"):
        asyncio.run(fetched(url, reach=ReachPolicy()))


def test_a_reader_that_stops_releases_the_connection() -> None:
    async def main() -> None:
        gone = asyncio.Event()

        async def endless(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            with suppress(ConnectionError):
                while True:
                    writer.write(SOUND)
                    await writer.drain()
            gone.set()

        async with web_server(endless) as server:
            with outbound() as out:
                async with open_download(server.url(), outbound=out) as remote:
                    await anext(remote.parts)
                await asyncio.wait_for(gone.wait(), WITHIN_S)

    asyncio.run(main())


def test_an_exception_of_the_reader_is_not_translated() -> None:
    async def broken() -> None:
        async with web_server(Answer(200, {}, SOUND)) as server:
            with outbound() as out:
                async with open_download(server.url(), outbound=out):
                    raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        asyncio.run(broken())


def test_a_reader_may_take_its_time() -> None:
    """Only the server is hurried: `response_s` does not run while the reader is busy."""

    async def main() -> None:
        async with web_server(Answer(200, {}, SOUND)) as server:
            with outbound(timeouts=QUICK) as out:
                async with open_download(server.url(), outbound=out) as remote:
                    first = await anext(remote.parts)
                    await asyncio.sleep(QUICK.response_s * 1.2)
                    with suppress(StopAsyncIteration):
                        rest = b"".join([part async for part in remote.parts])
                    assert first + rest == SOUND

    asyncio.run(main())
