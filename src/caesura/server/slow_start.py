"""Slow start: bounds how many streams are admitted whose load does not show in the queue yet.

Pure: it reads no clock. A stream is *unproven* until it has sent audio for 3 s in a row: only then has it had its first
interims and finals, and the queue shows whether there is room for it. While it sends no audio it costs nothing and does
not count: not after a text message (KeepAlive), not when no audio came for 1 s.

    stream has sent       counts as
    nothing yet           the share of recent streams that began with audio; 0 after 1 s or a text message
    audio, for < 3 s      1; 0 after 1 s without audio, and 1 again with the next audio
    audio, for >= 3 s     0

Because of this share thousands of paused sessions can open quickly, while a crowd that speaks at once is still slowed
down.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

PROOF_S: Final = 3.0
QUIET_S: Final = 1.0
SHARE_WEIGHT: Final = 1 / 4
LEAST_SHARE: Final = 0.002
"""Small enough for thousands of paused sessions a second. The first that speaks raises the share to a quarter."""


@dataclass(slots=True)
class _Speaking:
    last_at: float
    """Time at which its last audio arrived."""
    since: float


class SlowStart:
    """The unproven streams of one engine."""

    def __init__(self, most: float) -> None:
        """Start without streams.

        Args:
            most: How many streams may be unproven at once when the queue is calm.
        """
        self._most = most
        self._silent: dict[Hashable, float] = {}
        """Streams that have sent nothing, with the time of opening, in that order."""
        self._speaking: dict[Hashable, _Speaking] = {}
        self._speaking_share = 1.0

    def opened(self, stream: Hashable, *, now: float) -> None:
        """A stream was admitted."""
        self._silent[stream] = now

    def audio(self, stream: Hashable, *, now: float) -> bool:
        """A stream sent audio. Returns whether it is proven; then no more calls are needed."""
        if self._silent.pop(stream, None) is not None:
            self._update_share(spoke=True)
        found = self._speaking.setdefault(stream, _Speaking(now, now))
        if now - found.last_at > QUIET_S:
            found.since = now
        found.last_at = now
        if now - found.since < PROOF_S:
            return False
        del self._speaking[stream]
        return True

    def text(self, stream: Hashable) -> None:
        """A stream sent a text message; if it has sent nothing else, it counts as paused."""
        if self._silent.pop(stream, None) is not None:
            self._update_share(spoke=False)

    def ended(self, stream: Hashable) -> None:
        """A stream has ended; does nothing for one that does not count."""
        self._silent.pop(stream, None)
        self._speaking.pop(stream, None)

    def silent(self, *, now: float) -> int:
        """How many streams were admitted in the last second and have sent nothing yet."""
        self._drop_quiet(now)
        return len(self._silent)

    @property
    def speaking_share(self) -> float:
        """Share of the recent streams that began with audio."""
        return self._speaking_share

    def has_room(self, *, now: float, calm: float) -> bool:
        """Whether one more stream may be admitted.

        Args:
            now: The current time.
            calm: 1 if the queue is empty, 0 or less if it is too long to admit more; in between at least one stream at
                a time is admitted.
        """
        self._drop_quiet(now)
        expected = len(self._speaking) + len(self._silent) * self._speaking_share
        return calm > 0.0 and expected + self._speaking_share <= max(self._most * calm, 1.0)

    def _drop_quiet(self, now: float) -> None:
        for stream in [stream for stream, found in self._speaking.items() if now - found.last_at > QUIET_S]:
            del self._speaking[stream]
        while self._silent and now - next(iter(self._silent.values())) > QUIET_S:
            del self._silent[next(iter(self._silent))]
            self._update_share(spoke=False)

    def _update_share(self, *, spoke: bool) -> None:
        share = self._speaking_share + SHARE_WEIGHT * (spoke - self._speaking_share)
        self._speaking_share = max(share, LEAST_SHARE)
