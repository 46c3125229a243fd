"""Delivery of messages to the callback URL of a client: in order, with bounded queues and retries."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from caesura.errors import BadUrl, RemoteFailed
from caesura.server.outbound.http import Outbound
from caesura.server.outbound.receivers import receiver
from caesura.server.outbound.target import Target

_log = logging.getLogger("caesura.callback")

SHED_INTERIMS = 64
"""Number of waiting messages above which interims are dropped, since the next one supersedes them."""
MAX_RETRY_AFTER_S = 5.0
"""Longest pause between two tries for a stream, whatever the value of `Retry-After`."""
RECORDING_TRIES = 11
RECORDING_PAUSE_S = 30.0
"""The result of a recording is tried up to 11 times, with this pause in between, as the hosted service does."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of the queue for the receiver of a live stream, and its retries."""

    max_messages: int = 2000
    max_bytes: int = 8 * 1024 * 1024
    pauses_s: tuple[float, ...] = (0.25, 1.0, 3.0)
    """Pauses before each further try of one message."""


@dataclass(slots=True)
class DeliveryCounts:
    """Counts of the messages of one stream."""

    delivered: int = 0
    dropped: int = 0
    """Interims that were dropped because the receiver was slow or failed."""
    pending: int = 0
    """Essential messages that are not delivered yet; after `run` has returned, those that were lost."""
    retries: int = 0


class Callback:
    """Delivers the messages of one live stream. `run` it in a task, `send`, then `finish` and await the task."""

    def __init__(
        self,
        target: Target,
        *,
        outbound: Outbound,
        method: str = "POST",
        key_id: str = "",
        request_id: str = "",
        retry_policy: RetryPolicy | None = None,
        on_failure: Callable[[str], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """Starts nothing.

        Args:
            target: A URL of http, https, ws or wss.
            outbound: The guarded way to the network.
            method: POST or PUT, for http and https.
            key_id: Value of the header `dg-token`; "" to send none.
            request_id: Id of the stream, for the log.
            retry_policy: Bounds of the queue, and retries.
            on_failure: Called once, in the event loop, with the reason why nothing more will be delivered.
            sleep: Waits between two tries.
        """
        self._target = target
        self._receiver = receiver(target, outbound=outbound, method=method, key_id=key_id)
        self._request_id = request_id
        self._retry_policy = retry_policy or RetryPolicy()
        self._on_failure = on_failure
        self._sleep = sleep
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._finished = False
        self._end_at: float | None = None
        self._limit: asyncio.Timeout | None = None
        self.failed: str | None = None
        """The reason why nothing more is delivered, as a sentence without the URL's secrets; None while it works."""
        self.counts = DeliveryCounts()

    def send(self, text: str, *, essential: bool) -> None:
        """Queue one message; never waits.

        When the receiver is slow, messages that are not essential (interims) are left out. Essential ones never
        are: when too many wait, the callback fails. After a failure, or after `finish`, nothing more is delivered.
        """
        data = text.encode()
        self.counts.pending += essential
        over = self._finished or self.failed is not None
        if over or (not essential and len(self._waiting) >= SHED_INTERIMS):
            self.counts.dropped += not essential
            return
        self._waiting.append((data, essential))
        self._waiting_bytes += len(data)
        if self._overfull:
            self._shed()
        if self._overfull:
            self._fail("too many messages are queued: it accepts them too slowly")
        self._changed.set()

    def finish(self, *, within_s: float) -> None:
        """End the queue: `run` returns when all messages are delivered, and fails after `within_s` seconds."""
        self._finished = True
        self._end_by(asyncio.get_running_loop().time() + within_s)
        self._changed.set()

    async def run(self) -> None:
        """Deliver until `finish` or a failure, which `on_failure` and `failed` report: nothing is raised."""
        try:
            async with asyncio.timeout_at(self._end_at) as limit:
                self._limit = limit
                try:
                    await self._deliver_all()
                finally:
                    self._limit = None
        except* TimeoutError:
            self._fail("it did not accept everything in time")
        except* (BadUrl, RemoteFailed) as failures:
            self._fail(_reason(failures), _reason(failures, detailed=True))
        finally:
            await self._receiver.close()
            self._log_undelivered()

    async def _deliver_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self._with_retries(self._receiver.open, self._retry_policy.pauses_s)
            watch = tasks.create_task(self._receiver.watch())
            await self._deliver()
            await self._receiver.finish()
            watch.cancel()

    async def _deliver(self) -> None:
        while self._waiting or not self._finished:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            data, essential = self._waiting.popleft()
            self._waiting_bytes -= len(data)
            await self._deliver_one(data, essential)

    async def _deliver_one(self, data: bytes, essential: bool) -> None:
        """Deliver one message, with retries when it is essential."""
        try:
            await self._with_retries(
                lambda: self._receiver.send(data), self._retry_policy.pauses_s if essential else ()
            )
        except RemoteFailed as failure:
            self.counts.dropped += not essential
            if essential or not failure.retryable:
                raise
        else:
            self.counts.delivered += 1
            self.counts.pending -= essential

    async def _with_retries(self, attempt: Callable[[], Awaitable[None]], pauses_s: tuple[float, ...]) -> None:
        for pause_s in pauses_s:
            try:
                return await attempt()
            except RemoteFailed as failure:
                if not failure.retryable:
                    raise
                self.counts.retries += 1
                requested_s = min(failure.retry_after_s, MAX_RETRY_AFTER_S)
                _log.info("%s: %s is tried again: %s", self._request_id, self._target, failure)
            await self._sleep(max(pause_s, requested_s))
        return await attempt()

    @property
    def _overfull(self) -> bool:
        policy = self._retry_policy
        return len(self._waiting) > policy.max_messages or self._waiting_bytes > policy.max_bytes

    def _shed(self) -> None:
        kept = deque(message for message in self._waiting if message[1])
        self.counts.dropped += len(self._waiting) - len(kept)
        self._waiting = kept
        self._waiting_bytes = sum(len(data) for data, _ in kept)

    def _fail(self, why: str, detail: str = "") -> None:
        if self.failed is not None:
            return
        self.failed = f"The callback to {self._target} failed: {why}."
        _log.warning("%s: the callback to %s failed: %s", self._request_id, self._target, detail or why)
        self.counts.dropped += sum(not essential for _, essential in self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._end_by(asyncio.get_running_loop().time())
        self._on_failure(self.failed)

    def _end_by(self, at: float) -> None:
        self._end_at = at
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(at)

    def _log_undelivered(self) -> None:
        counts = self.counts
        if counts.pending or counts.dropped:
            _log.warning(
                "%s: of the messages to %s, %d were not delivered and %d interims were dropped",
                self._request_id,
                self._target,
                counts.pending,
                counts.dropped,
            )


async def deliver_result(
    text: str,
    target: Target,
    *,
    outbound: Outbound,
    method: str = "POST",
    key_id: str = "",
    tries: int = RECORDING_TRIES,
    pause_s: float = RECORDING_PAUSE_S,
    sleep: Sleep = asyncio.sleep,
) -> None:
    """Deliver the result of a recording; any answer but 2xx is tried again.

    Raises:
        BadUrl: The URL, or one that it redirects to, may not be reached.
        RemoteFailed: The last try failed too.
    """
    to = receiver(target, outbound=outbound, method=method, key_id=key_id)
    try:
        for left in range(tries - 1, -1, -1):
            try:
                return await to.send(text.encode())
            except RemoteFailed as failure:
                _log.info("the result for %s was not accepted: %s; %d tries are left", target, failure, left)
                if left == 0:
                    raise
            await sleep(pause_s)
    finally:
        await to.close()


def _reason(failures: BaseExceptionGroup[BadUrl | RemoteFailed], *, detailed: bool = False) -> str:
    """The reason of the first failure, which caused the others."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    reason = first.detail if detailed and isinstance(first, BadUrl) else str(first)
    return reason.rstrip(".")
