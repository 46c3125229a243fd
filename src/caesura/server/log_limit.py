"""Log filter that bounds how often the same line is logged, for lines that any client can cause."""

from __future__ import annotations

import logging
from dataclasses import dataclass

PER_MINUTE = 10
"""Most records of one template that are kept per minute."""
MINUTE_S = 60.0


@dataclass(slots=True)
class _Window:
    """One minute of one template."""

    began: float
    kept: int = 0
    dropped: int = 0


class LogLimit(logging.Filter):
    """Keeps a few records of each template per minute; the first one in a later minute says how many were left out.

    Templates are constants in the code, so their number is bounded. Time is taken from the records.
    """

    def __init__(self, per_minute: int = PER_MINUTE) -> None:
        super().__init__()
        self._per_minute = per_minute
        self._windows: dict[str, _Window] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is kept."""
        window = self._windows.get(record.msg)
        dropped = 0
        if window is None or record.created >= window.began + MINUTE_S:
            dropped = 0 if window is None else window.dropped
            window = self._windows[record.msg] = _Window(record.created)
        if window.kept >= self._per_minute:
            window.dropped += 1
            return False
        window.kept += 1
        if dropped:
            record.msg = f"{record.msg} (and {dropped} more of these, left out of the log)"
        return True
