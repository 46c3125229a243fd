"""How many live streams an engine of this server can hold: measured at start, and from what really runs since.

Pure: it reads no clock. The number is the least of what the workers and what the front can do,

    workers * 0.75 / busy seconds of a worker for each second of a live stream
    0.8 of a core  / CPU seconds of the front for each second of a live stream

Both costs are means over the last minute, pulled to what was measured at start. A stream that is held by KeepAlive, or
has sent nothing yet, counts a tenth: it costs nothing, but may speak at any moment.
"""

from __future__ import annotations

import math
from typing import Final

WORKER_SHARE: Final = 0.75
"""Share of their time that workers are to be busy: in the rest, jobs that come together wait for each other."""
FRONT_SHARE: Final = 0.8
"""Share of one core that the front is to use: it runs on one."""
TALKING_SHARE: Final = 0.6
"""Share of its time in which a live stream is assumed to have speech, until it is measured."""
FRONT_COST: Final = 0.006
"""CPU seconds of the front for a second of a live stream, until they are measured: docs/figures.md."""
QUIET_WEIGHT: Final = 0.1
"""What a stream counts that is held by KeepAlive, or has sent nothing yet."""
MEMORY_S: Final = 60.0
"""Time constant of the means."""
PRIOR_STREAM_S: Final = 20 * 60.0
"""The values of the start weigh as much as so many seconds of one live stream."""
HYSTERESIS: Final = 0.05
"""Once streams are refused, so much of the capacity must be free before one is admitted again."""


class _Mean:
    """Seconds of work for each second of a stream, or of a worker, over the last minute, with a prior."""

    def __init__(self, prior: float, weight_s: float) -> None:
        self._prior = prior
        self._weight_s = weight_s
        self._work_s = 0.0
        self._seconds = 0.0

    def add(self, work_s: float, seconds: float, elapsed_s: float) -> None:
        kept = math.exp(-elapsed_s / MEMORY_S)
        self._work_s = self._work_s * kept + work_s
        self._seconds = self._seconds * kept + seconds

    @property
    def value(self) -> float:
        return (self._work_s + self._prior * self._weight_s) / (self._seconds + self._weight_s)


class Capacity:
    """The capacity of one engine. Give it the `pace` of its workers, then a `sample` a few times a second."""

    def __init__(self, *, fixed: int = 0) -> None:
        """Without a bound until `measured` is called.

        Args:
            fixed: The number of streams as the operator set it; 0: it is measured.
        """
        self._fixed = fixed
        self.pace_s: float | None = None
        """As given to `measured`."""
        self._worker_cost: _Mean | None = None
        self._front_cost = _Mean(FRONT_COST, PRIOR_STREAM_S)
        self._busy = _Mean(0.0, 1.0)
        self._workers = 0
        self._before: tuple[float, float, float] | None = None
        """Time, busy seconds and front's CPU seconds of the last sample."""
        self._full = False

    def measured(self, pace_s: float, *, workers: int) -> None:
        """The engine was measured at start.

        Args:
            pace_s: Busy seconds of a worker for a second of speech, with interims, while all workers were busy.
            workers: How many workers are ready.
        """
        self.pace_s = pace_s
        self._worker_cost = _Mean(pace_s * TALKING_SHARE, PRIOR_STREAM_S)
        self._workers = workers

    def sample(self, *, workers: int, busy_s: float, front_cpu_s: float, talking: int, learn: bool, now: float) -> None:
        """Take a sample of what runs.

        Args:
            workers: How many workers are ready.
            busy_s: Seconds that they have been busy with live jobs, all together, since the start.
            front_cpu_s: Seconds of CPU that the front has used for live streams since the start.
            talking: How many live streams send audio.
            learn: Whether streams get what they ask for; while interims are stretched they cost less than they should.
            now: Monotonic seconds.
        """
        self._workers = workers
        before, self._before = self._before, (now, busy_s, front_cpu_s)
        if before is None:
            return
        at, busy_before, front_before = before
        elapsed_s = now - at
        self._busy.add(busy_s - busy_before, workers * elapsed_s, elapsed_s)
        if not learn:
            return
        if self._worker_cost is not None:
            self._worker_cost.add(busy_s - busy_before, talking * elapsed_s, elapsed_s)
        self._front_cost.add(front_cpu_s - front_before, talking * elapsed_s, elapsed_s)

    @property
    def busy_ratio(self) -> float:
        """Share of their time in which workers had jobs of live streams, in the mean."""
        return self._busy.value

    @property
    def streams(self) -> float:
        """How many live streams it can hold; infinity until it was measured."""
        if self._fixed:
            return self._fixed
        if self._worker_cost is None:
            return math.inf
        workers = self._workers * WORKER_SHARE / self._worker_cost.value if self._worker_cost.value > 0.0 else math.inf
        return max(1.0, min(workers, FRONT_SHARE / self._front_cost.value))

    def has_room(self, talking: float, quiet: int) -> bool:
        """Whether one more stream fits beside these.

        Args:
            talking: Live streams that send audio, and the share of those that have just come that will.
            quiet: Live streams that are held by KeepAlive, or have sent nothing yet.
        """
        streams = self.streams
        bound = streams * (1.0 - HYSTERESIS) if self._full and not self._fixed else streams
        self._full = talking + QUIET_WEIGHT * quiet + 1.0 > max(bound, 1.0)
        return not self._full
