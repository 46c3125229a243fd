"""Bounded queue that hands a line's events from the background loop to the user's thread or event loop."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from caesura.client.events import Closed, Event, Gap, Interim

LIMIT = 10_000
"""Most events kept for a program that does not read them; hours of them, since interims replace one another."""


class EventQueue:
    """Thread-safe queue of events.

    An unread interim is replaced by the next one of its channel, and adjacent gaps are merged.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._events: deque[Event] = deque()
        self._wakes: set[Callable[[], None]] = set()
        self.dropped = 0
        """Events dropped from the full queue: the oldest interim, or else the oldest event."""

    def put(self, event: Event) -> None:
        """Append an event and wake all waiting readers."""
        with self._lock:
            self._events.append(self._coalesced(event))
            if len(self._events) > self._limit:
                self._drop_one()
            wakes, self._wakes = self._wakes, set()
        for wake in wakes:
            wake()

    def take(self, wake: Callable[[], None]) -> Event | None:
        """The oldest event; None when there is none, and then `wake` is called once there is one.

        Each event goes to one reader only, but Closed, the last one, stays for all readers.
        """
        with self._lock:
            if not self._events:
                self._wakes.add(wake)
                return None
            first = self._events[0]
            return first if isinstance(first, Closed) else self._events.popleft()

    def cancel_wake(self, wake: Callable[[], None]) -> None:
        """Do not call `wake` any more."""
        with self._lock:
            self._wakes.discard(wake)

    def _coalesced(self, event: Event) -> Event:
        match event:
            case Interim(channel=channel):
                self._remove_interim(channel)
            case Gap() if self._events and isinstance(last := self._events[-1], Gap):
                joined = last.joined(event)
                if joined is not None:
                    self._events.pop()
                    return joined
        return event

    def _remove_interim(self, channel: int) -> None:
        for index in range(len(self._events) - 1, -1, -1):
            waiting = self._events[index]
            if not isinstance(waiting, Interim):
                return
            if waiting.channel == channel:
                del self._events[index]
                return

    def _drop_one(self) -> None:
        interim = next((index for index, event in enumerate(self._events) if isinstance(event, Interim)), 0)
        del self._events[interim]
        self.dropped += 1
