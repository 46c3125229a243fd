"""Engines that misbehave on command, for the tests of the pool; they run in real worker processes.

A job is named by its `at`. An engine writes a line to the file `log` of its folder when it takes one up,
and does what files of that folder say; so a test knows what is in progress without guessing at times.
"""

from __future__ import annotations

import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from caesura.engines.base import Engine, EngineInfo, Hypothesis, SegmentJob
from caesura.engines.registry import EngineSpec
from caesura.errors import EngineError
from caesura.words import Word

FOLDER = "CAESURA_TEST_FOLDER"
INFO = EngineInfo("commanded", "0", "none", ("en",), 0.01, 10.0)

POISON = 13.0
"""A job that kills its worker, each time."""
RAISES = 14.0
"""A job at which the engine raises something of a library's, with the transcript in it."""
REFUSES = 15.0
"""A job at which the engine raises its own error."""
MUTE = 16.0
"""A job to which the engine gives no hypothesis at all."""

RAVES = 17.0
"""A job to which the engine gives a confidence that is no number."""
CONFUSES = 18.0
"""A job to which the engine gives something that is no hypothesis."""


def folder() -> Path:
    """Where commands come from and the log goes."""
    return Path(os.environ[FOLDER])


def answer(job: SegmentJob) -> Hypothesis:
    """The hypothesis for a job: its name, the worker, and the number of samples."""
    return Hypothesis((Word(f"job-{job.at:g}", 0.0, len(job.audio) / 16_000, 0.9),), (os.getpid(),))


class Commanded:
    """Waits, in each job, until the folder holds a file `go` or one that names the job, such as `go-1`."""

    def transcribe(self, jobs: Sequence[SegmentJob]) -> list[Hypothesis]:
        """Log the jobs, misbehave as commanded, and answer."""
        for job in jobs:
            with (folder() / "log").open("a") as log:
                log.write(f"{job.at:g} {os.getpid()}\n")
            self._misbehave(job.at)
            while not any((folder() / name).exists() for name in ("go", f"go-{job.at:g}")):
                time.sleep(0.002)
        if jobs[0].at == CONFUSES:
            return ["swordfish"]  # type: ignore[list-item]
        confidence = math.nan if jobs[0].at == RAVES else 0.9
        answers = [answer(job) for job in jobs if job.at != MUTE]
        return [replace(each, words=(replace(each.words[0], confidence=confidence),)) for each in answers]

    def _misbehave(self, at: float) -> None:
        if at == POISON:
            os.kill(os.getpid(), signal.SIGKILL)
        if at == RAISES:
            raise ValueError("the password is swordfish")
        if at == REFUSES:
            raise EngineError("the segment is too odd")


def load_unless_broken() -> Engine:
    """Fails while the folder holds a file `broken`, and hangs while it holds `stuck`."""
    if (folder() / "broken").exists():
        raise EngineError("the weights are broken")
    while (folder() / "stuck").exists():
        time.sleep(0.002)
    return Commanded()


def crash() -> Engine:
    """Ends the process before the engine is there."""
    os._exit(3)


def chatter() -> Engine:
    """An engine that prints, as libraries do."""
    print("loading weights", flush=True)  # noqa: T201
    return Commanded()


commanded = EngineSpec(INFO, load_unless_broken)
crashing = EngineSpec(INFO, crash)
chatting = EngineSpec(INFO, chatter)


known: set[int] = set()
"""Child processes that were there before the test: servers of other tests."""


def children() -> set[int]:
    """The children of this process, running or unreaped."""
    lists = Path("/proc/self/task").glob("*/children")
    return {int(pid) for each in lists for pid in each.read_text().split()}


def no_child_is_left() -> bool:
    """Neither running nor unreaped, but for those that were there before."""
    return children() <= known
