"""Work that must not run on the event loop in, its results back on the loop out: one thread for all streams.

Decoding and voice activity take tens of microseconds a message: too long for the loop when many streams talk, too
short to be worth a process. One thread, fed by a queue, costs one wake-up for as much as has come meanwhile. Small
pieces of all streams are gathered for a moment and heard one after the other: a network that has just run for one
stream runs more than twice as fast for the next (its weights are still in the cache).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable

Work = Callable[[], Callable[[], None]]
"""Runs on the thread and returns what is to be called on the loop; must not raise."""


_log = logging.getLogger("caesura.pipeline")

GATHER_S = 0.1
"""How long small pieces may wait for others: less than the engine needs, more than one message of 20 to 50 ms."""


class Ears:
    """The listening thread. `start` it inside a running loop; everything else is called on that loop's thread.

    The queue is bounded by its users: each stream has at most one piece of work out. `gather_s` 0 gathers nothing.
    """

    def __init__(self, gather_s: float = GATHER_S) -> None:
        self._gather_s = gather_s
        self._soon: list[Callable[[], None]] = []
        self._gathering: list[Work] | None = None
        self._out: deque[float] = deque()
        """When each batch was handed over whose results are not back yet, on the loop's clock."""
        self._queue: queue.SimpleQueue[list[Work] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to work for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="caesura-ears", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued and end the thread; results no longer reach the loop."""
        self._loop = None
        self._queue.put(None)
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest work has been on its way; 0 when there is none."""
        return 0.0 if not self._out or self._loop is None else self._loop.time() - self._out[0]

    def do(self, work: Work) -> None:
        """Have `work` done."""
        if self._gathering is not None:
            self._gathering.append(work)
        else:
            self._put([work])

    def _put(self, batch: list[Work]) -> None:
        if self._loop is not None:
            self._out.append(self._loop.time())
        self._queue.put(batch)

    def soon(self, call: Callable[[], None]) -> None:
        """Call `call` together with those of the other streams, in a moment; what they `do` is done in one go."""
        if self._loop is None or not self._gather_s:
            call()
            return
        self._soon.append(call)
        if len(self._soon) == 1:
            self._loop.call_later(self._gather_s, self._call_gathered)

    def _call_gathered(self) -> None:
        calls, self._soon = self._soon, []
        batch: list[Work] = []
        self._gathering = batch
        for call in calls:
            try:
                call()
            except Exception:  # noqa: BLE001  # one stream's fault must not keep the others waiting
                _log.exception("a stream could not be heard")
        self._gathering = None
        if batch:
            self._put(batch)

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            done = [work() for work in batch]
            loop = self._loop
            # A loop that is closing takes no more results; there is nobody left to hear them.
            if loop is not None:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._deliver, done)

    def _deliver(self, done: list[Callable[[], None]]) -> None:
        loop = asyncio.get_running_loop()
        if self._out:
            self._out.popleft()
        for after in done:
            # Each in a call of its own: a fault in one stream must not swallow what the others are to be told.
            loop.call_soon(after)
