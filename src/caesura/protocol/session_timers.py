"""Timers of a session: which deadline is next, and which has passed. No clock: every entry takes `now`.

timer           runs                                      from                             for
idle            until the drain, unless held              a message, or its resumption     `idle_s`
release         as idle, after `expect_release`           the last audio                   HOLD_S
first response  until the drain or a message is sent      the opening                      `first_response_s`
drain           once the drain has begun                  its beginning or prolongation    `drain_s`
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from caesura.events import HOLD_S


@dataclass(frozen=True, slots=True)
class Timers:
    """Lengths of a session's timers in seconds."""

    idle_s: float = 10.0
    first_response_s: float = 0.0
    """0 turns it off."""
    drain_s: float = 30.0


class Expired(enum.Enum):
    """A timer that has run out."""

    RELEASE = "release"
    """No audio has come for so long that held finals are to be released."""
    IDLE = "idle"
    """The client has sent nothing for the whole idle window."""
    FIRST_RESPONSE = "first response"
    """The server has sent nothing yet."""
    DRAIN = "drain"
    """The rest of the transcript has taken too long."""


class SessionTimers:
    """The timers of one session, from its opening; seconds are of any monotonic clock."""

    __slots__ = ("_drain_at", "_first_response_at", "_idle_from", "_idle_held", "_release_at", "_timers")

    def __init__(self, timers: Timers, *, now: float) -> None:
        self._timers = timers
        self._idle_from = now
        self._idle_held = False
        self._first_response_at: float | None = now + timers.first_response_s if timers.first_response_s > 0 else None
        self._release_at: float | None = None
        self._drain_at: float | None = None

    def restart_idle(self, *, now: float) -> None:
        """A message came: the idle window begins anew."""
        self._idle_from = now

    def hold_idle(self) -> None:
        """The server stopped reading, so silence is not the client's: the idle window does not run."""
        self._idle_held = True

    def resume_idle(self, *, now: float) -> None:
        """The server reads again: the idle window begins anew, and with it the wait for audio."""
        self._idle_held = False
        self._idle_from = now
        if self._release_at is not None:
            self._release_at = now + HOLD_S

    def expect_release(self, *, now: float) -> None:
        """Audio came after which finals may be held: they are released although no more of it comes."""
        self._release_at = now + HOLD_S

    def end_first_response(self) -> None:
        """A message was sent."""
        self._first_response_at = None

    def begin_drain(self, *, now: float) -> None:
        """There is no more audio, or the engine still works on the last words: only the drain cap runs, from now."""
        self._drain_at = now + self._timers.drain_s

    def next_deadline(self) -> float | None:
        """When the next timer runs out; None: no timer runs."""
        if self._drain_at is not None:
            return self._drain_at
        if self._idle_held:
            return self._first_response_at
        # Called after each message: a generator would be slower.
        at = self._idle_from + self._timers.idle_s
        if self._first_response_at is not None:
            at = min(at, self._first_response_at)
        return at if self._release_at is None else min(at, self._release_at)

    def take_expired(self, *, now: float) -> Expired | None:
        """A timer that has run out, None for none. A release is returned once; the others end the session."""
        if self._drain_at is not None:
            return Expired.DRAIN if now >= self._drain_at else None
        if not self._idle_held:
            if self._release_at is not None and now >= self._release_at:
                self._release_at = None
                return Expired.RELEASE
            if now >= self._idle_from + self._timers.idle_s:
                return Expired.IDLE
        is_late = self._first_response_at is not None and now >= self._first_response_at
        return Expired.FIRST_RESPONSE if is_late else None
