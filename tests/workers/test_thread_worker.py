"""The worker on a thread: it loads, transcribes off the loop's thread, and ends when closed."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.scripted import SCRIPT
from caesura.errors import EngineError
from caesura.workers.pool import EnginePool
from caesura.workers.thread_worker import ThreadWorker

JOB = SegmentJob(np.zeros(16_000, np.float32), 0.0, Priority.FINAL)


def test_it_transcribes_until_it_is_closed() -> None:
    """Closing is reported once, and ends it."""

    async def main() -> None:
        reported: list[bool] = []
        worker = ThreadWorker("scripted", lambda: reported.append(True))
        await worker.start()
        assert await worker.transcribe([JOB, JOB]) == (Hypothesis(SCRIPT[:2]), Hypothesis(SCRIPT[:2]))
        await worker.close()
        await worker.close()
        assert (worker.gone, reported) == (True, [True])
        with pytest.raises(ConnectionError):
            await worker.transcribe([JOB])

    asyncio.run(main())


def test_an_engine_that_cannot_be_loaded_says_why() -> None:
    """As with any worker, the error is the engine's."""

    async def main() -> None:
        worker = ThreadWorker("whispr", lambda: None)
        with pytest.raises(EngineError, match="no engine is called 'whispr'"):
            await worker.start()
        await worker.close()

    asyncio.run(main())


def test_a_pool_runs_on_threads() -> None:
    """Names are unique, and the pool leaves no thread behind."""

    async def main() -> None:
        pool = EnginePool("scripted", workers=2, new_worker=ThreadWorker)
        await pool.start()
        assert len(set(pool.ready_workers)) == 2
        result: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        pool.submit("owner", JOB, result.set_result)
        assert await result == Hypothesis(SCRIPT[:2])
        await pool.stop()
        assert pool.ready_workers == ()

    asyncio.run(main())
