"""Waiting in tests for what nothing reports: the one place that polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

WITHIN_S = 10.0


async def until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Let the event loop run until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.001)


def wait_until(condition: Callable[[], object], within_s: float = WITHIN_S) -> None:
    """Block this thread until `condition` holds. Raises TimeoutError."""
    limit = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"it did not happen within {within_s:g} s")
        time.sleep(0.001)
