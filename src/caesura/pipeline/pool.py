"""The engine pool: segment jobs of all sessions in, their hypotheses out, from worker processes that may die.

Everything here runs on the event loop's thread; inference never does. A worker does one job at a time.
A job whose worker died, hung or raised is done again, first in its class; after `attempts` of them it
is answered `Lost`, so that every job is answered unless a newer one replaced it or its owner cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Hashable
from dataclasses import replace
from typing import Final

import numpy as np

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.errors import EngineError, UsageError
from caesura.pipeline.frames import MAX_FRAME, Failed, Transcribed
from caesura.pipeline.process import WorkerProcess
from caesura.pipeline.schedule import Answer, Lost, Schedule, Ticket

__all__ = ["Answer", "EnginePool", "Lost"]

logger = logging.getLogger("caesura.pipeline")

_FIRST_BACKOFF_S: Final = 0.1
_LONGEST_BACKOFF_S: Final = 5.0
_MAX_AUDIO_BYTES: Final = MAX_FRAME // 2


class _Seat:
    """The place of one worker, which is taken by one process after the other."""

    def __init__(self) -> None:
        self.worker: WorkerProcess | None = None
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ticket: Ticket | None = None
        """What its worker is doing and somebody still waits for."""
        self.waiter: asyncio.Future[None] | None = None
        self.setbacks = 0
        """Workers in a row that answered nothing."""

    def wake(self) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    @property
    def wanted(self) -> bool:
        """Somebody still waits for what its worker is doing."""
        return self.ticket is not None

    def backoff_s(self) -> float:
        """The first replacement comes at once: one death is an accident."""
        if self.setbacks < 2:
            return 0.0
        return min(_FIRST_BACKOFF_S * 2.0 ** min(self.setbacks - 2, 10), _LONGEST_BACKOFF_S)


class EnginePool:
    """Worker processes of one engine, and the jobs that wait for them.

    Call `start` before jobs are expected to be done, and `stop` at the end; both on the thread of the
    event loop, as everything else here.
    """

    def __init__(
        self,
        engine: str,
        *,
        workers: int,
        job_timeout_s: float = 30.0,
        attempts: int = 3,
        start_timeout_s: float = 120.0,
    ) -> None:
        """Starts nothing.

        Args:
            engine: a name that `engines.registry` knows.
            workers: how many processes, 1 or more; each is about one core and one loaded model.
            job_timeout_s: a worker that takes longer for one job is replaced.
            attempts: how often a job is tried before it is given up, 1 or more.
            start_timeout_s: how long a worker may take to load its engine.

        Raises:
            UsageError: a number that is too small.
        """
        for name, count in (("workers", workers), ("attempts", attempts)):
            if count < 1:
                raise UsageError(f"{name}: {count}; give 1 or more")
        self._engine = engine
        self._workers = workers
        self._job_timeout_s = job_timeout_s
        self._attempts = attempts
        self._start_timeout_s = start_timeout_s
        self._schedule = Schedule()
        self._seats: list[_Seat] = []
        self._idle: list[_Seat] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stopped = False
        self.restarts = 0
        """Workers that took the place of another."""
        self.interim_stretch = 1.0
        """Factor by which live streams are to ask less often for interims; set by whoever watches the queue."""
        self.answered_at: float | None = None
        """When a worker last finished a job, on the loop's clock."""

    @property
    def workers(self) -> int:
        """How many jobs can be done at once, each in a process of its own."""
        return self._workers

    @property
    def ready(self) -> bool:
        """At least one worker can take jobs."""
        return bool(self.pids)

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that have loaded their engine and live."""
        return tuple(seat.worker.pid for seat in self._seats if seat.worker is not None and not seat.worker.gone)

    @property
    def waiting_s(self) -> float:
        """Seconds of live audio in jobs that no worker has taken yet; recordings wait for those and do not count."""
        return self._schedule.seconds

    @property
    def oldest_wait_s(self) -> float:
        """How long the live job has waited that no worker has taken yet and came first; 0 when none waits."""
        since = self._schedule.oldest
        return 0.0 if since is None else asyncio.get_running_loop().time() - since

    async def start(self) -> None:
        """Starts the workers and waits until all are ready.

        Raises:
            EngineError: one of them cannot load the engine, in its own words; none is left running.
            UsageError: the pool was started or stopped before.
        """
        if self._seats or self._stopped:
            raise UsageError("an engine pool starts once; make another one")
        self._seats = [_Seat() for _ in range(self._workers)]
        self._tasks = [asyncio.create_task(self._keep(seat)) for seat in self._seats]
        try:
            await asyncio.gather(*(seat.started for seat in self._seats))
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the workers at once and waits until they have; idempotent.

        Jobs that are still waiting or running are answered `Lost`.
        """
        self._stopped = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        for seat in self._seats:
            ticket, seat.ticket = seat.ticket, None
            if ticket is not None:
                self._tell_stopped(ticket)
        while (ticket := self._schedule.next()) is not None:
            self._tell_stopped(ticket)

    def submit(self, owner: Hashable, job: SegmentJob, answer: Answer, *, recorded: bool = False) -> None:
        """Has `job` done for `owner`; `answer` is called once with what came of it, later, on this thread.

        It is not called for an interim that a newer job of `owner` replaced before a worker took it, nor
        after `cancel(owner)`. Several workers may finish two jobs of one owner in another order.

        `recorded`: the job is a final of a recording, and is done when no live stream has one waiting. One owner
        may have several of them; they are cancelled together.

        Raises:
            UsageError: audio of another shape or type, or more of it than a worker can be sent.
        """
        audio = job.audio
        if audio.ndim != 1 or audio.dtype != np.float32 or audio.nbytes > _MAX_AUDIO_BYTES:
            raise UsageError(
                f"job.audio: {audio.dtype} of shape {audio.shape}; "
                f"give float32 of shape (n,) with n up to {_MAX_AUDIO_BYTES // 4}"
            )
        ticket = Ticket(owner, job, answer, recorded=recorded, since=asyncio.get_running_loop().time())
        if self._stopped:
            asyncio.get_running_loop().call_soon(self._tell_stopped, ticket)
            return
        self._schedule.add(ticket)
        self._wake_one()

    def cancel(self, owner: Hashable) -> None:
        """Forgets the jobs of `owner`: those that wait are dropped, the answers of running ones discarded.

        A worker that is busy with one finishes it: that takes less than to load the engine again.
        """
        self._schedule.remove(owner)
        for seat in self._seats:
            if seat.ticket is not None and seat.ticket.owner == owner:
                seat.ticket = None

    async def _keep(self, seat: _Seat) -> None:
        """Keeps a worker in `seat` until this is cancelled, or the very first cannot start."""
        while True:
            try:
                async with asyncio.timeout(self._start_timeout_s):
                    worker = await WorkerProcess.start(self._engine, seat.wake)
            except (EngineError, TimeoutError) as error:
                reason = str(error) or f"engine {self._engine} took longer than {self._start_timeout_s:g} s to load"
                if not seat.started.done():
                    seat.started.set_exception(EngineError(reason))
                    return
            else:
                reason = await self._employ(seat, worker)
            seat.setbacks += 1
            delay = seat.backoff_s()
            logger.warning("engine worker replaced in %.1f s: %s", delay, reason)
            await asyncio.sleep(delay)

    async def _employ(self, seat: _Seat, worker: WorkerProcess) -> str:
        """Has `worker` do jobs in `seat` until it must be replaced; returns why."""
        self.restarts += seat.started.done()
        if not seat.started.done():
            seat.started.set_result(None)
        logger.info("engine worker %d ready", worker.pid)
        seat.worker = worker
        try:
            while (ticket := await self._take(seat, worker)) is not None:
                if (fault := await self._do(seat, worker, ticket)) is not None:
                    return f"worker {worker.pid}: {fault}"
            return f"worker {worker.pid}: it ended while it had nothing to do"
        finally:
            seat.worker = None
            await worker.kill()

    async def _take(self, seat: _Seat, worker: WorkerProcess) -> Ticket | None:
        """The next ticket, when there is one; None when the worker has ended instead."""
        while not worker.gone:
            ticket = self._schedule.next()
            if ticket is not None:
                return ticket
            seat.waiter = asyncio.get_running_loop().create_future()
            self._idle.append(seat)
            try:
                await seat.waiter
            finally:
                seat.waiter = None
                with contextlib.suppress(ValueError):
                    self._idle.remove(seat)
        # It may have been woken for a ticket which it cannot take any more.
        self._wake_one()
        return None

    async def _do(self, seat: _Seat, worker: WorkerProcess, ticket: Ticket) -> str | None:
        """Has the job done and its answer told; returns why the worker must be replaced, if it must."""
        seat.ticket = ticket
        outcome: Transcribed | Failed
        fault: str | None = None
        try:
            async with asyncio.timeout(self._job_timeout_s):
                outcome = await worker.transcribe(ticket.job)
        except TimeoutError:
            fault = f"a job was not done in {self._job_timeout_s:g} s"
        except ConnectionError:
            fault = "it ended in the middle of a job"
        except Exception:
            logger.exception("a job could not be sent to an engine worker")
            fault = "a job could not be sent to it"
        if fault is not None:
            outcome = Failed(fault)
        else:
            seat.setbacks = 0
        wanted, seat.ticket = seat.ticket is ticket, None
        if wanted:
            self._conclude(ticket, outcome)
        return fault

    def _conclude(self, ticket: Ticket, outcome: Transcribed | Failed) -> None:
        if isinstance(outcome, Transcribed):
            self.answered_at = asyncio.get_running_loop().time()
            self._tell(ticket, outcome.hypotheses[0])
            return
        failures = ticket.failures + 1
        logger.warning("a job failed, attempt %d of %d: %s", failures, self._attempts, outcome.reason)
        if failures >= self._attempts:
            self._tell(ticket, Lost(f"the job failed {failures} times, the last time because {outcome.reason}"))
        else:
            self._schedule.put_back(replace(ticket, failures=failures))
            self._wake_one()

    def _wake_one(self) -> None:
        # The one that worked last: its caches are warm.
        if self._idle and len(self._schedule):
            self._idle.pop().wake()

    def _tell_stopped(self, ticket: Ticket) -> None:
        self._tell(ticket, Lost("the engine pool was stopped"))

    def _tell(self, ticket: Ticket, result: Hypothesis | Lost) -> None:
        try:
            ticket.answer(result)
        except Exception:
            # One stream's fault must not take a worker from the others.
            logger.exception("the receiver of an answer failed")
