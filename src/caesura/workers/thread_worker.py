"""A worker on a thread of this process, for tests and for embedding Caesura where processes are not wanted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import CaesuraError, EngineError
from caesura.workers.engine_host import EngineHost

_numbers = itertools.count(1)


class ThreadWorker:
    """An engine on a thread of its own; implements `Worker`.

    A job that hangs or crashes takes the process with it or its thread for ever: servers use `ProcessWorker`.
    """

    def __init__(self, engine: str, on_gone: Callable[[], None]) -> None:
        self._engine = engine
        self._on_gone = on_gone
        self._number = next(_numbers)
        self._thread: ThreadPoolExecutor | None = None
        self._host: EngineHost | None = None
        self._closed = False

    @property
    def name(self) -> str:
        """`thread-1` and so on."""
        return f"thread-{self._number}"

    @property
    def gone(self) -> bool:
        """Whether it was closed."""
        return self._closed

    async def start(self) -> None:
        """Load the engine. Raises EngineError."""
        self._thread = ThreadPoolExecutor(1, f"caesura-engine-{self._number}")
        try:
            self._host = await asyncio.get_running_loop().run_in_executor(self._thread, EngineHost.load, self._engine)
        except CaesuraError as error:
            raise EngineError(str(error)) from error

    async def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """Run one batch. Raises EngineError, ConnectionError."""
        thread, host = self._running()
        return await asyncio.get_running_loop().run_in_executor(thread, host.transcribe, jobs)

    async def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """Feed one batch of states. Raises EngineError, ConnectionError."""
        thread, host = self._running()
        return await asyncio.get_running_loop().run_in_executor(thread, host.feed, jobs)

    def close_states(self, states: Sequence[int]) -> None:
        """Close states on its thread, after the batch that runs."""
        if self._host is not None and self._thread is not None and not self._closed:
            self._thread.submit(self._host.close_states, states)

    def _running(self) -> tuple[ThreadPoolExecutor, EngineHost]:
        if self._host is None or self._thread is None or self._closed:
            raise ConnectionResetError("the engine worker has ended")
        return self._thread, self._host

    async def close(self) -> None:
        """End it; a job that still runs is left to finish on its thread."""
        if self._closed:
            return
        self._closed = True
        if self._thread is not None:
            self._thread.shutdown(wait=False, cancel_futures=True)
        self._on_gone()
