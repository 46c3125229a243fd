"""State of the faults of a fake server: those in force and those planned; used on the server's loop only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP response in place of the upgrade. `body` None: the JSON of this wire's refusals."""

    status: int
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault to trigger when a connection has received `seconds` of audio."""

    seconds: float
    fault: Callable[[], object]


@dataclass(slots=True)
class ServerFaults:
    """Faults that concern one server rather than one connection. A new one has none."""

    stalled: bool = False
    """Are new connections left unread?"""
    muted: bool = False
    """Are new connections sent nothing?"""
    broken: int = 0
    """Messages still to be sent as broken JSON."""
    answers: deque[HttpAnswer] = field(default_factory=deque)
    """Responses to the next upgrade requests."""
    planned: list[PlannedFault] = field(default_factory=list)

    def take_due(self, seconds: float) -> PlannedFault | None:
        """Remove and return the earliest fault due at `seconds` of received audio; None when none is."""
        due = [fault for fault in self.planned if fault.seconds <= seconds]
        if not due:
            return None
        first = min(due, key=lambda fault: fault.seconds)
        self.planned.remove(first)
        return first

    def break_next(self, messages: int) -> None:
        """Send `messages` more messages as broken JSON."""
        self.broken += messages

    def broken_or_whole(self, text: str) -> str:
        """`text`, or the first half of it while messages are to be broken."""
        if not self.broken:
            return text
        self.broken -= 1
        return text[: len(text) // 2]
