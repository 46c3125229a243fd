"""Overload guard: decides, from how long live jobs wait, when to refuse new streams and how rare to make interims.

Pure: it reads no clock; its input is the age of the oldest live job that waits for a worker.

    age of the oldest waiting job        what follows
    above 0.25 s                         interims of all streams come less often, in proportion; above 2 s, not at all
    above 0.5 s, for 2 s                 new streams are refused
    below 0.25 s, for 2 s                new streams are admitted again
    up to 0.25 s in the mean             fewer and fewer new streams are admitted at a time; above, none (`calm`)

Interims are most of the work and have a lower priority than finals, so they are reduced first; new streams are refused
while there is still capacity for finals.
"""

from __future__ import annotations

import math
from typing import Final

from caesura.protocol.closing import Refusal, too_many

REFUSE_ABOVE_S: Final = 0.5
REFUSE_AFTER_S: Final = 2.0
ADMIT_BELOW_S: Final = 0.25
ADMIT_AFTER_S: Final = 2.0
STRETCH_ABOVE_S: Final = 0.25
FINALS_ONLY_S: Final = 2.0
STRETCH_PER_S: Final = 4.0
"""By how much the interval between interims grows for each second that the oldest job waits.

A steeper slope would keep the queue short until finals alone occupy the workers, and new streams would be refused too
late.
"""
DECAY_S: Final = 2.0
"""Time constant with which the stretch falls: a queue that is empty for a moment proves nothing."""
MEAN_S: Final = 5.0
"""Time constant of the mean age from which `calm` is computed.

Near the limit the queue is empty at times, and with a slow engine that keeps up jobs wait at times: no single moment
should decide about streams that last for minutes.
"""


class OverloadGuard:
    """Watches the queue of one engine. Call `sample` a few times a second, always with the same clock."""

    def __init__(self) -> None:
        """Start with an empty queue."""
        self._refusing = False
        self._beyond_since: float | None = None
        """Time since which the age has been beyond the threshold that ends the current state; None if it is not."""
        self._pressure_s = 0.0
        """Age of the oldest waiting job, smoothed: it rises at once and falls slowly."""
        self._mean_s = 0.0
        self._sampled_at: float | None = None

    @property
    def refusing(self) -> bool:
        """Whether new streams are refused."""
        return self._refusing

    @property
    def calm(self) -> float:
        """Distance from overload: 1 if nothing waits, 0 or less if no more streams should be admitted."""
        return 0.0 if self._refusing else 1.0 - self._mean_s / ADMIT_BELOW_S

    @property
    def interim_stretch(self) -> float:
        """Factor for the interval between two interims of a stream: 1 or more; infinity means finals only."""
        if self._pressure_s > FINALS_ONLY_S:
            return math.inf
        return 1.0 + STRETCH_PER_S * max(self._pressure_s - STRETCH_ABOVE_S, 0.0)

    def sample(self, oldest_wait_s: float, *, now: float) -> None:
        """Take a sample: how long the oldest live job has waited; 0 when none waits."""
        elapsed = 0.0 if self._sampled_at is None else max(now - self._sampled_at, 0.0)
        self._sampled_at = now
        self._pressure_s = max(oldest_wait_s, self._pressure_s * math.exp(-elapsed / DECAY_S))
        self._mean_s += (oldest_wait_s - self._mean_s) * (1.0 - math.exp(-elapsed / MEAN_S))
        beyond = oldest_wait_s < ADMIT_BELOW_S if self._refusing else oldest_wait_s > REFUSE_ABOVE_S
        if not beyond:
            self._beyond_since = None
        elif self._beyond_since is None:
            self._beyond_since = now
        elif now - self._beyond_since >= (ADMIT_AFTER_S if self._refusing else REFUSE_AFTER_S):
            self._refusing = not self._refusing
            self._beyond_since = None


def overloaded(random: float, *, why: str) -> Refusal:
    """The refusal of a stream for lack of capacity.

    Args:
        why: `capacity` if the engine is full, `queue` if live jobs wait too long.
        random: In [0, 1); spreads the retries of streams that are refused together over 1 to 3 s.
    """
    return too_many(why, retry_after_s=1 + int(random * 3))
