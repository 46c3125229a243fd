"""A recording fetched from a web server on loopback: its bytes, its bounds, its speed."""

from __future__ import annotations

import asyncio

import pytest

from caesura.errors import NotFetched
from caesura.server.prerecorded.body_rate import BodyRate, BodyTooSlow
from caesura.server.prerecorded.download import Download
from tests.server.outbound.remote import Answer, outbound, silence, web_server
from tests.waiting import until

BODY = b"RIFF" + bytes(1000)


async def fetch(url: str, *, max_bytes: int = 10_000, rate: BodyRate | None = None) -> tuple[bytes, int]:
    with outbound() as reach:
        download = Download(url, outbound=reach, max_bytes=max_bytes, rate=rate or BodyRate(10.0))
        body = b"".join([piece async for piece in download.pieces()])
        return body, download.size


def test_the_bytes_behind_a_url_arrive_and_are_counted() -> None:
    async def main() -> None:
        async with web_server(Answer(body=BODY)) as remote:
            assert await fetch(remote.url("/a.wav")) == (BODY, len(BODY))

    asyncio.run(main())


def test_a_recording_that_is_too_large_or_missing_is_refused() -> None:
    async def main() -> None:
        async with web_server(Answer(404)) as remote:
            with pytest.raises(NotFetched, match="404"):
                await fetch(remote.url())
        async with web_server(Answer(body=BODY)) as remote:
            with pytest.raises(NotFetched, match="larger"):
                await fetch(remote.url(), max_bytes=100)

    asyncio.run(main())


def test_a_cut_ends_the_wait_for_a_server_that_does_not_answer() -> None:
    async def main() -> None:
        rate = BodyRate(10.0)
        async with web_server(silence) as remote:
            open_download = asyncio.create_task(fetch(remote.url(), rate=rate))
            await until(lambda: remote.connections)
            rate.cut()
            with pytest.raises(BodyTooSlow):
                await open_download

    asyncio.run(main())
