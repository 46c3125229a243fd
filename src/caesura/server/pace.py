"""Measures the pace of an engine at start: how long its workers take for a second of live speech.

All workers decode the bundled recording at the same time, since they share caches and memory: each as a live stream
has it, with an interim after each second, and a final at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable
from typing import Any, Final, Protocol

import numpy as np

from caesura.bundled_recording import PAUSE_AT_S, bundled_recording
from caesura.engines.base import SAMPLE_RATE, EngineInfo, Hypothesis, Samples
from caesura.engines.streaming import FeedJob, Job
from caesura.errors import EngineError
from caesura.pipeline.recognizer import NewRecognizer, RecognitionConfig, Recognizer
from caesura.speech.vad import SileroModel, SileroVad
from caesura.workers.base import JobLost, StreamPool

MEASURE_S: Final = 3.0
"""A slow engine is measured for so long: it has not heard the whole recording then."""
PIECE: Final = SAMPLE_RATE // 4
"""Samples that a stream is given at once; so an interim comes soon after it is due."""
WARM_UP: Final = 2 * SAMPLE_RATE


class MeasuredPool(StreamPool, Protocol):
    """A pool that says how long its workers were busy."""

    live_busy_s: float
    """Seconds that workers have spent on jobs of live streams, all together."""


async def measure_pace(
    info: EngineInfo,
    pool: MeasuredPool,
    new_recognizer: NewRecognizer,
    vad: SileroModel,
    *,
    within_s: float = MEASURE_S,
) -> float:
    """Busy seconds of a worker of `pool` for one second of live speech; the pool has nothing else to do meanwhile.

    Raises:
        EngineError: the engine failed on the recording.
    """
    loop = asyncio.get_running_loop()

    def trials() -> list[_Trial]:
        return [_Trial(pool, new_recognizer(0, _config(info), None), SileroVad(vad)) for _ in range(pool.workers)]

    samples = _sentence()
    warming, measured = trials(), trials()
    began = loop.time()
    try:
        async with asyncio.timeout(within_s):
            # In their first jobs workers load what they need.
            await _all(trial.hear(samples[:WARM_UP]) for trial in warming)
            busy_s = pool.live_busy_s
            await _all(trial.hear(samples) for trial in measured)
            return (pool.live_busy_s - busy_s) / sum(trial.heard_s for trial in measured)
    except TimeoutError:
        # All workers were busy all the time, with jobs that are not done.
        return (loop.time() - began) * pool.workers / sum(trial.heard_s for trial in (*warming, *measured))
    finally:
        for trial in (*warming, *measured):
            pool.cancel(trial)


class _Trial:
    """One stream that hears the recording as fast as its jobs are done."""

    def __init__(self, pool: MeasuredPool, recognizer: Recognizer, vad: SileroVad) -> None:
        self._pool = pool
        self._recognizer = recognizer
        self._vad = vad
        self.heard_s = 0.0
        """Seconds of audio that it was given."""

    async def hear(self, samples: Samples) -> None:
        for start in range(0, len(samples), PIECE):
            piece = samples[start : start + PIECE]
            self.heard_s += len(piece) / SAMPLE_RATE
            self._recognizer.feed(piece, self._vad.feed(piece))
            await self._run_jobs()
        self._recognizer.end()
        await self._run_jobs()

    async def _run_jobs(self) -> None:
        while (job := self._recognizer.next_job()) is not None:
            result = await self._result(job)
            if isinstance(result, JobLost):
                raise EngineError(f"its pace could not be measured: {result.reason}")
            self._recognizer.receive(job, result)
            self._recognizer.events()

    def _result(self, job: Job) -> Awaitable[Hypothesis | JobLost]:
        result: asyncio.Future[Hypothesis | JobLost] = asyncio.get_running_loop().create_future()
        if isinstance(job, FeedJob):
            self._pool.feed(self, job, result.set_result)
        else:
            self._pool.submit(self, job, result.set_result)
        return result


def _config(info: EngineInfo) -> RecognitionConfig:
    return RecognitionConfig(
        endpointing_s=info.min_endpointing_s,
        interim_interval_s=1.0,
        utterance_gap_s=None,
        max_segment_s=info.max_segment_s,
        context_s=info.context_s,
        language=info.languages[0],
    )


def _sentence() -> Samples:
    recording = bundled_recording()
    assert recording.sample_rate == SAMPLE_RATE
    samples = np.frombuffer(recording.pcm, "<i2")[: round(PAUSE_AT_S * SAMPLE_RATE)]
    return samples.astype(np.float32) / np.float32(32768)


async def _all(hearing: Iterable[Coroutine[Any, Any, None]]) -> None:
    tasks = [asyncio.create_task(each) for each in hearing]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
