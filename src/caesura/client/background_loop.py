"""Background event loop shared by all lines of a process, on a daemon thread that never runs user code.

A callback of the user's that sleeps for half a minute therefore costs no KeepAlive.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import contextlib
import os
import threading
from collections.abc import Callable
from typing import Any

AT_EXIT_S = 3.0
"""How long the interpreter waits at its exit for all lines that are still open."""

Finish = Callable[[float], "concurrent.futures.Future[Any]"]
"""Starts to finish something within so many seconds; the future resolves when that is done."""

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
_inherited: list[asyncio.AbstractEventLoop] = []
_at_exit: set[Finish] = set()


def shared_loop() -> asyncio.AbstractEventLoop:
    """The running loop of this process; started on first use, and again after a fork."""
    with _lock:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_run, args=(_loops[0],), name="caesura-client", daemon=True).start()
        return _loops[0]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def finish_at_exit(finish: Finish) -> Callable[[], None]:
    """Call `finish` and wait for it when the interpreter exits; returns a function that cancels this."""
    _at_exit.add(finish)
    return lambda: _at_exit.discard(finish)


def finish_all() -> None:
    """Finish everything registered by `finish_at_exit`, in at most half a second more than AT_EXIT_S."""
    pending = []
    for finish in tuple(_at_exit):
        with contextlib.suppress(Exception):
            pending.append(finish(AT_EXIT_S))
    concurrent.futures.wait(pending, AT_EXIT_S + 0.5)


def _reset_after_fork() -> None:
    """In the child of a fork: the thread was not copied, the lock may be held, and the lines are the parent's."""
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_loops)  # kept: freeing it would close file descriptors of the parent's loop
    _loops.clear()
    _at_exit.clear()


atexit.register(finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
