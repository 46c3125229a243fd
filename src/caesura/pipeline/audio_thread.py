"""The audio thread: decoding and voice activity detection of all streams, in short turns.

Decoding and voice activity take tens of microseconds a message: too long for the loop when many streams talk, too
short to be worth a process. One thread, fed by a queue, costs one wake-up for all messages that have come meanwhile.
Small pieces of all streams are gathered for a moment: they are decoded one after the other, and then the network that
detects voice runs once for all of them, which costs a quarter of running it for each.

Streams whose audio comes faster than real time wait behind those on time, and share half of the thread's time at
most: a client that pushes a file, or a few bytes that decode to hours of silence, delays only others that do so.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from caesura.audio.format import Samples
from caesura.pipeline.turn_queue import TurnQueue
from caesura.speech.vad import SileroVad, feed_together

Work = Callable[[], Callable[[], None]]
"""Runs on the thread and returns a function to call on the loop; must not raise."""


@dataclass(slots=True, eq=False)
class VoiceDetection:
    """Samples of one channel whose voice activity is wanted; one of the results is there when the loop is called."""

    vad: SileroVad
    samples: Samples
    """Shape (n,)."""
    probabilities: NDArray[np.float32] | None = None
    """Of the frames that the samples complete, shape (m,)."""
    error: Exception | None = None


_log = logging.getLogger("caesura.pipeline")

GATHER_S = 0.1
"""How long small pieces may wait for others: less than the engine needs, more than one message of 20 to 50 ms."""
GATHER_PER_STREAM_S = 0.01
"""They wait so long for each stream that was gathered last: few are cheap anyway, and get their words sooner."""


class AudioThread:
    """The audio thread. `start` it inside a running loop; everything else is called on that loop's thread.

    The queues are bounded by their users: each stream has at most one piece of work out.
    """

    def __init__(self, gather_s: float = GATHER_S, *, clock: Callable[[], float]) -> None:
        """Starts nothing.

        Args:
            gather_s: how long small pieces wait at most for those of other streams; 0: not at all.
            clock: monotonic seconds, for the length of turns; called on the thread.
        """
        self.clock: Final = clock
        """Monotonic seconds."""
        self._gather_s = gather_s
        self._waiting: list[Callable[[], None]] = []
        self._streams = 1
        """Streams that were gathered last."""
        self._gathering: list[Work] | None = None
        self._out: deque[float] = deque()
        """When each batch of streams on time was handed over whose results are not back yet, on the loop's clock."""
        self._queue = _Queue(clock)
        self._detections: list[VoiceDetection] = []
        """Of the batch that runs; the thread's own."""
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self) -> None:
        """Begin to work for the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="caesura-audio", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish what is queued and end the thread; results no longer reach the loop."""
        self._loop = None
        self._queue.close()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    @property
    def oldest_wait_s(self) -> float:
        """How long the oldest work of streams on time has waited for its result; 0 when there is none."""
        return 0.0 if not self._out or self._loop is None else self._loop.time() - self._out[0]

    @property
    def cpu_s(self) -> float:
        """Seconds of CPU that the thread has used since it was started; 0 where the system does not tell."""
        ident = None if self._thread is None else self._thread.ident
        if ident is None or sys.platform == "win32" or not hasattr(time, "pthread_getcpuclockid"):
            return 0.0
        return time.clock_gettime(time.pthread_getcpuclockid(ident))

    def submit(self, work: Work, *, ahead: bool = False) -> None:
        """Run `work` on the thread; `ahead`: its stream is ahead of real time, and can wait for others."""
        if ahead:
            self._queue.put(_Batch([work], on_time=False))
        elif self._gathering is not None:
            self._gathering.append(work)
        else:
            self._put([work])

    def _put(self, works: list[Work]) -> None:
        if self._loop is not None:
            self._out.append(self._loop.time())
        self._queue.put(_Batch(works, on_time=True))

    def gather(self, call: Callable[[], None]) -> None:
        """Call `call` soon, together with those of other streams; the work that they `submit` is run as one batch.

        From inside such a call: behind those that are being called.
        """
        if self._loop is None or not self._gather_s:
            call()
            return
        self._waiting.append(call)
        if len(self._waiting) == 1 and self._gathering is None:
            self._loop.call_later(min(self._gather_s, GATHER_PER_STREAM_S * self._streams), self._call_gathered)

    def _call_gathered(self) -> None:
        self._streams = len(self._waiting)
        batch: list[Work] = []
        self._gathering = batch
        # The list grows while it is gone through.
        for call in self._waiting:
            try:
                call()
            except Exception:  # noqa: BLE001  # one stream's fault must not keep the others waiting
                _log.exception("audio of a stream could not be passed on")
        self._waiting.clear()
        self._gathering = None
        if batch:
            self._put(batch)

    def detect_voice(self, vad: SileroVad, samples: Samples) -> VoiceDetection:
        """Detect voice in `samples` once all work of the batch has run, for all its channels at once.

        To be called by work, on the thread, once for each channel.
        """
        detection = VoiceDetection(vad, samples)
        self._detections.append(detection)
        return detection

    def _detect(self) -> None:
        detections, self._detections = self._detections, []
        models: dict[int, list[VoiceDetection]] = {id(detection.vad.model): [] for detection in detections}
        for detection in detections:
            models[id(detection.vad.model)].append(detection)
        for together in models.values():
            _detect_together(together)

    def _work(self) -> None:
        while (batch := self._queue.get()) is not None:
            done = [work() for work in batch.works]
            self._detect()
            loop = self._loop
            # A loop that is closing takes no more callbacks, and its results are not needed.
            if loop is not None:
                with contextlib.suppress(RuntimeError):
                    loop.call_soon_threadsafe(self._deliver, done, batch.on_time)

    def _deliver(self, done: list[Callable[[], None]], on_time: bool) -> None:
        if on_time and self._out:
            self._out.popleft()
        for after in done:
            # Streams catch their own faults; one that gets through must not swallow the results of the others.
            try:
                after()
            except Exception:  # noqa: BLE001
                _log.exception("the result of work on the audio thread could not be taken")


def _detect_together(detections: list[VoiceDetection]) -> None:
    try:
        found = feed_together([(detection.vad, detection.samples) for detection in detections])
    except Exception as error:  # noqa: BLE001  # the stream with the fault ends, aloud, and the thread goes on
        if len(detections) == 1:
            detections[0].error = error
            return
        # One stream's fault must not take the others of the batch with it.
        for detection in detections:
            _detect_together([detection])
    else:
        for detection, probabilities in zip(detections, found, strict=True):
            detection.probabilities = probabilities


@dataclass(frozen=True, slots=True)
class _Batch:
    works: list[Work]
    on_time: bool
    """Of streams that are not ahead of real time."""


class _Queue:
    """Batches for one thread that takes them in turns."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._turns = TurnQueue[_Batch]()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, batch: _Batch) -> None:
        with self._changed:
            self._turns.add(batch, ahead=not batch.on_time)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()

    def get(self) -> _Batch | None:
        """The next batch, waiting for it; the one before is done. None when the queue is closed and empty."""
        with self._changed:
            while not self._closed:
                now = self._clock()
                batch = self._turns.next(now)
                if batch is not None:
                    return batch
                at = self._turns.next_at
                self._changed.wait(None if at is None else at - now)
            return self._turns.drain()
