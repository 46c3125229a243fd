"""State of a fake server's active and planned faults; used on the server's loop only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP response in place of the upgrade. If `body` is None, it is the JSON of this wire's refusals."""

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
    """Faults of the server as a whole, rather than of one connection; none at first."""

    stalled: bool = False
    """Whether new connections are not read."""
    muted: bool = False
    """Whether nothing is sent on new connections."""
    broken: int = 0
    """Number of messages still to be sent as broken JSON."""
    answers: deque[HttpAnswer] = field(default_factory=deque)
    """Responses to the next upgrade requests."""
    planned: list[PlannedFault] = field(default_factory=list)

    def take_due(self, seconds: float) -> PlannedFault | None:
        """Remove and return the earliest fault that is due at `seconds` of received audio; None if there is none."""
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
