"""What is wrong with a fake server at the moment, and what will be; touched on the server's loop only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer instead of the upgrade. `body` None: the JSON of this wire's refusals."""

    status: int
    headers: Mapping[str, str]
    body: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A fault that happens when a connection has received `seconds` of audio."""

    seconds: float
    fault: Callable[[], object]


@dataclass(slots=True)
class Faults:
    """The faults of one server beside those of its connections. A new one has none."""

    stalled: bool = False
    """New connections are not read."""
    muted: bool = False
    """New connections are told nothing."""
    broken: int = 0
    """How many of the next messages are sent as broken JSON."""
    answers: deque[Answer] = field(default_factory=deque)
    """What the next upgrades are refused with."""
    plans: list[Plan] = field(default_factory=list)

    def take_plan(self, seconds: float) -> Plan | None:
        """The earliest plan that is due when a connection has received `seconds` of audio, once; None: none is."""
        due = [plan for plan in self.plans if plan.seconds <= seconds]
        if not due:
            return None
        plan = min(due, key=lambda plan: plan.seconds)
        self.plans.remove(plan)
        return plan

    def break_next(self, messages: int) -> None:
        """Have so many more messages sent as broken JSON."""
        self.broken += messages

    def broken_or_whole(self, text: str) -> str:
        """The message to send for `text`: half of it when that was asked for."""
        if not self.broken:
            return text
        self.broken -= 1
        return text[: len(text) // 2]
