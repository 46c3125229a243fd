"""The byte pipe passes all bytes in order, and never holds many."""

from __future__ import annotations

import asyncio
import threading

import pytest

from caesura.pipeline.byte_pipe import ROOM_BYTES, BytePipe, Cancelled

PIECE = bytes(ROOM_BYTES // 4)


def test_bytes_come_out_in_order_and_their_writer_waits() -> None:
    async def main() -> None:
        pipe = BytePipe()
        begun, taken = threading.Event(), list[int]()

        def take() -> None:
            begun.wait(10)
            taken.extend(piece[0] for piece in pipe)

        reading = asyncio.create_task(asyncio.to_thread(take))

        async def bring() -> None:
            for number in range(50):
                assert await pipe.put(bytes([number]) + PIECE)
            pipe.end()

        bringing = asyncio.create_task(bring())
        await asyncio.sleep(0.05)
        assert not bringing.done()
        assert pipe.waiting <= ROOM_BYTES + len(PIECE) + 1
        begun.set()
        await asyncio.wait_for(asyncio.gather(bringing, reading), 10)
        assert taken == list(range(50))

    asyncio.run(main())


def test_abandoning_frees_both_ends() -> None:
    async def main() -> None:
        pipe = BytePipe()
        bringing = asyncio.create_task(pipe.put(bytes(2 * ROOM_BYTES)))
        await asyncio.sleep(0)
        assert not bringing.done()
        pipe.cancel()
        assert await asyncio.wait_for(bringing, 10) is False
        assert await pipe.put(b"more") is False
        with pytest.raises(Cancelled):
            await asyncio.to_thread(list, pipe)

    asyncio.run(main())


def test_nothing_is_something_too() -> None:
    async def main() -> None:
        pipe = BytePipe()
        assert await pipe.put(b"")
        pipe.end()
        assert await asyncio.to_thread(list, pipe) == []

    asyncio.run(main())
