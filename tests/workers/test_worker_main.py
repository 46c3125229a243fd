"""The worker process over a bare socket: it loads, returns results, survives signals, and ends with the server."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from caesura.engines.base import Hypothesis, Priority, SegmentJob
from caesura.engines.scripted import SCRIPT
from caesura.errors import EngineError
from caesura.workers.ipc import (
    HEADER,
    Frame,
    FrameReader,
    JobsFailed,
    LoadEngine,
    LoadFailed,
    Ready,
    ToWorker,
    Transcribe,
    Transcribed,
    encode,
)
from caesura.workers.worker_main import WorkerSocket, serve
from tests.workers import pool_engines

PATH = tuple(sys.path)
LIMIT_S = 100.0


@dataclass(frozen=True)
class Server:
    """The front's end of the line to a worker."""

    sock: socket.socket

    def send(self, frame: ToWorker) -> None:
        """Sends a frame."""
        self.sock.sendall(encode(frame))

    def receive(self) -> Frame | None:
        """The next frame; None when the worker has ended."""
        reader = FrameReader()
        while data := self.sock.recv(65536):
            for frame in reader.receive(data):
                return frame
        return None


@dataclass(frozen=True)
class ServerEnd(Server):
    """The front's end, with the process at the other."""

    process: subprocess.Popen[bytes]


@contextmanager
def worker(parent: int | None = None) -> Iterator[ServerEnd]:
    """A worker process, which is ended when the test has not."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT_S)
    with ours, theirs:
        arguments = [str(theirs.fileno()), str(os.getpid() if parent is None else parent)]
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "caesura.workers.worker_main", *arguments], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        with process:
            try:
                yield ServerEnd(ours, process)
            finally:
                process.kill()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder from which the engines of these tests take commands."""
    monkeypatch.setenv(pool_engines.FOLDER, str(tmp_path))
    return tmp_path


def job(at: float, seconds: float = 1.0) -> SegmentJob:
    """A final job of silence."""
    return SegmentJob(np.zeros(int(seconds * 16_000), np.float32), at, Priority.FINAL)


def test_it_loads_an_engine_and_answers_jobs_until_the_front_hangs_up() -> None:
    """A batch has one hypothesis for each job; the end of the line is the end of the process, without complaint."""
    with worker() as front:
        front.send(LoadEngine("scripted", PATH))
        assert front.receive() == Ready()
        front.send(Transcribe((job(0.0), job(0.4, 0.3))))
        second = replace(SCRIPT[1], start=0.0, end=0.3)
        assert front.receive() == Transcribed((Hypothesis(SCRIPT[:2]), Hypothesis((second,))))
        front.sock.close()
        assert front.process.wait(LIMIT_S) == 0


def test_it_ends_when_the_front_closes_in_mid_frame() -> None:
    """Half a frame is nothing to answer."""
    with worker() as front:
        front.send(LoadEngine("scripted", PATH))
        assert front.receive() == Ready()
        front.sock.sendall(HEADER.pack(1000) + b"half")
        front.sock.close()
        assert front.process.wait(LIMIT_S) == 0


def test_it_ends_when_the_front_ended_during_its_job(folder: Path) -> None:
    """The answer has no reader; that is no error either."""
    with worker() as front:
        front.send(LoadEngine("tests.workers.pool_engines:commanded", PATH))
        assert front.receive() == Ready()
        front.send(Transcribe((job(1.0),)))
        front.sock.close()
        (folder / "go").touch()
        assert front.process.wait(LIMIT_S) == 0


def test_an_engine_that_cannot_load_is_refused_in_its_own_words(folder: Path) -> None:
    """Then the process ends."""
    (folder / "broken").touch()
    with worker() as front:
        front.send(LoadEngine("tests.workers.pool_engines:commanded", PATH))
        assert front.receive() == LoadFailed("the weights are broken")
        assert front.process.wait(LIMIT_S) == 0


def test_an_unknown_engine_is_refused() -> None:
    """With the sentence of the registry."""
    with worker() as front:
        front.send(LoadEngine("whispr", PATH))
        refused = front.receive()
        assert isinstance(refused, LoadFailed)
        assert "no engine is called 'whispr'" in refused.reason


def test_ctrl_c_and_sigterm_do_not_end_it(folder: Path) -> None:
    """They reach the whole group; the server, which is closing its sessions, still needs the answers."""
    with worker() as front:
        front.send(LoadEngine("tests.workers.pool_engines:commanded", PATH))
        assert front.receive() == Ready()
        front.process.send_signal(signal.SIGINT)
        front.process.send_signal(signal.SIGTERM)
        (folder / "go").touch()
        front.send(Transcribe((job(1.0),)))
        assert isinstance(front.receive(), Transcribed)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel for a signal, which only Linux gives")
def test_it_dies_with_its_parent_in_the_middle_of_a_job(folder: Path) -> None:
    """A server that was killed leaves no busy orphan, even while another process holds the socket open."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT_S)
    script = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-P', '-m', 'caesura.workers.worker_main', sys.argv[1], str(os.getpid())],"
        " pass_fds=[int(sys.argv[1])])\n"
        "time.sleep(60)"
    )
    with ours, theirs:
        arguments = [sys.executable, "-c", script, str(theirs.fileno())]
        with subprocess.Popen(arguments, pass_fds=[theirs.fileno()]) as parent:
            theirs.close()
            front = Server(ours)
            front.send(LoadEngine("tests.workers.pool_engines:commanded", PATH))
            assert front.receive() == Ready()
            front.send(Transcribe((job(1.0),)))
            log = folder / "log"
            while not (log.exists() and log.read_text().endswith("\n")):
                select.select([ours], [], [], 0.01)
            parent.kill()
            assert front.receive() is None


@pytest.mark.skipif(sys.platform != "linux", reason="the race is closed where the signal exists")
def test_it_does_not_outlive_a_parent_that_died_while_it_started() -> None:
    """Its parent is then another process than the one that started it."""
    with worker(parent=1) as front:
        assert front.receive() is None
        assert front.process.wait(LIMIT_S) == 0


def test_it_uses_one_thread_for_openmp() -> None:
    """Two workers with two threads each would fight over two cores."""
    with worker() as front:
        front.send(LoadEngine("scripted", PATH))
        assert front.receive() == Ready()
        threads = Path(f"/proc/{front.process.pid}/task")
        if not threads.exists():
            pytest.skip("no /proc here")
        assert len(list(threads.iterdir())) == 1


@pytest.fixture
def line() -> Iterator[tuple[Server, WorkerSocket]]:
    """Both ends of a line in this process."""
    ours, theirs = socket.socketpair()
    ours.settimeout(LIMIT_S)
    with ours, theirs:
        yield Server(ours), WorkerSocket(theirs)


def hear_one(line: tuple[Server, WorkerSocket], at: float) -> Frame | None:
    """The answer of a worker with the commanded engine to one job, all in this process."""
    front, end = line
    front.send(LoadEngine("tests.workers.pool_engines:commanded", tuple(sys.path)))
    front.send(Transcribe((job(at),)))
    front.sock.shutdown(socket.SHUT_WR)
    serve(end)
    reader = FrameReader()
    ready, answer = reader.receive(front.sock.recv(65536))
    assert ready == Ready()
    return answer


def test_engine_errors_are_reported_without_the_transcript(line: tuple[Server, WorkerSocket], folder: Path) -> None:
    """The kind of error and its place are enough to find it."""
    answer = hear_one(line, pool_engines.RAISES)
    assert isinstance(answer, JobsFailed)
    assert answer.reason.startswith("the engine raised ValueError in pool_engines.py, line ")


def test_an_engine_error_is_reported_in_its_own_words(line: tuple[Server, WorkerSocket], folder: Path) -> None:
    """Engines write their sentences for the log."""
    assert hear_one(line, pool_engines.REFUSES) == JobsFailed("the segment is too odd")


def test_an_engine_that_answers_too_little_has_failed(line: tuple[Server, WorkerSocket], folder: Path) -> None:
    """No hypothesis is not an empty hypothesis."""
    (folder / "go").touch()
    assert hear_one(line, pool_engines.MUTE) == JobsFailed("the engine returned 0 hypotheses for 1 jobs")


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (pool_engines.RAVES, "confidence nan in a frame: must be from"),
        (pool_engines.CONFUSES, "the engine raised AttributeError in job_codec.py, line "),
    ],
)
def test_an_engine_that_answers_what_cannot_be_sent_has_failed(
    line: tuple[Server, WorkerSocket], folder: Path, at: float, reason: str
) -> None:
    """The worker goes on: the next job may do well."""
    (folder / "go").touch()
    answer = hear_one(line, at)
    assert isinstance(answer, JobsFailed)
    assert answer.reason.startswith(reason)


@pytest.mark.parametrize(
    ("frame", "sentence"),
    [(Transcribe((job(1.0),)), "a job before its engine"), (Ready(), "a frame of its own kind: Ready")],
)
def test_frames_that_no_front_sends_end_it(line: tuple[Server, WorkerSocket], frame: ToWorker, sentence: str) -> None:
    """A fault of ours must be seen, not guessed around."""
    line[0].sock.sendall(encode(frame))
    with pytest.raises(EngineError, match=sentence):
        serve(line[1])
