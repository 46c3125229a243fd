"""Token bucket for WebSocket frames that carry no message: control frames and small fragments."""

from __future__ import annotations

RATE_PER_S = 50.0
"""Clients ping every few seconds, and none of those known sends small fragments."""
BURST = 500.0
"""Frames that may come at once, for example the pings of minutes after a network that stood still."""
SMALL_FRAGMENT_BYTES = 512
"""A fragment of a message, other than its last, is small below this size. Libraries cut at 4096 bytes or more."""


class FrameBudget:
    """How many such frames one connection may still send. Pure; `now` is monotonic seconds."""

    def __init__(self, *, now: float) -> None:
        self._tokens = BURST
        self._now = now

    def spend(self, frames: int, *, now: float) -> bool:
        """Account for frames that were received; False when there were more than the connection may send."""
        self._tokens = min(BURST, self._tokens + (now - self._now) * RATE_PER_S) - frames
        self._now = now
        return self._tokens >= 0
