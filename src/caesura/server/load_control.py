"""Load control of a server: samples the queue of each engine, admits new streams in turn, and makes interims rarer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, Protocol

from caesura.server.capacity import Capacity
from caesura.server.overload import OverloadGuard
from caesura.server.slow_start import SlowStart

_log = logging.getLogger("caesura.server")

SAMPLE_S: Final = 0.1
UNPROVEN_PER_WORKER: Final = 4
"""Streams that may be unproven at once, for each worker. The built-in engine serves some 15 with interims."""
TURN_S: Final = 3.5
"""How long an upgrade may wait for its turn: by then the streams before it are proven, or closed."""


class QueueAge(Protocol):
    """A queue of work that live streams wait for."""

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest item has waited; 0 if none waits."""


class Queue(QueueAge, Protocol):
    """The queue of an engine pool: jobs that no worker has taken yet."""

    interim_stretch: float
    live_busy_s: float
    """Seconds that workers have spent on jobs of live streams."""

    @property
    def workers(self) -> int:
        """Number of jobs that can run at once."""

    @property
    def ready_workers(self) -> Sequence[str]:
        """Names of the workers that take jobs."""


class EngineLoad:
    """Admission of streams to one engine; all on the loop's thread."""

    def __init__(self, name: str, queue: Queue, audio: QueueAge, capacity: Capacity | None = None) -> None:
        """Starts nothing.

        Args:
            name: Name of the engine, for the log.
            queue: The pool of the engine.
            audio: The queue of decoding and voice activity detection. If the processor is too slow for these, jobs come
                late, which the queue of the pool does not show.
            capacity: How many streams the engine can hold; by default without a bound.
        """
        self._name = name
        self._queue = queue
        self._audio = audio
        self._guard = OverloadGuard()
        self._slow_start = SlowStart(UNPROVEN_PER_WORKER * queue.workers)
        self._turns: deque[tuple[Hashable, asyncio.Future[bool]]] = deque()
        self.capacity = Capacity() if capacity is None else capacity
        self._streams: set[Hashable] = set()
        """Admitted streams that have not left."""
        self._talking: set[Hashable] = set()
        """Those of them that send audio."""

    @property
    def refusing(self) -> bool:
        """Whether new streams are refused because live jobs wait too long."""
        return self._guard.refusing

    @property
    def full(self) -> bool:
        """Whether there is no room for one more stream, beside those that wait, however short the queue is."""
        return not self._fits(len(self._turns))

    def _fits(self, waiting: int) -> bool:
        # Of those that have just come, as many count as usually speak at once.
        silent = self._slow_start.silent(now=asyncio.get_running_loop().time())
        soon_talking = (silent + waiting) * self._slow_start.speaking_share
        quiet = len(self._streams) - len(self._talking) - silent
        return self.capacity.has_room(len(self._talking) + soon_talking, quiet)

    @property
    def interim_stretch(self) -> float:
        """Factor by which the interval between interims is longer than configured."""
        return self._guard.interim_stretch

    @property
    def waiting(self) -> int:
        """Upgrades that wait for their turn."""
        return len(self._turns)

    def enter(self, stream: Hashable) -> bool:
        """Admit a stream at once if there is room and no other waits.

        Then call `audio` and `text` for what it sends, `talks` and `pauses` when it begins to send audio and is held by
        KeepAlive, and `left` at its end.
        """
        now = asyncio.get_running_loop().time()
        if self._turns or not self._has_room(now):
            return False
        self._admit(stream, now)
        return True

    async def turn(self, stream: Hashable) -> bool:
        """Wait for its turn, in order of arrival.

        Returns False if it did not come in time or the engine is full; otherwise report as after `enter`.
        """
        if self.full:
            return False
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        place = (stream, turn)
        self._turns.append(place)
        try:
            await asyncio.wait([turn], timeout=TURN_S)
            return turn.done() and turn.result()
        except asyncio.CancelledError:
            if turn.done() and turn.result():
                self.left(stream)
            raise
        finally:
            turn.cancel()
            with contextlib.suppress(ValueError):
                self._turns.remove(place)

    def audio(self, stream: Hashable) -> bool:
        """A stream sent audio. Returns whether it is proven; then no more calls are needed."""
        proven = self._slow_start.audio(stream, now=asyncio.get_running_loop().time())
        if proven:
            self._admit_waiting()
        return proven

    def text(self, stream: Hashable) -> None:
        """A stream sent a text message."""
        self._slow_start.text(stream)
        self._admit_waiting()

    def talks(self, stream: Hashable) -> None:
        """A stream that was quiet sends audio."""
        self._talking.add(stream)

    def pauses(self, stream: Hashable) -> None:
        """A stream that sent audio is held by KeepAlive."""
        self._talking.discard(stream)

    def left(self, stream: Hashable) -> None:
        """An admitted stream has ended."""
        self._slow_start.ended(stream)
        self._streams.discard(stream)
        self._talking.discard(stream)
        self._admit_waiting()

    def sample(self, now: float, *, loop_lag_s: float = 0.0, front_cpu_s: float = 0.0) -> None:
        """Sample queue and work, and act on them.

        Args:
            now: Monotonic seconds.
            loop_lag_s: The delay of the event loop itself.
            front_cpu_s: Seconds of CPU that this process has used for live streams.
        """
        self.capacity.sample(
            workers=len(self._queue.ready_workers),
            busy_s=self._queue.live_busy_s,
            front_cpu_s=front_cpu_s,
            talking=len(self._talking),
            learn=self._guard.interim_stretch == 1.0,
            now=now,
        )
        before = self._guard.refusing
        self._guard.sample(max(self._queue.oldest_wait_s, self._audio.oldest_wait_s, loop_lag_s), now=now)
        self._queue.interim_stretch = self._guard.interim_stretch
        if self._guard.refusing is not before:
            self._log_change()
        if self._guard.refusing:
            self.refuse_waiting()
        self._admit_waiting()

    def refuse_waiting(self) -> None:
        """Refuse all streams that wait for their turn."""
        while self._turns:
            self._turns.popleft()[1].set_result(False)

    def _log_change(self) -> None:
        if self._guard.refusing:
            _log.warning("engine %s is overloaded: live streams wait for it, new ones get 429", self._name)
        else:
            _log.warning("engine %s keeps up again: new streams are admitted", self._name)

    def _has_room(self, now: float) -> bool:
        return self._slow_start.has_room(now=now, calm=self._guard.calm) and self._fits(0)

    def _admit(self, stream: Hashable, now: float) -> None:
        self._streams.add(stream)
        self._slow_start.opened(stream, now=now)

    def _admit_waiting(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._turns and self._has_room(now):
            stream, turn = self._turns.popleft()
            self._admit(stream, now)
            turn.set_result(True)
        while self._turns and not self._fits(len(self._turns) - 1):
            self._turns.pop()[1].set_result(False)


class LoadSampler:
    """The one timer that samples all engines.

    Call `wake` when a stream opens or waits; it stops when there are none.
    """

    def __init__(self, engines: Sequence[EngineLoad], *, front_cpu_s: Callable[[], float] = lambda: 0.0) -> None:
        """Starts nothing.

        Args:
            engines: What is sampled.
            front_cpu_s: Returns the seconds of CPU that this process has used for live streams; called on the loop's
                thread.
        """
        self._engines = engines
        self._front_cpu_s = front_cpu_s
        self._streams = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = math.inf

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Context in which the engines are sampled."""
        self._streams += 1
        if self._timer is None:
            self.sample()
        try:
            yield
        finally:
            self._streams -= 1

    @property
    def active(self) -> bool:
        """Whether the next sample is scheduled."""
        return self._timer is not None

    def sample(self) -> None:
        """Sample all engines, and schedule the next sample while a stream is open or the load has not settled."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        front_cpu_s = self._front_cpu_s()
        for engine in self._engines:
            engine.sample(now, loop_lag_s=max(now - self._due, 0.0), front_cpu_s=front_cpu_s)
        calm = all(engine.interim_stretch == 1.0 and not engine.refusing for engine in self._engines)
        self._due = now + SAMPLE_S if self._streams or not calm else math.inf
        self._timer = None if self._due == math.inf else loop.call_at(self._due, self.sample)
