"""Messages to a callback: delivered in order, retried, dropped or lost, within bounds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection

from caesura.errors import BadUrl, RemoteFailed
from caesura.server.outbound.callback import SHED_INTERIMS, Callback, DeliveryCounts, RetryPolicy, Sleep, deliver_result
from caesura.server.outbound.guard import ReachPolicy
from caesura.server.outbound.http import Timeouts
from caesura.server.outbound.target import SOCKETS, WEB, parse_target
from tests.server.outbound.remote import ANYWHERE, CALM, Answer, outbound, silence, socket_server, web_server
from tests.waiting import WITHIN_S, until

MOMENT = RetryPolicy(pauses_s=(0.0, 0.0, 0.0))


class Sleeps:
    """A `sleep` that returns at once and records the durations."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)


class Running:
    """A callback in its task, with the failures that it reports."""

    def __init__(self, callback: Callback, told: list[str], sleeps: Sleeps) -> None:
        self.callback = callback
        self.told = told
        self.sleeps = sleeps
        self.task: asyncio.Task[None] | None = None

    async def end(self, *, within_s: float = 2.0) -> DeliveryCounts:
        self.callback.finish(within_s=within_s)
        assert self.task is not None
        await self.task
        return self.callback.counts


@asynccontextmanager
async def calling(
    url: str,
    *,
    retry_policy: RetryPolicy = MOMENT,
    reach: ReachPolicy = ANYWHERE,
    timeouts: Timeouts = CALM,
    began: bool = True,
    sleep: Sleep | None = None,
) -> AsyncIterator[Running]:
    told: list[str] = []
    sleeps = Sleeps()
    with outbound(reach=reach, timeouts=timeouts) as out:
        callback = Callback(
            parse_target(url, WEB + SOCKETS),
            outbound=out,
            key_id="key-1",
            request_id="request-1",
            retry_policy=retry_policy,
            on_failure=told.append,
            sleep=sleep or sleeps,
        )
        running = Running(callback, told, sleeps)
        running.task = asyncio.create_task(callback.run() if began else asyncio.sleep(0))
        try:
            yield running
        finally:
            running.task.cancel()
            await asyncio.gather(running.task, return_exceptions=True)
            assert told == ([] if callback.failed is None else [callback.failed])


def run(main: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(main())  # type: ignore[arg-type]


def test_all_messages_are_delivered_in_their_order_before_the_end() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url()) as running:
            for n in range(50):
                running.callback.send(f"{n}", essential=n % 2 == 0)
            assert await running.end() == DeliveryCounts(delivered=50)
            assert server.bodies == [f"{n}" for n in range(50)]
            assert {each.headers["dg-token"] for each in server.requests} == {"key-1"}
            assert running.callback.failed is None

    run(main)


def test_messages_are_delivered_as_they_come() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url()) as running:
            for n in range(3):
                running.callback.send(f"{n}", essential=True)
                await until(lambda: len(server.requests) > n)  # noqa: B023  # called within this round
            assert await running.end() == DeliveryCounts(delivered=3)

    run(main)


def test_a_stream_without_messages_makes_no_http_request() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url()) as running:
            assert await running.end() == DeliveryCounts()
            assert server.connections == 0

    run(main)


def test_transient_failures_are_retried_within_the_call() -> None:
    async def main() -> None:
        answers = [Answer(500), Answer(503), Answer(429, {"Retry-After": "2"}), Answer(), Answer(502), Answer()]
        retry_policy = RetryPolicy(pauses_s=(0.25, 1.0, 3.0))
        async with web_server(*answers) as server, calling(server.url(), retry_policy=retry_policy) as running:
            running.callback.send("1", essential=True)
            running.callback.send("2", essential=True)
            assert await running.end() == DeliveryCounts(delivered=2, retries=4)
            assert server.bodies == ["1", "1", "1", "1", "2", "2"]
            assert running.sleeps.asked == [0.25, 1.0, 3.0, 0.25]

    run(main)


@pytest.mark.parametrize(("asked", "waits"), [("4", 4.0), ("9999", 5.0), ("nonsense", 0.0), ("-1", 0.0)])
def test_a_receiver_may_ask_for_a_longer_pause_within_bounds(asked: str, waits: float) -> None:
    async def main() -> None:
        answers = Answer(429, {"Retry-After": asked}), Answer()
        async with web_server(*answers) as server, calling(server.url()) as running:
            running.callback.send("1", essential=True)
            await running.end()
            assert running.sleeps.asked == [waits]

    run(main)


def test_a_receiver_that_keeps_failing_fails_the_callback_and_the_rest_is_owed() -> None:
    async def main() -> None:
        async with web_server(Answer(), Answer(500)) as server, calling(server.url("/in?key=hidden")) as running:
            for n in range(3):
                running.callback.send(f"{n}", essential=True)
            running.callback.send("interim", essential=False)
            assert running.task is not None
            await running.task
            running.callback.send("late", essential=True)
            running.callback.send("late interim", essential=False)
            assert running.callback.failed == (
                f"The callback to http://127.0.0.1:{server.port}/in failed: it answered 500."
            )
            assert running.callback.counts == DeliveryCounts(delivered=1, dropped=2, pending=3, retries=3)
            assert server.bodies == ["0", "1", "1", "1", "1"]

    run(main)


@pytest.mark.parametrize("essential", [True, False])
def test_a_refusal_that_will_not_pass_fails_the_callback_at_once(essential: bool) -> None:
    async def main() -> None:
        async with web_server(Answer(404)) as server, calling(server.url()) as running:
            running.callback.send("1", essential=essential)
            assert running.task is not None
            await running.task
            assert running.callback.failed is not None
            assert "404" in running.callback.failed
            assert (len(server.requests), running.callback.counts.retries) == (1, 0)

    run(main)


def test_an_interim_is_tried_once_and_gives_way() -> None:
    async def main() -> None:
        async with web_server(Answer(503), Answer()) as server, calling(server.url()) as running:
            running.callback.send("interim", essential=False)
            running.callback.send("final", essential=True)
            assert await running.end() == DeliveryCounts(delivered=1, dropped=1)
            assert server.bodies == ["interim", "final"]

    run(main)


def test_a_server_that_is_away_for_a_moment_loses_nothing() -> None:
    """Nothing listens during the first tries; then the server is back on its port."""

    async def main() -> None:
        async with web_server() as server:
            port = server.port
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            heard.append(await reader.readexactly(5))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            writer.close()

        back: list[asyncio.Server] = []

        async def come_back(_: float) -> None:
            back.append(await asyncio.start_server(serve, "127.0.0.1", port))

        async with calling(f"http://127.0.0.1:{port}/", sleep=come_back) as running:
            running.callback.send("final", essential=True)
            assert await running.end() == DeliveryCounts(delivered=1, retries=1)
        back[0].close()
        assert heard == [b"final"]

    run(main)


# ---- bounds ----


def test_when_many_wait_the_interims_are_left_out() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url()) as running:
            for n in range(SHED_INTERIMS + 10):
                running.callback.send(f"interim {n}", essential=False)
            running.callback.send("final", essential=True)
            assert await running.end() == DeliveryCounts(delivered=SHED_INTERIMS + 1, dropped=10)
            assert server.bodies[-1] == "final"

    run(main)


@pytest.mark.parametrize(
    "retry_policy",
    [RetryPolicy(max_messages=10, pauses_s=()), RetryPolicy(max_bytes=100, pauses_s=())],
    ids=["count", "bytes"],
)
def test_a_full_queue_gives_up_its_interims_before_anything_else(retry_policy: RetryPolicy) -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url(), retry_policy=retry_policy) as running:
            for n in range(10):
                running.callback.send(f"interim, {n}", essential=False)
            for n in range(10):
                running.callback.send(f"final, {n:03}", essential=True)
            assert await running.end() == DeliveryCounts(delivered=10, dropped=10)
            assert server.bodies == [f"final, {n:03}" for n in range(10)]

    run(main)


@pytest.mark.parametrize(
    "retry_policy",
    [RetryPolicy(max_messages=10, pauses_s=()), RetryPolicy(max_bytes=98, pauses_s=())],
    ids=["count", "bytes"],
)
def test_a_queue_full_of_finals_fails_the_callback(retry_policy: RetryPolicy) -> None:
    async def main() -> None:
        async with web_server(silence) as server, calling(server.url(), retry_policy=retry_policy) as running:
            await asyncio.sleep(0)
            for n in range(11):
                running.callback.send(f"final, {n:02}", essential=True)
            assert running.callback.failed is not None
            assert "too slowly" in running.callback.failed
            assert running.task is not None
            async with asyncio.timeout(1):
                await running.task
            assert running.callback.counts.pending == 11

    run(main)


def test_what_is_in_hand_is_dropped_when_the_queue_overflows() -> None:
    """The receiver has seconds left to answer, but the callback that has failed waits for nothing."""

    async def main() -> None:
        retry_policy = RetryPolicy(max_messages=2, pauses_s=())
        async with web_server(silence) as server, calling(server.url(), retry_policy=retry_policy) as running:
            running.callback.send("0", essential=True)
            await until(lambda: server.requests)
            for n in range(3):
                running.callback.send(f"{n}", essential=True)
            assert running.task is not None
            async with asyncio.timeout(1):
                await running.task
            assert running.callback.counts.pending == 4

    run(main)


def test_the_end_is_not_waited_for_without_end() -> None:
    async def main() -> None:
        async with web_server(silence) as server, calling(server.url()) as running:
            running.callback.send("1", essential=True)
            running.callback.send("2", essential=True)
            async with asyncio.timeout(1):
                deliveries = await running.end(within_s=0.05)
            assert running.callback.failed is not None
            assert "did not accept everything in time" in running.callback.failed
            assert deliveries.pending == 2

    run(main)


def test_messages_after_the_end_are_counted_and_not_delivered() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url()) as running:
            running.callback.send("1", essential=True)
            running.callback.finish(within_s=1)
            running.callback.send("2", essential=True)
            running.callback.send("3", essential=False)
            assert await running.end() == DeliveryCounts(delivered=1, dropped=1, pending=1)
            assert server.bodies == ["1"]

    run(main)


def test_an_end_before_the_beginning_is_delivered_too() -> None:
    async def main() -> None:
        async with web_server() as server, calling(server.url(), began=False) as running:
            running.callback.send("1", essential=True)
            running.callback.finish(within_s=1)
            await running.callback.run()
            assert server.bodies == ["1"]

    run(main)


def test_a_failure_before_the_beginning_is_reported_and_ends_it() -> None:
    async def main() -> None:
        retry_policy = RetryPolicy(max_messages=0)
        async with web_server() as server, calling(server.url(), retry_policy=retry_policy, began=False) as running:
            running.callback.send("1", essential=True)
            assert running.callback.failed is not None
            await running.callback.run()
            assert (server.connections, running.callback.counts.pending) == (0, 1)

    run(main)


# ---- the guard ----


def test_a_callback_inside_fails_with_the_address_in_the_log_only(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with calling("http://user:hidden@localhost:8080/?key=hidden", reach=ReachPolicy()) as running:
            running.callback.send("1", essential=False)
            assert running.task is not None
            await running.task
            assert running.callback.failed == (
                "The callback to http://localhost:8080/ failed: "
                "The host may not be reached from this server: it is not on the public Internet."
            )

    run(main)
    assert "localhost is 127.0.0.1" in caplog.text
    assert "hidden" not in caplog.text


# ---- sockets ----


def test_a_socket_gets_every_message_in_order_and_then_the_end() -> None:
    heard: list[str | bytes] = []

    async def gather(connection: ServerConnection) -> None:
        heard.extend([message async for message in connection])

    async def main() -> None:
        async with socket_server(gather) as port, calling(f"ws://127.0.0.1:{port}/") as running:
            for n in range(50):
                running.callback.send(f"{n}", essential=n % 2 == 0)
            assert await running.end() == DeliveryCounts(delivered=50)
            assert running.callback.failed is None

    run(main)
    assert heard == [f"{n}" for n in range(50)]


def test_a_socket_that_breaks_fails_the_callback_though_nothing_is_being_sent() -> None:
    async def leave(connection: ServerConnection) -> None:
        await connection.recv()
        connection.transport.abort()

    async def main() -> None:
        async with socket_server(leave) as port, calling(f"ws://127.0.0.1:{port}/") as running:
            running.callback.send("1", essential=True)
            assert running.task is not None
            async with asyncio.timeout(WITHIN_S):
                await running.task
            assert running.callback.failed is not None
            assert "its socket closed (1006)" in running.callback.failed
            running.callback.send("2", essential=True)
            assert running.callback.counts.pending == 1

    run(main)


def test_a_socket_that_cannot_be_opened_is_tried_again_and_then_fails() -> None:
    async def main() -> None:
        async with web_server(Answer(503)) as server:
            async with calling(server.url(scheme="ws")) as running:
                running.callback.send("1", essential=True)
                assert running.task is not None
                await running.task
                assert running.callback.failed is not None
                assert "it answered 503" in running.callback.failed
                assert running.callback.counts == DeliveryCounts(pending=1, retries=3)
            assert len(server.requests) == 4

    run(main)


def test_the_socket_is_opened_before_there_is_a_message() -> None:
    came = asyncio.Event()

    async def greet(connection: ServerConnection) -> None:
        came.set()
        await connection.wait_closed()

    async def main() -> None:
        async with socket_server(greet) as port, calling(f"ws://127.0.0.1:{port}/") as running:
            async with asyncio.timeout(WITHIN_S):
                await came.wait()
            assert await running.end() == DeliveryCounts()

    run(main)


def test_a_cancelled_stream_releases_its_socket() -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def wait(connection: ServerConnection) -> None:
        came.set()
        await connection.wait_closed()
        gone.set()

    async def main() -> None:
        async with socket_server(wait) as port, calling(f"ws://127.0.0.1:{port}/") as running:
            running.callback.send("1", essential=True)
            async with asyncio.timeout(WITHIN_S):
                await came.wait()
            assert running.task is not None
            running.task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running.task
            async with asyncio.timeout(WITHIN_S):
                await gone.wait()

    run(main)


# ---- recordings ----


async def result(url: str, sleeps: Sleeps, *, reach: ReachPolicy = ANYWHERE, method: str = "POST") -> None:
    with outbound(reach=reach) as out:
        await deliver_result("{}", parse_target(url, WEB), outbound=out, method=method, key_id="key-1", sleep=sleeps)


def test_a_result_is_delivered_once() -> None:
    async def main() -> None:
        sleeps = Sleeps()
        async with web_server() as server:
            await result(server.url(), sleeps, method="PUT")
            (request,) = server.requests
            assert (request.line, request.body, request.headers["dg-token"]) == ("PUT / HTTP/1.1", b"{}", "key-1")
            assert sleeps.asked == []

    run(main)


@pytest.mark.parametrize("status", [500, 404, 302])
def test_a_result_is_tried_again_whatever_was_answered(status: int) -> None:
    async def main() -> None:
        sleeps = Sleeps()
        async with web_server(Answer(status), Answer(status), Answer()) as server:
            await result(server.url(), sleeps)
            assert (len(server.requests), sleeps.asked) == (3, [30.0, 30.0])

    run(main)


def test_a_result_that_is_never_accepted_is_given_up_after_ten_further_tries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def main() -> None:
        sleeps = Sleeps()
        async with web_server(Answer(500)) as server:
            with pytest.raises(RemoteFailed, match="500"):
                await result(server.url("/?key=hidden", userinfo="user:hidden@"), sleeps)
            assert (len(server.requests), sleeps.asked) == (11, [30.0] * 10)

    run(main)
    assert "10 tries are left" in caplog.text
    assert "hidden" not in caplog.text


def test_a_result_is_not_delivered_to_private_addresses() -> None:
    async def main() -> None:
        sleeps = Sleeps()
        with pytest.raises(BadUrl):
            await result("http://127.0.0.1:8080/", sleeps, reach=ReachPolicy())
        assert sleeps.asked == []

    run(main)
