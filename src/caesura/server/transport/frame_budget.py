"""Token bucket for WebSocket frames that carry no message: control frames and small fragments."""

from __future__ import annotations

RATE_PER_S = 50.0
"""Sustained rate: clients ping every few seconds, and no known client sends small fragments."""
BURST = 500.0
"""Frames that may arrive at once, for example the pings of several minutes after a network outage."""
SMALL_FRAGMENT_BYTES = 512
"""Size below which a fragment of a message, except the last one, counts as small.

Libraries cut at 4096 bytes or more.
"""


class FrameBudget:
    """Number of frames without a message that one connection may still send. Pure; `now` is monotonic seconds."""

    def __init__(self, *, now: float) -> None:
        self._tokens = BURST
        self._now = now

    def spend(self, frames: int, *, now: float) -> bool:
        """Count received frames. Returns False if the connection has sent more than it may."""
        self._tokens = min(BURST, self._tokens + (now - self._now) * RATE_PER_S) - frames
        self._now = now
        return self._tokens >= 0
