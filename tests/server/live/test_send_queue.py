"""The send queue of one client: in order, bounded, and given up when the client takes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.protocol.actions import CloseSocket, Send
from caesura.server.live import send_queue
from caesura.server.live.send_queue import SendQueue
from caesura.server.outbound.callback import SHED_INTERIMS

WITHIN_S = 60.0
FINISHED = CloseSocket(1000, "")


class Client:
    """A WebSocket that takes what it is sent while `taking` is set, or is gone."""

    def __init__(self) -> None:
        self.got: list[str | tuple[int, str]] = []
        self.taking = asyncio.Event()
        self.taking.set()
        self.gone = False

    async def send_text(self, text: str) -> None:
        await self._take(text)

    async def close(self, code: int, reason: str) -> None:
        await self._take((code, reason))

    async def _take(self, item: str | tuple[int, str]) -> None:
        await self.taking.wait()
        if self.gone:
            raise WebSocketDisconnect(1006)
        self.got.append(item)


class Bench:
    """A send queue, whom it sends to, what the socket took, and why it gave up."""

    def __init__(self) -> None:
        self.client = Client()
        self.gave_up: list[str] = []
        self.sent: list[str] = []
        self.fault: Exception | None = None
        self.queue = SendQueue(cast(WebSocket, self.client), sent=self._sent, give_up=self.gave_up.append)

    def put(self, text: str, *, interim: bool = False) -> bool:
        return self.queue.put(Send(text, sheddable=interim))

    def _sent(self, send: Send) -> None:
        if self.fault is not None:
            raise self.fault
        self.sent.append(send.text)


def run_scenario(run: Callable[[Bench], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_run_on_bench(run), WITHIN_S))


async def _run_on_bench(run: Callable[[Bench], Awaitable[None]]) -> None:
    await run(Bench())


def test_messages_go_out_in_order_and_the_close_behind_them() -> None:
    async def main(bench: Bench) -> None:
        for text in "abc":
            assert bench.put(text)
        bench.queue.close(FINISHED)
        await bench.queue.run()
        assert bench.client.got == ["a", "b", "c", (1000, "")]
        assert bench.queue.bytes_waiting == 0

    run_scenario(main)


def test_nothing_follows_the_close() -> None:
    async def main(bench: Bench) -> None:
        assert not bench.queue.closing
        bench.queue.close(FINISHED)
        assert bench.queue.closing
        bench.put("too late")
        bench.queue.close(CloseSocket(1011, "too late"))
        await bench.queue.run()
        assert bench.client.got == [(1000, "")]

    run_scenario(main)


def test_messages_added_during_a_run_are_sent_too() -> None:
    async def main(bench: Bench) -> None:
        running = asyncio.create_task(bench.queue.run())
        for text in "ab":
            bench.put(text)
            while text not in bench.client.got:
                await asyncio.sleep(0)
        bench.queue.close(FINISHED)
        await running

    run_scenario(main)


def test_a_message_is_reported_sent_when_the_socket_took_it_and_not_before() -> None:
    async def main(bench: Bench) -> None:
        bench.client.taking.clear()
        bench.put("a")
        bench.queue.close(FINISHED)
        running = asyncio.create_task(bench.queue.run())
        await asyncio.sleep(0.01)
        assert not bench.sent
        bench.client.taking.set()
        await running
        assert bench.sent == ["a"]

    run_scenario(main)


def test_only_interims_are_dropped_when_many_messages_wait() -> None:
    async def main(bench: Bench) -> None:
        assert all(bench.put("interim", interim=True) for _ in range(SHED_INTERIMS))
        assert not bench.put("interim too many", interim=True)
        assert bench.put("final")
        bench.queue.close(FINISHED)
        await bench.queue.run()
        assert bench.client.got == ["interim"] * SHED_INTERIMS + ["final", (1000, "")]

    run_scenario(main)


def test_a_dropped_interim_does_not_count_against_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "SHED_INTERIMS", 0)

    async def main(bench: Bench) -> None:
        bench.put("x" * 100, interim=True)
        assert bench.queue.bytes_waiting == 0

    run_scenario(main)


def test_it_is_full_until_enough_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "PAUSE_BYTES", 10)

    async def main(bench: Bench) -> None:
        await bench.queue.room()
        bench.client.taking.clear()
        for _ in range(2):
            bench.put("x" * 8)
        assert bench.queue.full
        assert bench.queue.bytes_waiting == 16
        running = asyncio.create_task(bench.queue.run())
        waiting = asyncio.create_task(bench.queue.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        bench.client.taking.set()
        await waiting
        assert not bench.queue.full
        bench.queue.close(FINISHED)
        await running

    run_scenario(main)


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "SEND_TIMEOUT_S", 0.02)
    monkeypatch.setattr(send_queue, "PAUSE_BYTES", 0)

    async def main(bench: Bench) -> None:
        bench.client.taking.clear()
        bench.put("a")
        bench.put("b")
        waiting = asyncio.create_task(bench.queue.room())
        await bench.queue.run()
        assert bench.gave_up == ["nothing was taken for 0.02 s"]
        assert bench.queue.bytes_waiting == 0
        await waiting

    run_scenario(main)


def test_a_client_for_whom_too_much_piles_up_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "MAX_BYTES", 10)

    async def main(bench: Bench) -> None:
        running = asyncio.create_task(bench.queue.run())
        bench.put("x" * 11)
        bench.put("x" * 11)
        await running
        assert bench.gave_up == ["11 bytes wait to be sent"]
        assert bench.client.got == []

    run_scenario(main)


def test_bytes_are_counted_as_they_go_over_the_wire() -> None:
    async def main(bench: Bench) -> None:
        bench.put("ü€")
        assert bench.queue.bytes_waiting == 5

    run_scenario(main)


def test_a_disconnected_client_ends_the_queue_silently() -> None:
    async def main(bench: Bench) -> None:
        bench.client.gone = True
        bench.put("a")
        await bench.queue.run()
        assert bench.gave_up == []

    run_scenario(main)


def test_a_fault_of_the_callback_is_not_swallowed() -> None:
    async def main(bench: Bench) -> None:
        bench.fault = ZeroDivisionError()
        bench.put("a")
        with pytest.raises(ZeroDivisionError):
            await bench.queue.run()

    run_scenario(main)
