"""Decides whether and when to reconnect, from how a connection ended or why it could not be opened. Pure.

what happened                              verdict
close 1000                                 STOP
close 1001, 1005, 1006, 1011-1014          RETRY
close 1002, 1003, 1007-1010, 1015          PERMANENT
close 4xxx                                 as the HTTP status xxx, else PERMANENT
HTTP 429                                   WAIT
HTTP 408, 425, 5xx, no answer              RETRY
any other HTTP status, a bad address       PERMANENT
found dead by our own watch                RETRY
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from caesura.errors import (
    BadCredentials,
    CaesuraError,
    ConnectionClosedByServer,
    PaymentRequired,
    Refused,
    TooManyStreams,
    UsageError,
)


class Verdict(enum.Enum):
    """What to do after a connection has ended or failed."""

    STOP = "stop"
    """It ended as it should."""
    PERMANENT = "permanent"
    """Another attempt would end the same way."""
    WAIT = "wait"
    """The server has no capacity now: try again later."""
    RETRY = "retry"
    """Try again soon."""


_RETRY_CLOSES = {1001, 1005, 1006, 1011, 1012, 1013, 1014}
_RETRY_STATUSES = {408, 425}
_REFUSALS: dict[int, tuple[type[Refused], str]] = {
    401: (BadCredentials, "Check the API key."),
    402: (PaymentRequired, "The account needs credits."),
    403: (BadCredentials, "This key may not do that."),
    429: (TooManyStreams, "Too many streams are open; close some, or raise the limit."),
}


def judge_close(code: int) -> Verdict:
    """The verdict on a connection that ended with close code `code` (1006: without a close frame)."""
    if code == 1000:
        return Verdict.STOP
    if code in _RETRY_CLOSES:
        return Verdict.RETRY
    if 4400 <= code < 4600:
        return judge_status(code - 4000)
    return Verdict.PERMANENT


def judge_status(status: int) -> Verdict:
    """The verdict on an upgrade that was answered with HTTP `status`."""
    if status == 429:
        return Verdict.WAIT
    return Verdict.RETRY if status >= 500 or status in _RETRY_STATUSES else Verdict.PERMANENT


def judge(error: CaesuraError) -> Verdict:
    """The verdict on an attempt to connect that failed with `error`."""
    match error:
        case Refused(status=status):
            return judge_status(status)
        case ConnectionClosedByServer(code=code):
            return judge_close(code)
        case UsageError():
            return Verdict.PERMANENT
        case _:
            return Verdict.RETRY


def refusal(status: int, dg_error: str = "", request_id: str = "", retry_after_s: float | None = None) -> Refused:
    """Exception for an upgrade that was answered with HTTP `status`."""
    kind, do = _REFUSALS.get(status, (Refused, ""))
    return kind(status, dg_error, request_id, retry_after_s=retry_after_s, do=do)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Full jitter: attempt n waits a random part of `base_s` * 2**n, at most of `cap_s`.

    After https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/. WAIT has a base of its own, and
    a server's Retry-After is waited out, up to `longest_wait_s`. `budget_s` bounds the attempts of one outage by time,
    not by number.
    """

    base_s: float = 0.5
    cap_s: float = 10.0
    wait_base_s: float = 4.0
    wait_cap_s: float = 30.0
    longest_wait_s: float = 120.0
    budget_s: float = 600.0

    def delay_s(
        self, attempt: int, verdict: Verdict, random: Callable[[], float], *, retry_after_s: float | None = None
    ) -> float:
        """Seconds to wait before attempt `attempt`, counted from 0; `random` returns 0..1."""
        base, cap = (self.wait_base_s, self.wait_cap_s) if verdict is Verdict.WAIT else (self.base_s, self.cap_s)
        jittered = random() * min(cap, base * 2.0 ** min(attempt, 32))
        if retry_after_s is None:
            return jittered
        # Retry-After is a lower bound; jitter keeps clients from returning at the same moment.
        return min(retry_after_s, self.longest_wait_s) + jittered / 4
