"""Drain of a stopping server: which streams may end now, and when what is left is cut. No clock: `now` is passed in.

from                           streams                                             requests
the signal                     those open then end at their next pause             admitted
`delay_s` later                those that came meanwhile end at theirs too         refused
`within_s` later               those without a pause are cut between two words     unfinished ones get an error
SPREAD_S + `last_words_s`      whatever is left is aborted                         likewise

Streams end evenly, at most PER_S in a second, so that the clients that come back do not all reach the other servers at
once. Only where so many are left to be cut that this takes longer than SPREAD_S, they are cut in SPREAD_S.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

PER_S: Final = 50.0
"""Streams that end in a second at most."""
SPREAD_S: Final = 5.0
"""How long it may take to cut the streams that had no pause."""
BURST_S: Final = 0.05
"""So much time in which no stream could end is made up for, because the owner looks at intervals."""


@dataclass(frozen=True, slots=True)
class DrainLimits:
    """How long the parts of a drain take at most, in seconds."""

    delay_s: float
    """For balancers to notice: so long requests are still admitted."""
    within_s: float
    """After the delay: for streams to have a pause, and for recordings to be finished."""
    last_words_s: float
    """For the last results of a stream that was ended."""


class OpenStream(Protocol):
    """A live stream, as far as the drain is concerned."""

    opened_at: float
    """On the `now` clock."""

    @property
    def is_open(self) -> bool:
        """Whether neither side has ended it."""

    @property
    def at_pause(self) -> bool:
        """Whether nothing is being said, so that an end now cuts no word."""


Stream = TypeVar("Stream", bound=OpenStream)


class Drain:
    """The drain of one server, from the signal on."""

    def __init__(self, limits: DrainLimits, *, delayed: bool, now: float) -> None:
        """`delayed`: whether something may still send requests here that has to notice first."""
        self._limits = limits
        self._began_at = now
        self._refuse_at = now + (limits.delay_s if delayed else 0.0)
        self._cut_at = self._refuse_at + limits.within_s
        self._per_s: float | None = None
        """Streams cut in a second, once that has begun."""
        self._next_at = now
        """When the next stream may end."""

    def hurry(self, *, now: float) -> None:
        """Wait no longer: refuse requests and cut streams from now on. Idempotent."""
        self._refuse_at = min(self._refuse_at, now)
        self._cut_at = min(self._cut_at, now)

    def refuses(self, *, now: float) -> bool:
        """Whether requests are refused."""
        return now >= self._refuse_at

    def cuts(self, *, now: float) -> bool:
        """Whether streams and recordings have had their time."""
        return now >= self._cut_at

    @property
    def ends_at(self) -> float:
        """When whatever is left is aborted."""
        return self._cut_at + SPREAD_S + self._limits.last_words_s

    def due(self, streams: Iterable[Stream], *, now: float) -> list[Stream]:
        """The streams to end now; each must not be open the next time. Call it often."""
        remaining = [stream for stream in streams if stream.is_open]
        if self._per_s is None and self.cuts(now=now):
            self._per_s = max(PER_S, len(remaining) / SPREAD_S)
        interval_s = 1.0 / (self._per_s or PER_S)
        candidates = (stream for stream in remaining if self._may_end(stream, now))
        ended: list[Stream] = []
        while self._next_at <= now and (stream := next(candidates, None)) is not None:
            ended.append(stream)
            self._next_at = max(self._next_at, now - BURST_S) + interval_s
        return ended

    def _may_end(self, stream: OpenStream, now: float) -> bool:
        if self.cuts(now=now):
            return True
        # One that came after the signal would only come back here, as long as requests are admitted.
        return (stream.opened_at <= self._began_at or self.refuses(now=now)) and stream.at_pause
