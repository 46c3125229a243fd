"""All chunks of a source of audio, read with a loop and without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from caesura.client.sources import AudioSource

ReadChunks = Callable[[AudioSource], list[bytes]]


def sync_chunks(made: AudioSource) -> list[bytes]:
    with made:
        return list(made)


def async_chunks(made: AudioSource) -> list[bytes]:
    async def run() -> list[bytes]:
        async with made:
            return [chunk async for chunk in made]

    return asyncio.run(run())


both = pytest.mark.parametrize("chunks", [sync_chunks, async_chunks])
