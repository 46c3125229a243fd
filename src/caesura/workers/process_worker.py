"""A worker in a child process, and the asyncio end of the socket to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Final, cast

from caesura.engines.base import Hypothesis, SegmentJob
from caesura.engines.streaming import FeedJob
from caesura.errors import EngineError, InternalError
from caesura.workers.ipc import (
    CloseStates,
    FeedStates,
    Frame,
    FrameReader,
    JobsFailed,
    LoadEngine,
    LoadFailed,
    Ready,
    ToWorker,
    Transcribe,
    Transcribed,
    encode_parts,
)

logger = logging.getLogger("caesura.workers")

_SEND_BUFFER: Final = 1024 * 1024
_EXIT_TIMEOUT_S: Final = 2.0
"""How long a worker whose connection is cut may take to end by itself, so that its exit code can be reported."""


class _WorkerConnection(asyncio.Protocol):
    """The server's end of the socket: one request at a time; reports when it is cut."""

    def __init__(self, on_gone: Callable[[], None]) -> None:
        self.gone = False
        self._on_gone = on_gone
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Frame] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods without the base class.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.receive(data):
                if self._answer is None or self._answer.done():
                    raise InternalError("a frame that is no reply to a request")
                self._answer.set_result(frame)
        except Exception as error:  # noqa: BLE001  # whatever an engine wrote to its socket; its worker is replaced
            logger.warning("an engine worker is cut off: %s", error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the engine worker ended"))
        self._on_gone()

    async def request(self, frame: ToWorker) -> Frame:
        if self._transport is None or self.gone:
            raise ConnectionResetError("the engine worker has ended")
        parts = encode_parts(frame)
        self._answer = asyncio.get_running_loop().create_future()
        # Never blocks. What it buffers is one job at most, for the next is not sent before the answer.
        self._transport.writelines(parts)
        try:
            return await self._answer
        finally:
            self._answer = None

    def send(self, frame: ToWorker) -> None:
        """Send a frame that has no reply; dropped when the worker has ended."""
        if self._transport is not None and not self.gone:
            self._transport.writelines(encode_parts(frame))

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class ProcessWorker:
    """An engine in a child process; implements `Worker`."""

    def __init__(self, engine: str, on_gone: Callable[[], None]) -> None:
        """Starts nothing.

        Args:
            engine: a name that `engines.registry` knows.
            on_gone: called, on the loop's thread, when the connection to the process is cut for whatever reason.
        """
        self._engine = engine
        self._connection = _WorkerConnection(on_gone)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """The process id, once started."""
        return "not started" if self._process is None else str(self._process.pid)

    @property
    def gone(self) -> bool:
        """Whether the connection to it is cut; it sends nothing more."""
        return self._connection.gone

    async def start(self) -> None:
        """Spawn the process and wait until it has loaded its engine. Raises EngineError; call `close` then too."""
        try:
            await self._spawn()
        except OSError as error:
            raise EngineError(f"no worker for engine {self._engine} can be started: {error.strerror}") from error
        await self._load()

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        # Most jobs then fit in one call; the system may grant less.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        with theirs:
            await asyncio.get_running_loop().create_unix_connection(lambda: self._connection, sock=ours)
            self._process = await asyncio.create_subprocess_exec(
                # -P: what lies in the working directory must not stand in for an installed module.
                *(sys.executable, "-P", "-m", "caesura.workers.worker_main"),
                *(str(theirs.fileno()), str(os.getpid())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )

    async def _load(self) -> None:
        engine = self._engine
        try:
            answer = await self._connection.request(LoadEngine(engine, tuple(sys.path)))
        except ConnectionError:
            raise EngineError(f"a worker for engine {engine} {await self._exit()} before it was ready") from None
        match answer:
            case Ready():
                return
            case LoadFailed(reason):
                raise EngineError(reason)
            case _:
                raise EngineError(f"a worker for engine {engine} replied with {type(answer).__name__} when loading")

    async def _exit(self) -> str:
        assert self._process is not None
        try:
            async with asyncio.timeout(_EXIT_TIMEOUT_S):
                return f"ended with code {await self._process.wait()}"
        except TimeoutError:
            return "hung up"

    async def transcribe(self, jobs: Sequence[SegmentJob]) -> tuple[Hypothesis, ...]:
        """Run one batch. Raises EngineError, ConnectionError."""
        return _hypotheses(await self._connection.request(Transcribe(tuple(jobs))), len(jobs))

    async def feed(self, jobs: Sequence[FeedJob]) -> tuple[Hypothesis, ...]:
        """Feed one batch of states. Raises EngineError, ConnectionError."""
        return _hypotheses(await self._connection.request(FeedStates(tuple(jobs))), len(jobs))

    def close_states(self, states: Sequence[int]) -> None:
        """Have states closed after the batch that runs."""
        self._connection.send(CloseStates(tuple(states)))

    async def close(self) -> None:
        """End the process at once and wait until it has, even when cancelled meanwhile; idempotent."""
        self._connection.close()
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            await self._process.wait()
        except asyncio.CancelledError:
            # A matter of milliseconds; an unreaped child would be left to the garbage collector.
            await self._process.wait()
            raise


def _hypotheses(answer: Frame, jobs: int) -> tuple[Hypothesis, ...]:
    """The results of a batch of so many jobs. Raises EngineError, ConnectionError."""
    match answer:
        case JobsFailed(reason):
            raise EngineError(reason)
        case Transcribed(hypotheses) if len(hypotheses) == jobs:
            return hypotheses
        case Transcribed(hypotheses):
            given = f"{len(hypotheses)} hypotheses"
        case _:
            given = type(answer).__name__
    raise ConnectionAbortedError(f"the engine worker returned {given} for {jobs} jobs")
