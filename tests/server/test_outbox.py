"""What one client is still to be sent: in order, bounded, and given up when nobody takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket, WebSocketDisconnect

from caesura.protocol.actions import CloseSocket
from caesura.server import outbox as outbox_module
from caesura.server.outbox import SHED_INTERIMS, Outbox, Parcel

WITHIN_S = 5.0
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


class Desk:
    """An outbox, whom it sends to, and why it gave up."""

    def __init__(self) -> None:
        self.client = Client()
        self.gave_up: list[str] = []
        self.outbox = Outbox(cast(WebSocket, self.client), give_up=self.gave_up.append)

    def post(self, text: str, *, interim: bool = False, sent: Callable[[], None] | None = None) -> bool:
        return self.outbox.post(Parcel(text, sent), interim=interim)


def story(told: Callable[[Desk], Awaitable[None]]) -> None:
    asyncio.run(asyncio.wait_for(_told(told), WITHIN_S))


async def _told(told: Callable[[Desk], Awaitable[None]]) -> None:
    await told(Desk())


def test_messages_go_out_in_order_and_the_close_behind_them() -> None:
    async def main(desk: Desk) -> None:
        for text in "abc":
            assert desk.post(text)
        desk.outbox.close(FINISHED)
        await desk.outbox.run()
        assert desk.client.got == ["a", "b", "c", (1000, "")]
        assert desk.outbox.bytes_waiting == 0

    story(main)


def test_nothing_follows_the_close() -> None:
    async def main(desk: Desk) -> None:
        assert not desk.outbox.closing
        desk.outbox.close(FINISHED)
        assert desk.outbox.closing
        desk.post("too late")
        desk.outbox.close(CloseSocket(1011, "too late"))
        await desk.outbox.run()
        assert desk.client.got == [(1000, "")]

    story(main)


def test_what_comes_while_it_runs_goes_out_too() -> None:
    async def main(desk: Desk) -> None:
        running = asyncio.create_task(desk.outbox.run())
        for text in "ab":
            desk.post(text)
            while text not in desk.client.got:
                await asyncio.sleep(0)
        desk.outbox.close(FINISHED)
        await running

    story(main)


def test_a_message_is_reported_sent_when_the_socket_took_it_and_not_before() -> None:
    async def main(desk: Desk) -> None:
        sent: list[str] = []
        desk.client.taking.clear()
        desk.post("a", sent=partial(sent.append, "a"))
        desk.outbox.close(FINISHED)
        running = asyncio.create_task(desk.outbox.run())
        await asyncio.sleep(0.01)
        assert not sent
        desk.client.taking.set()
        await running
        assert sent == ["a"]

    story(main)


def test_interims_give_way_where_much_waits_and_nothing_else_does() -> None:
    async def main(desk: Desk) -> None:
        assert all(desk.post("interim", interim=True) for _ in range(SHED_INTERIMS))
        assert not desk.post("interim too many", interim=True)
        assert desk.post("final")
        desk.outbox.close(FINISHED)
        await desk.outbox.run()
        assert desk.client.got == ["interim"] * SHED_INTERIMS + ["final", (1000, "")]

    story(main)


def test_an_interim_that_was_left_out_weighs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "SHED_INTERIMS", 0)

    async def main(desk: Desk) -> None:
        desk.post("x" * 100, interim=True)
        assert desk.outbox.bytes_waiting == 0

    story(main)


def test_it_is_full_until_enough_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "OUTBOX_PAUSE_BYTES", 10)

    async def main(desk: Desk) -> None:
        await desk.outbox.room()
        desk.client.taking.clear()
        for _ in range(2):
            desk.post("x" * 8)
        assert desk.outbox.full
        assert desk.outbox.bytes_waiting == 16
        running = asyncio.create_task(desk.outbox.run())
        waiting = asyncio.create_task(desk.outbox.room())
        await asyncio.sleep(0.01)
        assert not waiting.done()
        desk.client.taking.set()
        await waiting
        assert not desk.outbox.full
        desk.outbox.close(FINISHED)
        await running

    story(main)


def test_a_client_that_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "SEND_TIMEOUT_S", 0.02)
    monkeypatch.setattr(outbox_module, "OUTBOX_PAUSE_BYTES", 0)

    async def main(desk: Desk) -> None:
        desk.client.taking.clear()
        desk.post("a")
        desk.post("b")
        waiting = asyncio.create_task(desk.outbox.room())
        await desk.outbox.run()
        assert desk.gave_up == ["nothing was taken for 0.02 s"]
        assert desk.outbox.bytes_waiting == 0
        await waiting

    story(main)


def test_a_client_for_whom_too_much_piles_up_is_given_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "OUTBOX_BYTES", 10)

    async def main(desk: Desk) -> None:
        running = asyncio.create_task(desk.outbox.run())
        desk.post("x" * 11)
        desk.post("x" * 11)
        await running
        assert desk.gave_up == ["11 bytes wait to be sent"]
        assert desk.client.got == []

    story(main)


def test_bytes_are_counted_as_they_go_over_the_wire() -> None:
    async def main(desk: Desk) -> None:
        desk.post("ü€")
        assert desk.outbox.bytes_waiting == 5

    story(main)


def test_a_client_that_is_gone_ends_it_without_a_word() -> None:
    async def main(desk: Desk) -> None:
        desk.client.gone = True
        desk.post("a")
        await desk.outbox.run()
        assert desk.gave_up == []

    story(main)


def test_a_mistake_of_whoever_is_told_is_not_swallowed() -> None:
    async def main(desk: Desk) -> None:
        def broken() -> Any:
            raise ZeroDivisionError

        desk.post("a", sent=broken)
        with pytest.raises(ZeroDivisionError):
            await desk.outbox.run()

    story(main)
