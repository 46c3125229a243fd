"""One outage of a line: when the next attempt to connect is due, and when to stop trying. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from caesura.client.reconnect import Backoff, Verdict
from caesura.errors import CaesuraError, ReconnectFailed, Refused, Unreachable

OPEN_WITHIN_S = 10.0
"""How long the first connection is tried by default."""


class Outage:
    """Attempts since the last good connection, or since the start of the line."""

    def __init__(self, backoff: Backoff, open_within_s: float | None, random: Callable[[], float]) -> None:
        """`open_within_s` as in LineSettings; `random` returns 0..1."""
        self._backoff = backoff
        self._open_within_s = open_within_s
        self._random = random
        self.attempts = 0
        """Attempts that have failed or were lost at once."""
        self.attempt_at = inf
        """Time of the next attempt."""
        self.began_at = 0.0
        self.last_error: CaesuraError | None = None

    def begin(self, *, now: float) -> None:
        """A new outage begins: the line starts, or a good connection was lost."""
        self.attempts = 0
        self.began_at = now

    def schedule(self, error: CaesuraError, verdict: Verdict, *, is_first: bool, now: float) -> float | None:
        """Schedule the next attempt after `error`; `is_first`: there was no connection yet.

        Returns its delay in seconds, None when there is to be none.
        """
        self.last_error = error
        delay = self._backoff.delay_s(
            self.attempts,
            verdict,
            self._random,
            retry_after_s=error.retry_after_s if isinstance(error, Refused) else None,
        )
        too_late = now + delay >= self.began_at + self._budget_s(is_first=is_first)
        if too_late or verdict in (Verdict.PERMANENT, Verdict.STOP) or (is_first and self._is_refused(error)):
            return None
        self.attempts += 1
        self.attempt_at = now + delay
        return delay

    def clear(self) -> None:
        """No attempt is to be made."""
        self.attempt_at = inf

    def failure(self, error: CaesuraError, *, now: float) -> ReconnectFailed:
        """The exception for an outage that ended without a connection; `error` was the last failure."""
        failed = ReconnectFailed(f"No connection for {now - self.began_at:.0f} s. {error}")
        failed.__cause__ = error
        return failed

    def _budget_s(self, *, is_first: bool) -> float:
        if not is_first:
            return self._backoff.budget_s
        return OPEN_WITHIN_S if self._open_within_s is None else self._open_within_s

    def _is_refused(self, error: CaesuraError) -> bool:
        """Was the very first attempt refused, and no time was set for trying?"""
        untimed = self._open_within_s is None and self.attempts == 0
        return untimed and isinstance(error, Unreachable) and not error.retryable
