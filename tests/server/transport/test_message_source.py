"""Messages reach their subscriber at once, in order, in turns after a pause, and never while paused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from caesura.server.transport.message_source import TURN_MESSAGES, Message, MessageQueue


class Bench:
    """A queue, what was delivered, and whether its socket is read."""

    def __init__(self) -> None:
        self.queue = MessageQueue(asyncio.get_running_loop())
        self.delivered: list[object] = []
        self.reading = True
        self.pause_at: object = None

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def put(self, *names: object) -> None:
        for name in names:
            self.queue.put_nowait({"type": "websocket.receive", "text": name})

    def subscribe(self) -> None:
        self.queue.subscribe(self._deliver, self)

    def _deliver(self, message: Message) -> None:
        self.delivered.append(message["text"])
        if message["text"] == self.pause_at:
            self.queue.pause()


def story(play: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        await play(Bench())

    asyncio.run(main())


def test_messages_are_queued_until_there_is_a_subscriber() -> None:
    async def play(bench: Bench) -> None:
        bench.put("connect")
        assert (await bench.queue.get())["text"] == "connect"
        assert bench.delivered == []

    story(play)


def test_queued_messages_come_first_and_later_ones_at_once() -> None:
    async def play(bench: Bench) -> None:
        bench.put("a", "b")
        bench.subscribe()
        bench.put("c")
        assert bench.delivered == []
        await asyncio.sleep(0)
        assert bench.delivered == ["a", "b", "c"]
        bench.put("d")
        assert bench.delivered == ["a", "b", "c", "d"]
        assert bench.reading

    story(play)


def test_nothing_is_delivered_and_nothing_read_while_paused() -> None:
    async def play(bench: Bench) -> None:
        bench.subscribe()
        await asyncio.sleep(0)
        bench.pause_at = "b"
        bench.put("a", "b", "c", "d")
        await asyncio.sleep(0)
        assert (bench.delivered, bench.reading) == (["a", "b"], False)
        bench.queue.resume()
        await asyncio.sleep(0)
        assert (bench.delivered, bench.reading) == (["a", "b", "c", "d"], True)

    story(play)


def test_a_long_queue_is_delivered_in_turns_before_the_socket_is_read_again() -> None:
    async def play(bench: Bench) -> None:
        bench.subscribe()
        await asyncio.sleep(0)
        bench.queue.pause()
        bench.put(*range(2 * TURN_MESSAGES + 1))
        bench.queue.resume()
        for count in (TURN_MESSAGES, 2 * TURN_MESSAGES, 2 * TURN_MESSAGES + 1):
            assert not bench.reading
            await asyncio.sleep(0)
            assert bench.delivered == list(range(count))
        assert bench.reading

    story(play)


def test_a_pause_in_the_middle_of_a_turn_stops_it() -> None:
    async def play(bench: Bench) -> None:
        bench.put("a", "b", "c")
        bench.pause_at = "b"
        bench.subscribe()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert (bench.delivered, bench.reading) == (["a", "b"], False)

    story(play)
