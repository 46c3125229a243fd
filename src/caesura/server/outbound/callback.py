"""Messages in, deliveries to the URL that a client named out: in order, with patience, but not without end."""

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
"""Messages that wait beyond which interims are left out: the next one says more."""
LONGEST_RETRY_AFTER_S = 5.0
"""A stream waits no longer than this between two tries, whatever `Retry-After` says."""
RECORDING_TRIES = 11
RECORDING_PAUSE_S = 30.0
"""A recording's result is sent again up to 10 times, so far apart, as the hosted service does."""

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Patience:
    """How much may wait for the receiver of a live stream, and how often it is tried again."""

    most_messages: int = 2000
    most_bytes: int = 8 * 1024 * 1024
    pauses_s: tuple[float, ...] = (0.25, 1.0, 3.0)
    """Before each further try of one message."""


@dataclass(slots=True)
class Deliveries:
    """What became of the messages of one stream."""

    delivered: int = 0
    left_out: int = 0
    """Interims that came too fast for the receiver, or met it in a bad moment."""
    owed: int = 0
    """Essential messages not delivered: yet, and once `run` has returned, at all."""
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
        patience: Patience | None = None,
        on_failure: Callable[[str], None] = lambda _: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        """A callback that has not begun.

        Args:
            target: A URL of http, https, ws or wss.
            outbound: How to get there.
            method: POST or PUT, for http and https.
            key_id: Goes into the header `dg-token`; "" sends none.
            request_id: Names the stream in the log.
            patience: How much may wait, and how often a message is tried again.
            on_failure: Is told once, in the event loop, why nothing more will be delivered.
            sleep: Waits between two tries.
        """
        self._target = target
        self._receiver = receiver(target, outbound=outbound, method=method, key_id=key_id)
        self._request_id = request_id
        self._patience = patience or Patience()
        self._on_failure = on_failure
        self._sleep = sleep
        self._waiting: deque[tuple[bytes, bool]] = deque()
        self._waiting_bytes = 0
        self._changed = asyncio.Event()
        self._finished = False
        self._end_at: float | None = None
        self._limit: asyncio.Timeout | None = None
        self.failed: str | None = None
        """Why nothing more is delivered: a sentence without the URL's secrets."""
        self.deliveries = Deliveries()

    def send(self, text: str, *, essential: bool) -> None:
        """Put one message behind the others; never waits.

        When the receiver is slow, messages that are not essential (interims) are left out. Essential ones never
        are: when too many wait, the callback fails. After a failure, or after `finish`, nothing more is delivered.
        """
        data = text.encode()
        self.deliveries.owed += essential
        over = self._finished or self.failed is not None
        if over or (not essential and len(self._waiting) >= SHED_INTERIMS):
            self.deliveries.left_out += not essential
            return
        self._waiting.append((data, essential))
        self._waiting_bytes += len(data)
        if self._overfull:
            self._shed()
        if self._overfull:
            self._fail("too much waits for it: it takes what it is sent too slowly")
        self._changed.set()

    def finish(self, *, within_s: float) -> None:
        """There is no more to send: `run` returns when all is delivered, which fails after `within_s` seconds."""
        self._finished = True
        self._end_by(asyncio.get_running_loop().time() + within_s)
        self._changed.set()

    async def run(self) -> None:
        """Deliver until `finish`, or until that fails, of which `on_failure` and `failed` tell: nothing is raised."""
        try:
            async with asyncio.timeout_at(self._end_at) as limit:
                self._limit = limit
                try:
                    await self._deliver_all()
                finally:
                    self._limit = None
        except* TimeoutError:
            self._fail("it did not take everything in time")
        except* (BadUrl, RemoteFailed) as failures:
            self._fail(_why(failures), _why(failures, detailed=True))
        finally:
            await self._receiver.close()
            self._tell()

    async def _deliver_all(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self._patiently(self._receiver.open, self._patience.pauses_s)
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
            await self._take(data, essential)

    async def _take(self, data: bytes, essential: bool) -> None:
        """An essential message is tried again; another gives way to what comes after it."""
        try:
            await self._patiently(lambda: self._receiver.take(data), self._patience.pauses_s if essential else ())
        except RemoteFailed as failure:
            self.deliveries.left_out += not essential
            if essential or not failure.retryable:
                raise
        else:
            self.deliveries.delivered += 1
            self.deliveries.owed -= essential

    async def _patiently(self, attempt: Callable[[], Awaitable[None]], pauses_s: tuple[float, ...]) -> None:
        for pause_s in pauses_s:
            try:
                return await attempt()
            except RemoteFailed as failure:
                if not failure.retryable:
                    raise
                self.deliveries.retries += 1
                asked_s = min(failure.retry_after_s, LONGEST_RETRY_AFTER_S)
                _log.info("%s: %s is tried again: %s", self._request_id, self._target, failure)
            await self._sleep(max(pause_s, asked_s))
        return await attempt()

    @property
    def _overfull(self) -> bool:
        most = self._patience
        return len(self._waiting) > most.most_messages or self._waiting_bytes > most.most_bytes

    def _shed(self) -> None:
        kept = deque(message for message in self._waiting if message[1])
        self.deliveries.left_out += len(self._waiting) - len(kept)
        self._waiting = kept
        self._waiting_bytes = sum(len(data) for data, _ in kept)

    def _fail(self, why: str, detail: str = "") -> None:
        if self.failed is not None:
            return
        self.failed = f"The callback to {self._target} failed: {why}."
        _log.warning("%s: the callback to %s failed: %s", self._request_id, self._target, detail or why)
        self.deliveries.left_out += sum(not essential for _, essential in self._waiting)
        self._waiting.clear()
        self._waiting_bytes = 0
        self._end_by(asyncio.get_running_loop().time())
        self._on_failure(self.failed)

    def _end_by(self, at: float) -> None:
        self._end_at = at
        if self._limit is not None and not self._limit.expired():
            self._limit.reschedule(at)

    def _tell(self) -> None:
        counts = self.deliveries
        if counts.owed or counts.left_out:
            _log.warning(
                "%s: of the messages to %s, %d were not delivered and %d interims were left out",
                self._request_id,
                self._target,
                counts.owed,
                counts.left_out,
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
    """Return when the receiver took the result of a recording; whatever it answers but 2xx is tried again.

    Raises:
        BadUrl: The URL, or one that it redirects to, may not be reached.
        RemoteFailed: The last try failed too.
    """
    to = receiver(target, outbound=outbound, method=method, key_id=key_id)
    try:
        for left in range(tries - 1, -1, -1):
            try:
                return await to.take(text.encode())
            except RemoteFailed as failure:
                _log.info("the result for %s was not taken: %s; %d tries are left", target, failure, left)
                if left == 0:
                    raise
            await sleep(pause_s)
    finally:
        await to.close()


def _why(failures: BaseExceptionGroup[BadUrl | RemoteFailed], *, detailed: bool = False) -> str:
    """The first of them, which the others follow from."""
    first: BaseException = failures
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    said = first.detail if detailed and isinstance(first, BadUrl) else str(first)
    return said.rstrip(".")
