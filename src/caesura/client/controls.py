"""Queue of the control messages of a line, each with its position in the audio, until it has taken effect. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from caesura.protocol.messages import CloseStream, Finalize

Control = Finalize | CloseStream


@dataclass(slots=True)
class ControlMark:
    """A control message at source sample `at`, and whether it was sent on this connection."""

    at: int
    message: Control
    is_sent: bool = False


class ControlQueue:
    """Control messages in the order of the audio."""

    def __init__(self, *, rounding: int | None) -> None:
        """`rounding`: samples by which a final may end before the audio it covers; None: samples are not counted."""
        self._rounding = rounding
        self._marks: deque[ControlMark] = deque()

    @property
    def next_at(self) -> int | None:
        """Position of the next message to be sent; None when there is none."""
        return next((mark.at for mark in self._marks if not mark.is_sent), None)

    @property
    def has_closed(self) -> bool:
        """Was CloseStream sent on this connection?"""
        return any(isinstance(mark.message, CloseStream) and mark.is_sent for mark in self._marks)

    def add(self, message: Control, at: int) -> None:
        """Append a message; the same one twice in one position is one."""
        mark = ControlMark(at, message)
        if mark not in self._marks:
            self._marks.append(mark)

    def take_due(self, is_sent_up_to: Callable[[int], bool]) -> Control | None:
        """The message that is due now, all audio before it having been sent; several of a kind are one."""
        due = [mark for mark in self._marks if not mark.is_sent and is_sent_up_to(mark.at)]
        for mark in due:
            mark.is_sent = mark.message == due[0].message
        return due[0].message if due else None

    def confirm(self, until: int) -> None:
        """Finals cover everything before source sample `until`: drop sent messages that have taken effect."""
        self._marks = deque(mark for mark in self._marks if not (mark.is_sent and self._has_effect(mark, until)))

    def rewind(self, confirmed: int) -> None:
        """The connection was lost: all messages that have not taken effect are to be sent again."""
        self._marks = deque(mark for mark in self._marks if not self._has_effect(mark, confirmed))
        for mark in self._marks:
            mark.is_sent = False

    def clear(self) -> None:
        """Drop all messages."""
        self._marks.clear()

    def _has_effect(self, mark: ControlMark, confirmed: int) -> bool:
        if isinstance(mark.message, CloseStream):
            return False
        return mark.is_sent if self._rounding is None else mark.at <= confirmed + self._rounding
