"""The background event loop: one for each process, on a thread of its own, and what happens at exit."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from caesura.client import background_loop
from caesura.client.background_loop import finish_at_exit, shared_loop
from tests.client.lines import PATIENCE_S


@pytest.fixture
def _nothing_else_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_loop, "_at_exit", set())
    monkeypatch.setattr(background_loop, "AT_EXIT_S", PATIENCE_S)


def test_a_process_has_one_loop_and_it_runs_on_a_daemon_thread() -> None:
    async def where() -> tuple[asyncio.AbstractEventLoop, threading.Thread]:
        return asyncio.get_running_loop(), threading.current_thread()

    first, second = shared_loop(), shared_loop()
    running, thread = asyncio.run_coroutine_threadsafe(where(), first).result(PATIENCE_S)
    assert first is second is running
    assert thread is not threading.current_thread()
    assert thread.daemon
    assert thread.name == "caesura-client"


@pytest.mark.usefixtures("_nothing_else_ends")
def test_all_are_finished_before_one_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[Future[Any], float]] = []

    def begin(seconds: float) -> Future[Any]:
        begun.append((Future(), seconds))
        return begun[-1][0]

    def wait(futures: list[Future[Any]], seconds: float) -> None:
        assert futures == [future for future, _ in begun]
        waited.append(seconds)

    waited: list[float] = []
    monkeypatch.setattr(background_loop, "concurrent", SimpleNamespace(futures=SimpleNamespace(wait=wait)))
    finish_at_exit(lambda seconds: begin(seconds))
    finish_at_exit(lambda seconds: begin(seconds))
    finish_at_exit(lambda seconds: begin(seconds))
    background_loop.finish_all()
    assert [seconds for _, seconds in begun] == [PATIENCE_S] * 3
    assert waited == [PATIENCE_S + 0.5]


@pytest.mark.usefixtures("_nothing_else_ends")
def test_one_that_cannot_finish_does_not_keep_the_others_from_it() -> None:
    told = []

    def begin(name: str, error: Exception | None) -> Future[Any]:
        told.append(name)
        if error is not None:
            raise error
        done: Future[Any] = Future()
        done.set_result(None)
        return done

    finish_at_exit(lambda _: begin("one", RuntimeError("no")))
    finish_at_exit(lambda _: begin("two", None))
    finish_at_exit(lambda _: begin("three", ValueError("no")))
    background_loop.finish_all()
    assert sorted(told) == ["one", "three", "two"]


@pytest.mark.usefixtures("_nothing_else_ends")
def test_what_was_taken_back_is_not_called() -> None:
    forget = finish_at_exit(lambda _: pytest.fail("was called"))
    forget()
    forget()
    background_loop.finish_all()


def test_what_never_finishes_is_not_waited_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background_loop, "_at_exit", set())
    monkeypatch.setattr(background_loop, "AT_EXIT_S", 0.0)
    finish_at_exit(lambda _: Future())
    background_loop.finish_all()


THREADS = """
import threading
from caesura.client.background_loop import shared_loop
barrier, loops = threading.Barrier(8), []
def ask():
    barrier.wait()
    loops.append(shared_loop())
threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(len(loops), len(set(loops)), [thread.name for thread in threading.enumerate()].count("caesura-client"))
"""


@pytest.mark.slow
def test_threads_that_call_it_first_and_at_once_get_the_same_loop() -> None:
    assert run(THREADS) == ["8 1 1"]


FORK = """
import os
from concurrent.futures import Future
from caesura.client import background_loop
def finish(seconds):
    print("finished in", "child" if child == 0 else "parent", flush=True)
    done = Future()
    done.set_result(None)
    return done
first = background_loop.shared_loop()
background_loop.finish_at_exit(finish)
child = os.fork()
if child == 0:
    import asyncio
    second = background_loop.shared_loop()
    async def answer():
        return "runs"
    print(second is first, asyncio.run_coroutine_threadsafe(answer(), second).result(60), flush=True)
else:
    assert os.waitpid(child, 0)[1] == 0
"""

FORK_DURING_THE_FIRST_CALL = """
import asyncio, os, threading
from caesura.client.background_loop import shared_loop
begun, forked, new_event_loop = threading.Event(), threading.Event(), asyncio.new_event_loop
def new_loop_during_a_fork():
    begun.set()
    forked.wait()
    return new_event_loop()
asyncio.new_event_loop = new_loop_during_a_fork
thread = threading.Thread(target=shared_loop)
thread.start()
begun.wait()
child = os.fork()
asyncio.new_event_loop = new_event_loop
if child == 0:
    print("child", shared_loop().is_closed(), flush=True)
    os._exit(0)
forked.set()
thread.join()
assert os.waitpid(child, 0)[1] == 0
print("parent", shared_loop().is_closed())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_forked_child_has_a_loop_of_its_own_and_nothing_of_its_parents_to_finish() -> None:
    assert run(FORK) == ["False runs", "finished in parent"]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="needs fork")
def test_a_child_forked_while_another_thread_makes_the_loop_does_not_wait_for_it() -> None:
    """A lock that another thread held at the fork stays locked in the child."""
    assert run(FORK_DURING_THE_FIRST_CALL) == ["child False", "parent False"]


def run(code: str) -> list[str]:
    """The lines that a Python program prints, which ends well."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code]  # 3.12 warns of fork beside threads
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
