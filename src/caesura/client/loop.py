"""Nothing in; the client's own event loop, on a thread that no user code ever runs on, out.

All lines of a process share it. Because it is not the user's loop, a callback of theirs that sleeps for half a minute
costs no KeepAlive.
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
"""How long the interpreter waits for lines that are still open when it exits, for all of them together."""

Finish = Callable[[float], "concurrent.futures.Future[Any]"]
"""Begins to finish something, in so many seconds, and returns what is resolved when that is done."""

_lock = threading.Lock()
_loops: list[asyncio.AbstractEventLoop] = []
_inherited: list[asyncio.AbstractEventLoop] = []
_at_exit: set[Finish] = set()


def client_loop() -> asyncio.AbstractEventLoop:
    """The running loop of this process; started when it is first asked for, and anew after a fork."""
    with _lock:
        if not _loops:
            _loops.append(asyncio.new_event_loop())
            threading.Thread(target=_run, args=(_loops[0],), name="caesura-client", daemon=True).start()
        return _loops[0]


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()


def before_exit(finish: Finish) -> Callable[[], None]:
    """Have `finish` called, and waited for, when the interpreter exits; returns what takes that back."""
    _at_exit.add(finish)
    return lambda: _at_exit.discard(finish)


def _finish_all() -> None:
    pending = []
    for finish in tuple(_at_exit):
        with contextlib.suppress(Exception):
            pending.append(finish(AT_EXIT_S))
    concurrent.futures.wait(pending, AT_EXIT_S + 0.5)


def _forked() -> None:
    """In the child: the loop's thread was not copied, somebody may hold the lock, the lines are the parent's."""
    global _lock
    _lock = threading.Lock()
    _inherited.extend(_loops)  # kept, since to free it would close it
    _loops.clear()
    _at_exit.clear()


atexit.register(_finish_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
