"""Pool of engine workers: schedules the jobs of all streams and recordings, and replaces workers that die.

Everything here runs on the event loop's thread; inference never does. A worker runs one batch at a time. A job whose
worker died, hung or failed is run again, first in its class; after `attempts` of them its result is `JobLost`, so that
every job has a result unless a newer one replaced it or its owner cancelled. Jobs that feed a state of a streaming
engine go to the worker that has it, with the audio that it lacks: `workers/states.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Hashable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from caesura.engines.base import SAMPLE_RATE, Hypothesis, Priority, SegmentJob
from caesura.engines.streaming import FeedJob, Job
from caesura.errors import EngineError, UsageError
from caesura.workers.base import Deliver, JobLost, NewWorker, Worker
from caesura.workers.ipc import MAX_FRAME
from caesura.workers.process_worker import ProcessWorker
from caesura.workers.scheduler import Fits, Scheduler, Ticket
from caesura.workers.states import StateTable

logger = logging.getLogger("caesura.workers")

_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0
_MAX_AUDIO_BYTES: Final = MAX_FRAME // 2

AnyJob = TypeVar("AnyJob", SegmentJob, FeedJob)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a batch has no results."""

    reason: str
    replace_worker: bool = True


class _WorkerSlot:
    """The place of one worker, which is taken by one worker after the other."""

    def __init__(self) -> None:
        self.worker: Worker | None = None
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.running: list[Ticket] = []
        """Tickets that its worker runs and that are not cancelled."""
        self.waiter: asyncio.Future[None] | None = None
        self.failed_starts = 0
        """Workers in a row that returned no result."""

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def backoff_s(self) -> float:
        """The first replacement comes at once: one death is an accident."""
        if self.failed_starts < 2:
            return 0.0
        return min(_FIRST_BACKOFF_S * 2.0 ** min(self.failed_starts - 2, 10), _LONGEST_BACKOFF_S)


class EnginePool:
    """The workers of one engine, and the jobs that wait for them; implements `StreamPool`.

    Call `start` before jobs are expected to be done, and `stop` at the end; both on the thread of the
    event loop, as everything else here.
    """

    def __init__(
        self,
        engine: str,
        *,
        workers: int,
        max_jobs: int = 1,
        max_states: int = 64,
        new_worker: NewWorker = ProcessWorker,
        job_timeout_s: float = 30.0,
        attempts: int = 3,
        start_timeout_s: float = 120.0,
    ) -> None:
        """Starts nothing.

        Args:
            engine: a name that `engines.registry` knows.
            workers: how many workers, 1 or more; each is about one core and one loaded model.
            max_jobs: how many jobs of one priority a worker is given at once, 1 or more; `EngineInfo.max_jobs`.
            max_states: how many states of streams a worker keeps, 1 or more; `EngineInfo.max_states`. A worker is never
                given more jobs at once.
            new_worker: makes the workers.
            job_timeout_s: a worker that takes longer for one job, or as much for each of a batch, is replaced.
            attempts: how often a job is tried before it is given up, 1 or more.
            start_timeout_s: how long a worker may take to load its engine.

        Raises:
            UsageError: a number that is too small.
        """
        counts = {"workers": workers, "max_jobs": max_jobs, "max_states": max_states, "attempts": attempts}
        for name, count in counts.items():
            if count < 1:
                raise UsageError(f"{name}: {count}; give 1 or more")
        self._engine = engine
        self._workers = workers
        self._max_jobs = min(max_jobs, max_states)
        self._new_worker = new_worker
        self._job_timeout_s = job_timeout_s
        self._attempts = attempts
        self._start_timeout_s = start_timeout_s
        self._scheduler = Scheduler()
        self._states: StateTable[_WorkerSlot] = StateTable(max_states)
        self._slots: list[_WorkerSlot] = []
        self._idle: list[_WorkerSlot] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False
        self.restarts = 0
        """Workers that took the place of another."""
        self.withheld_words = 0
        """Words that engines withheld in jobs whose hypothesis is final; see `Hypothesis.withheld`."""
        self.interim_stretch = 1.0
        """Factor by which live streams are to request fewer interims; set by load control."""
        self.live_busy_s = 0.0
        """Seconds that workers have spent on jobs of live streams, all together."""
        self.answered_at: float | None = None
        """When a worker last finished a job, on the loop's clock."""

    @property
    def workers(self) -> int:
        """How many batches can run at the same time."""
        return self._workers

    @property
    def ready(self) -> bool:
        """At least one worker can take jobs."""
        return bool(self.ready_workers)

    @property
    def ready_workers(self) -> tuple[str, ...]:
        """Names of the workers that have loaded their engine and live."""
        return tuple(slot.worker.name for slot in self._slots if slot.worker is not None and not slot.worker.gone)

    @property
    def waiting_s(self) -> float:
        """Seconds of live audio in jobs that no worker has taken yet; recordings wait for those and do not count."""
        return self._scheduler.seconds

    @property
    def oldest_wait_s(self) -> float:
        """How long the live job has waited that no worker has taken yet and came first; 0 when none waits."""
        since = self._scheduler.oldest
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    async def start(self) -> None:
        """Starts the workers and waits until all are ready.

        Raises:
            EngineError: a worker cannot load the engine, with its sentence; none is left running.
            UsageError: the pool was started or stopped before.
        """
        if self._slots or self._stopped:
            raise UsageError("an engine pool starts once; make another one")
        self._slots = [_WorkerSlot() for _ in range(self._workers)]
        self._tasks = [asyncio.create_task(self._keep(slot)) for slot in self._slots]
        try:
            await asyncio.gather(*(slot.started for slot in self._slots))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the workers at once and waits until they have; idempotent.

        The result of jobs that still wait or run is `JobLost`.
        """
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for slot in self._slots:
            running, slot.running = slot.running, []
            self._deliver_stopped(running)
        while waiting := self._scheduler.take():
            self._deliver_stopped(waiting)

    def submit(self, owner: Hashable, job: SegmentJob, deliver: Deliver) -> None:
        """Schedule `job` for `owner`; see `Pool`. Several workers may finish two jobs of one owner in another order.

        Raises:
            UsageError: audio of another shape or type, or more of it than a worker can be sent.
        """
        self._add(Ticket(owner, _checked(job), deliver, since=asyncio.get_running_loop().time()))

    def feed(self, owner: Hashable, job: FeedJob, deliver: Deliver) -> None:
        """Schedule `job` for `owner` in place of the one that it has out; see `StreamPool`.

        Raises:
            UsageError: audio of another shape or type, or more of it than a worker can be sent.
        """
        fed = self._states.fed(owner, _checked(job))
        self._drop_jobs(owner)
        self._add(Ticket(owner, job, deliver, since=asyncio.get_running_loop().time(), fed=fed))

    def _add(self, ticket: Ticket) -> None:
        if self._stopped:
            asyncio.get_running_loop().call_soon(self._deliver_stopped, [ticket])
            return
        self._scheduler.add(ticket)
        self._wake_one()

    def cancel(self, owner: Hashable) -> None:
        """Drop the jobs of `owner`, and close its state; see `Pool`.

        A worker that is busy with one finishes it: that takes less than to load the engine again.
        """
        self._drop_jobs(owner)
        self._states.drop(owner)
        self._close_states()

    def _drop_jobs(self, owner: Hashable) -> None:
        self._scheduler.remove(owner)
        for slot in self._slots:
            slot.running = [ticket for ticket in slot.running if ticket.owner != owner]

    def _close_states(self) -> None:
        for slot, number in self._states.closed():
            if slot.worker is not None:
                slot.worker.close_states([number])

    async def _keep(self, slot: _WorkerSlot) -> None:
        """Keep a worker in `slot` until cancelled; returns when the very first one cannot start."""
        while True:
            worker = self._new_worker(self._engine, slot.wake)
            try:
                reason = await self._serve(slot, worker)
            except (EngineError, TimeoutError) as error:
                reason = str(error) or f"engine {self._engine} took longer than {self._start_timeout_s:g} s to load"
                if not slot.started.done():
                    slot.started.set_exception(EngineError(reason))
                    return
            finally:
                slot.worker = None
                self._states.lose(slot)
                # Jobs that only this worker could go on with can now be taken by any.
                self._wake_one()
                await worker.close()
            slot.failed_starts += 1
            delay = slot.backoff_s()
            logger.warning("engine worker replaced in %.1f s: %s", delay, reason)
            await asyncio.sleep(delay)

    async def _serve(self, slot: _WorkerSlot, worker: Worker) -> str:
        """Start `worker` and run batches on it until it must be replaced; returns why. Raises when it cannot start."""
        async with asyncio.timeout(self._start_timeout_s):
            await worker.start()
        if slot.started.done():
            self.restarts += 1
        else:
            slot.started.set_result(None)
        logger.info("engine worker %s ready", worker.name)
        slot.worker = worker
        while batch := await self._take(slot, worker):
            if (fault := await self._run(slot, worker, batch)) is not None:
                return f"worker {worker.name}: {fault}"
        return f"worker {worker.name}: it ended while it had nothing to do"

    async def _take(self, slot: _WorkerSlot, worker: Worker) -> list[Ticket]:
        """The next batch, when there is one; empty when the worker has ended instead."""
        while not worker.gone:
            if batch := self._scheduler.take(self._max_jobs, self._fits(slot)):
                return batch
            slot.waiter = asyncio.get_running_loop().create_future()
            self._idle.insert(0, slot)
            try:
                await slot.waiter
            finally:
                slot.waiter = None
                with contextlib.suppress(ValueError):
                    self._idle.remove(slot)
        # It may have been woken for a ticket which it cannot take any more.
        self._wake_one()
        return []

    async def _run(self, slot: _WorkerSlot, worker: Worker, batch: list[Ticket]) -> str | None:
        """Run a batch and deliver its results; returns why the worker must be replaced, if it must."""
        # While it runs `cancel` takes tickets out of this list: their results are dropped.
        slot.running = list(batch)
        loop = asyncio.get_running_loop()
        began = loop.time()
        result = await self._send(slot, worker, batch)
        if batch[0].job.priority is not Priority.RECORDING:
            self.live_busy_s += loop.time() - began
        wanted, slot.running = slot.running, []
        if isinstance(result, _Failure):
            if not result.replace_worker:
                slot.failed_starts = 0
            for ticket in wanted:
                self._retry(ticket, result.reason)
            return result.reason if result.replace_worker else None
        slot.failed_starts = 0
        self.answered_at = loop.time()
        for ticket, hypothesis in zip(batch, result, strict=True):
            if ticket in wanted:
                self._count_withheld(ticket.job, hypothesis.withheld)
                self._deliver(ticket, hypothesis)
        return None

    def _count_withheld(self, job: Job, words: int) -> None:
        if words and job.final:
            self.withheld_words += words
            logger.info("%d words withheld of %.1f s from %.1f s on", words, len(job.audio) / SAMPLE_RATE, job.at)

    async def _send(self, slot: _WorkerSlot, worker: Worker, batch: list[Ticket]) -> tuple[Hypothesis, ...] | _Failure:
        """Have the jobs of a batch done, all of one kind; keeps the table of states."""
        feeds = [(ticket.owner, ticket.job) for ticket in batch if isinstance(ticket.job, FeedJob)]
        if not feeds:
            jobs = [ticket.job for ticket in batch if isinstance(ticket.job, SegmentJob)]
            return await self._attempt(worker.transcribe(jobs), len(jobs))
        sent = [self._states.begin(owner, job, slot) for owner, job in feeds]
        self._close_states()
        result = await self._attempt(worker.feed(sent), len(sent))
        settle = self._states.failed if isinstance(result, _Failure) else self._states.done
        for (owner, _), job in zip(feeds, sent, strict=True):
            settle(owner, job)
        self._close_states()
        return result

    async def _attempt(
        self, running: Awaitable[tuple[Hypothesis, ...]], jobs: int
    ) -> tuple[Hypothesis, ...] | _Failure:
        try:
            async with asyncio.timeout(self._job_timeout_s * jobs):
                return await running
        except EngineError as error:
            return _Failure(str(error), replace_worker=False)
        except TimeoutError:
            return _Failure(f"a job was not done in {self._job_timeout_s:g} s")
        except ConnectionError:
            return _Failure("it ended in the middle of a job")
        except Exception:
            logger.exception("a job could not be sent to an engine worker")
            return _Failure("a job could not be sent to it")

    def _retry(self, ticket: Ticket, reason: str) -> None:
        failures = ticket.failures + 1
        logger.warning("a job failed, attempt %d of %d: %s", failures, self._attempts, reason)
        if failures >= self._attempts:
            self._deliver(ticket, JobLost(f"the job failed {failures} times, the last time because {reason}"))
        else:
            self._scheduler.put_back(replace(ticket, failures=failures, fed=0))
            self._wake_one()

    def _wake_one(self) -> None:
        # First the slot with the fewest states, so that streams spread; of these the one that worked last: its caches
        # are warm.
        for slot in sorted(self._idle, key=self._states.count):
            if self._scheduler.has(self._fits(slot)):
                self._idle.remove(slot)
                slot.wake()
                return

    def _fits(self, slot: _WorkerSlot) -> Fits:
        """Whether the worker in `slot` can take a ticket: if it has its state, or none has."""

        def fits(ticket: Ticket) -> bool:
            job = ticket.job
            return not isinstance(job, FeedJob) or self._states.place(ticket.owner, job) in (None, slot)

        return fits

    def _deliver_stopped(self, tickets: list[Ticket]) -> None:
        for ticket in tickets:
            self._deliver(ticket, JobLost("the engine pool was stopped"))

    def _deliver(self, ticket: Ticket, result: Hypothesis | JobLost) -> None:
        try:
            ticket.deliver(result)
        except Exception:
            # One stream's fault must not cost the others a worker.
            logger.exception("the receiver of a job's result failed")


def _checked(job: AnyJob) -> AnyJob:
    """The job itself. Raises UsageError when its audio cannot be sent to a worker."""
    audio = job.audio
    if audio.ndim != 1 or audio.dtype != np.float32 or audio.nbytes > _MAX_AUDIO_BYTES:
        raise UsageError(
            f"job.audio: {audio.dtype} of shape {audio.shape}; "
            f"give float32 of shape (n,) with n up to {_MAX_AUDIO_BYTES // 4}"
        )
    return job
