"""One stream floods a real server, and other streams are still served in time."""

from __future__ import annotations

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.flac import silence
from tests.live_client import FINALIZE
from tests.server_process import start_server
from tests.waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.serial]

ROUNDS = 8
MOST_AUDIO_S = 60.0
"""Decoded for the flood while another stream waits for one answer. It was more than 200 in a single turn."""


async def follow(flood: ClientConnection, heard_s: list[float]) -> None:
    """Record up to where the flood has been transcribed."""
    with contextlib.suppress(Exception):
        async for text in flood:
            message = json.loads(text)
            if message["type"] == "Results" and message["is_final"]:
                heard_s[0] = max(heard_s[0], message["start"] + message["duration"])


async def answered(line: ClientConnection) -> None:
    """A tenth of a second of audio, made final."""
    await line.send(bytes(3_200))
    await line.send(FINALIZE)
    while not json.loads(await line.recv()).get("from_finalize"):
        pass


def test_a_few_bytes_that_decode_to_hours_on_one_stream_do_not_stop_the_words_of_others() -> None:
    """Seven hours of silence on eight channels in 60 KB."""

    async def main(url: str) -> None:
        heard_s = [0.0]
        async with (
            connect(f"{url}/v1/listen?multichannel=true") as flood,
            connect(f"{url}/v1/listen?encoding=linear16&sample_rate=16000") as line,
        ):
            await flood.send(silence(1_600, 4_000, 8))
            following = asyncio.create_task(follow(flood, heard_s))
            await until(lambda: heard_s[0])
            for _ in range(ROUNDS):
                before = heard_s[0]
                await answered(line)
                assert heard_s[0] - before <= MOST_AUDIO_S
            assert not following.done()
            following.cancel()

    with start_server() as server:
        asyncio.run(asyncio.wait_for(main(server.url), 60))
