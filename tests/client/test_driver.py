"""Driving one machine on a loop, over fake transports."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import replace

import pytest

from caesura.client.driver import Driver
from caesura.client.events import Closed, Event, Final, Reconnected, Reconnecting, Stats, Transcript
from caesura.client.line_actions import Phase
from caesura.client.line_settings import LineSettings
from caesura.client.pcm import PcmFormat
from caesura.client.reconnect import Backoff, refusal
from caesura.client.recovery import Recovery
from caesura.client.transport import Opener, Transport
from caesura.errors import BadCredentials, ConnectionClosedByServer, InternalError, LineError, Unreachable, UsageError
from caesura.protocol.client_session import ClientTimers, TimerEvent
from tests.client.fake_transports import FakeOpener, FakeTransport
from tests.client.lines import PATIENCE_S
from tests.waiting import until

SETTINGS = LineSettings(
    PcmFormat("linear16", 8_000, 2),
    watch=ClientTimers(keepalive_s=3600.0, ping_s=3600.0, stall_s=3600.0, mute_s=3600.0),
    backoff=Backoff(base_s=0.01, cap_s=0.01),
    replay_speed=1000.0,
)
"""Nothing happens by itself."""
SECOND = bytes(2 * 8_000)
METADATA = '{"type":"Metadata","duration":1.0}'


class Driven:
    """A driver with all that came of it. Everything happens on the test's loop."""

    def __init__(self, opener: Opener, settings: LineSettings) -> None:
        self.events: list[Event] = []
        self.on_event: Callable[[Event], object] = self.events.append
        self.machine = Recovery(settings, random=lambda: 0.5)
        self.driver = Driver(self.machine, opener, self.deliver, asyncio.get_running_loop())

    def deliver(self, event: Event) -> None:
        self.on_event(event)

    def send(self, audio: bytes) -> None:
        self.driver.step(lambda machine, now: machine.send(audio, now=now))

    def finish(self, seconds: float = PATIENCE_S) -> None:
        self.driver.step(lambda machine, now: machine.finish(seconds, now=now))

    async def opened(self) -> None:
        await resolved(self.driver.opened)
        self.driver.opened.result()

    async def done(self) -> Transcript:
        await resolved(self.driver.done)
        await until(lambda: len(asyncio.all_tasks()) == 1)
        return self.driver.done.result()


async def resolved(future: Future[object] | Future[None] | Future[Transcript]) -> None:
    await until(future.done)


def drive(
    test: Callable[[Driven], Awaitable[None]], opener: Opener, settings: LineSettings = SETTINGS, *, begin: bool = True
) -> None:
    """Runs a test with a driver that has begun."""

    async def go() -> None:
        driven = Driven(opener, settings)
        if begin:
            driven.driver.start()
        await test(driven)

    asyncio.run(go())


def watching(**watch: float) -> LineSettings:
    return replace(SETTINGS, watch=replace(SETTINGS.watch, **watch))


def ends(wire: FakeTransport, code: int = 1000) -> None:
    """The server has sent everything."""
    wire.say(METADATA)
    wire.end(code)


def test_a_driver_that_was_made_has_started_nothing() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await asyncio.sleep(0)
        assert driven.machine.phase is Phase.IDLE
        assert wires.attempts == 0

    drive(test, wires, begin=False)


def test_audio_goes_to_the_connection_and_its_messages_to_the_user() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.send(SECOND)
        wire = wires.made[0]
        await until(lambda: wire.audio == SECOND)
        wire.say(
            '{"type":"Results","start":0,"duration":1,"is_final":true,"channel":{"alternatives":[{"transcript":"yes"}]}}'
        )
        await until(lambda: bool(driven.events))
        driven.finish()
        await until(lambda: wire.texts == ['{"type":"Finalize"}', '{"type":"CloseStream"}'])
        ends(wire)
        assert (await driven.done()).text == "yes"
        assert [type(event) for event in driven.events] == [Final, Stats, Closed]

    drive(test, wires)


def test_the_end_in_order_closes_the_connection_and_does_not_cut_it() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.finish()
        wire = wires.made[0]
        await until(lambda: '{"type":"CloseStream"}' in wire.texts)
        wire.say(METADATA)
        await driven.done()
        assert (wire.closed, wire.aborted) == (True, False)

    drive(test, wires)


def test_a_first_attempt_that_fails_for_good_is_what_opening_fails_with() -> None:
    wires = FakeOpener(refusal(401))

    async def test(driven: Driven) -> None:
        with pytest.raises(BadCredentials):
            await driven.opened()
        assert isinstance((await driven.done()).error, BadCredentials)
        assert wires.attempts == 1

    drive(test, wires)


def test_attempts_that_may_succeed_later_are_made_until_one_does() -> None:
    wires = FakeOpener(Unreachable("no"), Unreachable("not yet"))

    async def test(driven: Driven) -> None:
        await driven.opened()
        assert wires.attempts == 3
        assert [event.attempt for event in driven.events if isinstance(event, Reconnecting)] == [1, 2]
        driven.finish(0.0)
        await driven.done()

    drive(test, wires)


def test_a_connection_that_ends_is_followed_by_another_one() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.send(SECOND)
        await until(lambda: wires.made[0].audio == SECOND)
        wires.made[0].end(1011)
        await until(lambda: len(wires.made) == 2 and wires.made[1].audio == SECOND)
        assert wires.made[0].aborted
        assert any(isinstance(event, Reconnected) for event in driven.events)
        driven.finish()
        await until(lambda: '{"type":"CloseStream"}' in wires.made[1].texts)
        ends(wires.made[1])
        await driven.done()

    drive(test, wires)


def test_a_connection_that_ends_for_good_ends_the_line() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        wires.made[0].end(1008, "DATA-0000")
        result = await driven.done()
        assert isinstance(result.error, ConnectionClosedByServer)
        assert (result.error.code, result.error.reason) == (1008, "DATA-0000")
        assert result.error.request_id == "made-by-hand"

    drive(test, wires)


def test_a_write_that_never_ends_is_found_although_nothing_else_happens() -> None:
    """The timer that was armed before the write is of no use: it would ring in an hour."""
    wires = FakeOpener(takes=False)

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.send(SECOND)
        await until(lambda: any(isinstance(event, Reconnecting) for event in driven.events))
        gone = next(event for event in driven.events if isinstance(event, Reconnecting))
        assert gone.why in (TimerEvent.STALLED.value, TimerEvent.HALF_OPEN.value)
        await until(lambda: wires.made[0].aborted)
        driven.finish(0.0)
        await driven.done()

    drive(test, wires, watching(stall_s=0.05))


def test_a_keepalive_that_is_never_written_is_found_on_an_idle_line() -> None:
    wires = FakeOpener(takes=False)

    async def test(driven: Driven) -> None:
        await driven.opened()
        await until(lambda: any(isinstance(event, Reconnecting) for event in driven.events))
        await until(lambda: wires.made[0].aborted)
        driven.finish(0.0)
        await driven.done()

    drive(test, wires, watching(keepalive_s=0.01, stall_s=0.05))


def test_an_idle_line_is_kept_alive() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        await until(lambda: wires.made[0].texts == ['{"type":"KeepAlive"}'] * 5)
        driven.finish(0.0)
        await driven.done()

    drive(test, wires, watching(keepalive_s=0.01))


def test_an_answered_ping_is_an_answer_so_that_later_audio_is_pinged_anew() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        for pings in (1, 2, 3):
            driven.send(SECOND)
            await until(lambda pings=pings: wires.made[0].pings == pings)  # type: ignore[misc]
            await asyncio.sleep(0)
        assert driven.machine.phase is Phase.OPEN
        driven.finish(0.0)
        await driven.done()

    drive(test, wires, watching(ping_s=0.01))


def test_a_ping_without_an_answer_costs_the_connection() -> None:
    wires = FakeOpener(answers_pings=False)

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.send(SECOND)
        await until(lambda: any(isinstance(event, Reconnecting) for event in driven.events))
        assert wires.made[0].pings == 1
        driven.finish(0.0)
        await driven.done()

    drive(test, wires, watching(ping_s=0.01, stall_s=0.05))


def test_giving_up_cancels_an_attempt_that_hangs() -> None:
    cancelled = []

    async def never() -> Transport:
        try:
            await asyncio.Event().wait()
            raise AssertionError
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def test(driven: Driven) -> None:
        await asyncio.sleep(0)
        driven.finish(0.05)
        result = await driven.done()
        assert cancelled == [True]
        assert isinstance(result.error, LineError)

    drive(test, never)


def test_a_connection_that_is_there_a_moment_after_giving_up_is_cut() -> None:
    made: list[FakeTransport] = []
    driving: list[Driven] = []

    async def opener() -> Transport:
        made.append(FakeTransport(lambda: None))
        driving[0].driver.step(lambda machine, now: machine.abandon(now=now))
        return made[0]

    async def test(driven: Driven) -> None:
        driving.append(driven)
        driven.driver.start()
        await driven.done()
        assert made[0].aborted

    drive(test, opener, begin=False)


def test_giving_up_on_an_open_connection_cuts_it() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        driven.driver.step(lambda machine, now: machine.abandon(now=now))
        await driven.done()
        assert (wires.made[0].closed, wires.made[0].aborted) == (False, True)

    drive(test, wires)


def test_a_transport_that_breaks_its_promise_ends_the_line_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        wires.made[0].fail(ZeroDivisionError("not what was promised"))
        result = await driven.done()
        assert isinstance(result.error, InternalError)
        assert "not what was promised" in str(result.error)
        assert wires.made[0].aborted

    drive(test, wires)
    assert "internal error in the client" in caplog.text


def test_an_opener_that_breaks_its_promise_ends_the_line_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def opener() -> Transport:
        raise ZeroDivisionError("not what was promised")

    async def test(driven: Driven) -> None:
        with pytest.raises(InternalError, match="not what was promised"):
            await driven.opened()
        await driven.done()

    drive(test, opener)
    assert "internal error in the client" in caplog.text


def test_a_mistake_of_our_own_in_a_deadline_does_not_leave_a_line_that_hangs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Recovery, *, now: float) -> None:
        raise ZeroDivisionError("our own")

    monkeypatch.setattr(Recovery, "handle_deadline", broken)
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        await driven.opened()
        result = await driven.done()
        assert isinstance(result.error, InternalError)
        assert wires.made[0].aborted

    drive(test, wires, watching(keepalive_s=0.01))
    assert "our own" in caplog.text


def test_writing_without_a_break_does_not_starve_the_reader() -> None:
    """A socket that has room takes a frame without waiting, and nothing else would ever run on the loop."""
    result = (
        '{"type":"Results","start":0,"duration":1,"is_final":true,"channel":{"alternatives":[{"transcript":"yes"}]}}'
    )
    made: list[Talkative] = []

    class Talkative(FakeTransport):
        async def send(self, frame: bytes | str) -> None:
            await super().send(frame)
            if len(self.sent) == 5:
                self.say(result)

    async def opener() -> Transport:
        made.append(Talkative(lambda: None))
        return made[0]

    async def test(driven: Driven) -> None:
        sent_before: list[int] = []
        driven.on_event = lambda event: sent_before.append(len(made[0].sent))
        await driven.opened()
        driven.send(SECOND * 50)
        await until(lambda: len(made[0].audio) == len(SECOND) * 50)
        assert sent_before[0] < len(made[0].sent) / 2
        driven.finish(0.0)
        await driven.done()

    drive(test, opener)


def test_ctrl_c_in_the_middle_of_a_step_does_not_leave_a_line_that_never_moves_again() -> None:
    wires = FakeOpener()

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    async def test(driven: Driven) -> None:
        await driven.opened()
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(asyncio.get_running_loop(), "call_soon_threadsafe", interrupt)
            with pytest.raises(KeyboardInterrupt):
                driven.send(SECOND)
        driven.finish(0.0)
        await driven.done()

    drive(test, wires)


def test_what_the_caller_got_wrong_is_not_tried_again() -> None:
    wires = FakeOpener(UsageError("no address"))

    async def test(driven: Driven) -> None:
        with pytest.raises(UsageError, match="no address"):
            await driven.opened()
        assert wires.attempts == 1
        await driven.done()

    drive(test, wires)


def test_steps_may_be_taken_from_many_threads_at_once() -> None:
    wires = FakeOpener()
    threads, each = 8, 200

    async def test(driven: Driven) -> None:
        await driven.opened()
        frame = bytes(160)

        def send_all() -> None:
            for _ in range(each):
                driven.send(frame)

        senders = [threading.Thread(target=send_all) for _ in range(threads)]
        for sender in senders:
            sender.start()
        await until(lambda: len(wires.made[0].audio) == threads * each * len(frame))
        for sender in senders:
            await asyncio.to_thread(sender.join)
        driven.finish(0.0)
        await resolved(driven.driver.done)

    drive(test, wires)


def test_what_is_waited_for_is_resolved_when_it_holds_and_at_the_end_in_any_case() -> None:
    wires = FakeOpener()

    async def test(driven: Driven) -> None:
        captured = driven.driver.when(lambda machine, now: machine.stats(now=now).captured_s >= 1.0)
        never = driven.driver.when(lambda machine, now: False)
        left = driven.driver.when(lambda machine, now: False)
        assert left.cancel()
        await driven.opened()
        await asyncio.sleep(0.01)
        assert not captured.done()
        driven.send(SECOND)
        await resolved(captured)
        assert not never.done()
        driven.finish(0.0)
        await resolved(never)
        await driven.done()

    drive(test, wires)
