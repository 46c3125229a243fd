"""The front's side of one worker process: jobs in, what came of them out; asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Final, Self, cast

from caesura.engines.base import SegmentJob
from caesura.errors import EngineError, InternalError
from caesura.pipeline.frames import (
    Failed,
    Frame,
    FrameReader,
    Load,
    Ready,
    Refused,
    ToWorker,
    Transcribe,
    Transcribed,
    encode,
)

logger = logging.getLogger("caesura.pipeline")

_SEND_BUFFER: Final = 1024 * 1024
_LAST_GASP_S: Final = 2.0
"""How long a worker whose line is cut may take to end by itself, so that its exit code can be told."""


class _Line(asyncio.Protocol):
    """The front's end of the socket: one question at a time, and word when it is cut."""

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
                    raise InternalError("a frame that nobody asked for")
                self._answer.set_result(frame)
        except Exception as error:  # noqa: BLE001  # whatever an engine wrote to its socket; its worker is replaced
            logger.warning("an engine worker is cut off: %s", error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the engine worker ended"))
        self._on_gone()

    async def ask(self, question: ToWorker) -> Frame:
        if self._transport is None or self.gone:
            raise ConnectionResetError("the engine worker has ended")
        data = encode(question)
        self._answer = asyncio.get_running_loop().create_future()
        # Never blocks. What it buffers is one job at most, for the next is not sent before the answer.
        self._transport.write(data)
        try:
            return await self._answer
        finally:
            self._answer = None

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class WorkerProcess:
    """One engine in a child process. `start` makes one, `kill` must end it."""

    def __init__(self, process: asyncio.subprocess.Process, line: _Line) -> None:
        """For `start` only."""
        self._process = process
        self._line = line

    @classmethod
    async def start(cls, engine: str, on_gone: Callable[[], None]) -> Self:
        """Spawns a process and waits until it has loaded `engine`.

        `on_gone` is called, on the loop's thread, when its line is cut for whatever reason.

        Raises:
            EngineError: it cannot load the engine, or ended before it had; the sentence says which.
        """
        try:
            worker = await cls._spawned(on_gone)
        except OSError as error:
            raise EngineError(f"no worker for engine {engine} can be started: {error.strerror}") from error
        try:
            await worker._loaded(engine)
        except BaseException:
            await worker.kill()
            raise
        return worker

    @classmethod
    async def _spawned(cls, on_gone: Callable[[], None]) -> Self:
        ours, theirs = socket.socketpair()
        # Most jobs then leave in one call; the system may grant less.
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)
        line = _Line(on_gone)
        with theirs:
            await asyncio.get_running_loop().create_unix_connection(lambda: line, sock=ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    # -P: what lies in the working directory must not stand in for an installed module.
                    *(sys.executable, "-P", "-m", "caesura.pipeline.worker"),
                    *(str(theirs.fileno()), str(os.getpid())),
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=asyncio.subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                )
            except BaseException:
                line.close()
                raise
        return cls(process, line)

    async def _loaded(self, engine: str) -> None:
        try:
            answer = await self._line.ask(Load(engine, tuple(sys.path)))
        except ConnectionError:
            raise EngineError(f"a worker for engine {engine} {await self._end()} before it was ready") from None
        match answer:
            case Ready():
                return
            case Refused(reason):
                raise EngineError(reason)
            case _:
                raise EngineError(f"a worker for engine {engine} answered with {type(answer).__name__} when loading")

    async def _end(self) -> str:
        try:
            async with asyncio.timeout(_LAST_GASP_S):
                return f"ended with code {await self._process.wait()}"
        except TimeoutError:
            return "hung up"

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def gone(self) -> bool:
        """Its line is cut; it answers nothing more."""
        return self._line.gone

    async def transcribe(self, job: SegmentJob) -> Transcribed | Failed:
        """What came of `job`; one call at a time. Raises ConnectionError when the worker is gone."""
        answer = await self._line.ask(Transcribe((job,)))
        if not isinstance(answer, Transcribed | Failed):
            raise ConnectionAbortedError(f"the engine worker answered a job with {type(answer).__name__}")
        if isinstance(answer, Transcribed) and len(answer.hypotheses) != 1:
            raise ConnectionAbortedError(f"the engine worker answered a job with {len(answer.hypotheses)} hypotheses")
        return answer

    async def kill(self) -> None:
        """Ends the process at once and waits until it has, even when cancelled meanwhile; idempotent."""
        self._line.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        try:
            await self._process.wait()
        except asyncio.CancelledError:
            # A matter of milliseconds; an unreaped child would be left to the garbage collector.
            await self._process.wait()
            raise
