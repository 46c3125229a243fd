"""The server's side of one worker process: it starts, returns results, reports its end, and is always reaped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import pickle
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uvloop

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.errors import EngineError
from caesura.workers import process_worker
from caesura.workers.base import JobLost
from caesura.workers.ipc import JobsFailed, Ready, Transcribed, encode
from caesura.workers.pool import EnginePool
from caesura.workers.process_worker import ProcessWorker
from tests.waiting import until
from tests.workers import pool_engines

pytestmark = pytest.mark.slow

LIMIT_S = 100.0


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder from which the engines of these tests take commands."""
    monkeypatch.setenv(pool_engines.FOLDER, str(tmp_path))
    return tmp_path


def within_limit(test: Coroutine[object, object, None]) -> None:
    """Runs a test's coroutine, failing instead of hanging."""
    asyncio.run(asyncio.wait_for(test, LIMIT_S))


def job(at: float, seconds: float = 1.0) -> SegmentJob:
    """A final job of silence."""
    return SegmentJob(np.zeros(int(seconds * 16_000), np.float32), at, Priority.FINAL)


def unnoticed() -> None:
    """For tests that do not check when the connection was lost."""


async def started(engine: str, on_gone: Callable[[], None]) -> ProcessWorker:
    """A worker that is ready; nothing is left of one that cannot start."""
    worker = ProcessWorker(engine, on_gone)
    try:
        await worker.start()
    except BaseException:
        await worker.close()
        raise
    return worker


async def answers_jobs(folder: Path) -> None:
    """Starts a worker and has two jobs done, one of them longer than any socket buffer."""
    (folder / "go").touch()
    worker = await started("tests.workers.pool_engines:commanded", unnoticed)
    assert not worker.gone
    assert await worker.transcribe([job(1.0)]) == answered(worker, 1.0, 1.0)
    assert await worker.transcribe([job(2.0, 120.0)]) == answered(worker, 2.0, 120.0)
    await worker.close()
    await worker.close()
    assert worker.gone


def answered(worker: ProcessWorker, at: float, seconds: float) -> tuple[Hypothesis, ...]:
    """The answer of the commanded engine in that worker's process."""
    return (replace(pool_engines.answer(job(at, seconds)), tokens=(int(worker.name),)),)


def test_it_answers_jobs_of_any_length(folder: Path) -> None:
    """And may be killed twice."""
    within_limit(answers_jobs(folder))


@pytest.mark.skipif(sys.platform == "win32", reason="uvloop does not run there")
def test_it_runs_on_uvloop_as_well(folder: Path) -> None:
    """The loop of the server."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(answers_jobs(folder), LIMIT_S))


def test_an_idle_worker_reports_its_end() -> None:
    """It does so without a job."""

    async def main() -> None:
        gone = asyncio.Event()
        worker = await started("scripted", gone.set)
        os.kill(int(worker.name), signal.SIGKILL)
        await gone.wait()
        assert worker.gone
        with pytest.raises(ConnectionError):
            await worker.transcribe([job(1.0)])
        await worker.close()

    within_limit(main())


def test_a_job_whose_worker_dies_is_reported_at_once(folder: Path) -> None:
    """The asker does not wait for a time limit."""

    async def main() -> None:
        worker = await started("tests.workers.pool_engines:commanded", unnoticed)
        with pytest.raises(ConnectionError):
            await worker.transcribe([job(pool_engines.POISON)])
        await worker.close()

    within_limit(main())


def test_an_exception_of_the_engine_does_not_end_the_worker(folder: Path) -> None:
    """The next job is done by the same process."""
    (folder / "go").touch()

    async def main() -> None:
        worker = await started("tests.workers.pool_engines:commanded", unnoticed)
        with pytest.raises(EngineError, match=r"^the segment is too odd$"):
            await worker.transcribe([job(pool_engines.REFUSES)])
        assert len(await worker.transcribe([job(1.0)])) == 1
        await worker.close()

    within_limit(main())


@pytest.mark.parametrize(
    ("engine", "sentence"),
    [
        (
            "tests.workers.pool_engines:crashing",
            "tests.workers.pool_engines:crashing ended with code 3 before it was ready",
        ),
        ("whispr", "no engine is called 'whispr'"),
    ],
)
def test_a_worker_that_cannot_start_reports_the_reason(engine: str, sentence: str) -> None:
    """In the child's own words, or with its exit code."""
    with pytest.raises(EngineError, match=sentence):
        within_limit(start(engine))


async def start(engine: str) -> None:
    """Starts a worker that will not."""
    await started(engine, unnoticed)


def test_an_interpreter_that_cannot_be_run_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """No file descriptor is left behind; warnings are errors here."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(EngineError, match="no worker for engine scripted can be started: No such file"):
        within_limit(start("scripted"))


def test_running_out_of_descriptors_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A front with ten thousand sockets may; the pool tries again later."""

    def exhausted() -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    async def main() -> None:
        monkeypatch.setattr(socket, "socketpair", exhausted)
        with pytest.raises(EngineError, match="no worker for engine scripted can be started: Too many open files"):
            await start("scripted")

    within_limit(main())


def test_output_printed_by_an_engine_is_discarded(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The front's own output may be read by a machine."""
    (folder / "go").touch()

    async def main() -> None:
        worker = await started("tests.workers.pool_engines:chatting", unnoticed)
        assert len(await worker.transcribe([job(1.0)])) == 1
        await worker.close()

    within_limit(main())
    assert capfd.readouterr().out == ""


def test_a_start_that_is_given_up_leaves_no_process(folder: Path) -> None:
    """Cancelled while its engine loads."""
    (folder / "stuck").touch()

    async def main() -> None:
        starting = asyncio.create_task(started("tests.workers.pool_engines:commanded", unnoticed))
        _, pending = await asyncio.wait([starting], timeout=0.3)
        assert pending
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert pool_engines.no_child_is_left()

    within_limit(main())


def test_a_close_that_is_cancelled_still_reaps() -> None:
    """Stopping a pool cancels replacements in progress."""

    async def main() -> None:
        worker = await started("scripted", unnoticed)
        killing = asyncio.create_task(worker.close())
        await asyncio.sleep(0)
        killing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await killing
        assert pool_engines.no_child_is_left()

    within_limit(main())


@pytest.fixture
def impostor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Runs another program as the worker: it sends these parts, one for each frame that it receives, then stays."""

    def install(*says: bytes) -> None:
        path = tmp_path / "impostor"
        path.write_text(
            f"#!{sys.executable}\n"
            "import signal, socket, sys\n"
            "line = socket.socket(fileno=int(sys.argv[-2]))\n"
            f"for words in {says!r}:\n"
            "    line.recv(1000000)\n"
            "    line.sendall(words)\n"
            "signal.pause()\n"
        )
        path.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(path))

    return install


def test_a_child_that_sends_no_frames_does_not_start(
    impostor: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line is cut at the first such byte, and it is not waited for."""
    monkeypatch.setattr(process_worker, "_EXIT_TIMEOUT_S", 0.05)
    impostor(b"\xff" * 100)
    with pytest.raises(EngineError, match="a worker for engine scripted hung up before it was ready"):
        within_limit(start("scripted"))


def test_a_child_that_answers_out_of_turn_does_not_start(impostor: Callable[..., None]) -> None:
    """Only one of two frames can answer the question to load."""
    impostor(encode(JobsFailed("what?")))
    with pytest.raises(EngineError, match="replied with JobsFailed when loading"):
        within_limit(start("scripted"))


def test_a_child_that_answers_a_job_with_something_else_is_killed(impostor: Callable[..., None]) -> None:
    """As good as dead: the caller has it replaced."""
    impostor(encode(Ready()), encode(Ready()))

    async def main() -> None:
        worker = await started("scripted", unnoticed)
        with pytest.raises(ConnectionAbortedError, match="returned Ready for 1 jobs"):
            await worker.transcribe([job(1.0)])
        await worker.close()

    within_limit(main())


class Executed:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_worker_that_was_taken_over_runs_nothing_in_the_front_and_is_replaced(
    impostor: Callable[..., None], tmp_path: Path
) -> None:
    """Its answers used to be unpickled."""
    trap = tmp_path / "executed"
    evil = pickle.dumps(Executed(trap))
    impostor(encode(Ready()), len(evil).to_bytes(4) + evil)

    async def main() -> None:
        pool = EnginePool("scripted", workers=1, attempts=2)
        await pool.start()
        try:
            answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
            pool.submit("owner", job(1.0), answered.set_result)
            assert isinstance(await answered, JobLost)
            await until(lambda: pool.restarts)
        finally:
            await pool.stop()

    within_limit(main())
    assert not trap.exists()


def test_a_job_must_have_one_hypothesis_for_its_answer(impostor: Callable[..., None]) -> None:
    impostor(encode(Ready()), encode(Transcribed(())))

    async def main() -> None:
        worker = await started("scripted", unnoticed)
        with pytest.raises(ConnectionAbortedError, match="returned 0 hypotheses for 1 jobs"):
            await worker.transcribe([job(1.0)])
        await worker.close()

    within_limit(main())


def test_a_worker_that_sends_an_unrequested_frame_is_cut_off(impostor: Callable[..., None]) -> None:
    """It could keep the server busy."""
    impostor(encode(Ready()) + encode(JobsFailed("I have more to say")))

    async def main() -> None:
        gone = asyncio.Event()
        with contextlib.suppress(EngineError):
            worker = await started("scripted", gone.set)
            await gone.wait()
            await worker.close()
        assert gone.is_set()

    within_limit(main())
