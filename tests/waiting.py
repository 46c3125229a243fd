"""Waiting in tests for what nothing reports: the one place that polls."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable

WITHIN_S = 60.0
"""Nothing takes so long; the machine may be busy."""
POLL_S = 0.005


async def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Let the event loop run until `condition`, a function or a coroutine function, holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not await _outcome(condition):
            await asyncio.sleep(POLL_S)


def wait_until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Block this thread until `condition` holds. Raises TimeoutError."""
    limit = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"it did not happen within {within_s:g} s")
        time.sleep(POLL_S)


async def _outcome(condition: Callable[[], object]) -> object:
    result = condition()
    return await result if inspect.isawaitable(result) else result
