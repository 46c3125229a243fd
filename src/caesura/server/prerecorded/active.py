"""The recordings in progress on a server: limits their number, and runs those with a callback in the background."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from caesura.errors import BadUrl, RemoteFailed
from caesura.protocol.closing import too_many
from caesura.server.outbound.callback import deliver_result
from caesura.server.prerecorded.request import RequestRejected
from caesura.server.prerecorded.run import RecordingRun
from caesura.server.service import Service

_log = logging.getLogger("caesura.recordings")


class ActiveRecordings:
    """The recordings of one server; `stop` it before the engines."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._limit = service.settings.max_recordings
        self.threads = ThreadPoolExecutor(self._limit, "caesura-recordings")
        """Threads for recordings only: one that waits for a slow body must not block the management routes."""
        self._connected: set[RecordingRun] = set()
        """Runs whose clients wait for an answer."""
        self._background: set[RecordingRun] = set()
        """Runs whose results go to a callback."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many recordings are being received or transcribed."""
        return len(self._connected) + len(self._background)

    @contextmanager
    def slot(self, run: RecordingRun) -> Iterator[None]:
        """Context in which the run counts as active. Raises RequestRejected, with 429, if there are too many."""
        if self.count >= self._limit and not self._evict_slow_upload():
            raise RequestRejected(too_many("recordings"))
        self._connected.add(run)
        try:
            yield
        finally:
            self._connected.discard(run)

    def finish_in_background(self, run: RecordingRun) -> None:
        """Transcribe what the run has received and deliver the result to its callback; returns at once."""
        self._background.add(run)
        task = asyncio.create_task(self._finish(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Give up the results that callbacks wait for, and log each."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self.threads.shutdown(wait=False)

    def _evict_slow_upload(self) -> bool:
        """Abort one upload that is slow enough to give way to another. Returns whether there was one."""
        slow = next((run for run in self._connected if run.rate.slow), None)
        if slow is None:
            return False
        slow.rate.cut()
        return True

    async def _finish(self, run: RecordingRun) -> None:
        with self._service.shutdown.hold_open():
            try:
                text = await run.response_for_callback()
            except asyncio.CancelledError:
                _log.warning("%s: given up, and its callback with it: the server stops", run.request.request_id)
                raise
            finally:
                # A callback that does not accept its result must not occupy a slot.
                self._background.discard(run)
            await self._deliver(run, text)

    async def _deliver(self, run: RecordingRun, text: str) -> None:
        admitted = run.request.admitted
        assert admitted.callback is not None, "only runs with a callback finish in the background"
        try:
            await deliver_result(
                text,
                admitted.callback,
                outbound=self._service.outbound,
                method=admitted.options.callback_method,
                key_id=admitted.access.api_key_id or "",
            )
        except (BadUrl, RemoteFailed) as error:
            # The client that named the URL caused this: one line is enough, and tracebacks would fill the log.
            _log.warning("%s: its result could not be delivered: %s", run.request.request_id, error)
        except Exception:  # noqa: BLE001  # nobody awaits this task: its error must be seen
            _log.exception("%s: its result could not be delivered", run.request.request_id)
