"""Time limit of `finish`: how long a line waits for the server's last words. Pure.

The caller sets it, or leaves it to the line. Then it is the length of the audio that no final covers, because a server
may process no faster than real time, and a grace period; each final that makes progress begins both anew.
"""

from __future__ import annotations

from math import inf

LONGEST_FINISH_S = 24 * 3600.0
"""Upper bound of the time limit of `finish`."""
FINISH_S = 10.0
"""Default time limit of `finish`, on top of the length of the audio that no final covers."""
RECORDING_FINISH_S = 60.0
"""Default time limit of `finish` for a recording, of which more audio is in flight."""


class FinishDeadline:
    """Deadline of the one `finish` of a line. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self.at = inf
        """When the line ends without the last words; infinite before `finish` and after the end."""
        self._began_at = 0.0
        self._grace_s: float | None = None
        """None: the caller has set the limit, and nothing extends it."""

    @property
    def is_set(self) -> bool:
        """Whether the line is finishing."""
        return self.at < inf

    @property
    def length_s(self) -> float:
        """Seconds from the call of `finish` to the deadline."""
        return self.at - self._began_at

    def begin(self, timeout_s: float | None, *, uncovered_s: float, is_recording: bool, now: float) -> None:
        """`finish` was called.

        Args:
            timeout_s: The caller's limit; None: it follows from the other two.
            uncovered_s: Seconds of audio that no final covers.
            is_recording: The source is a recording.
            now: The time of the call.
        """
        if timeout_s is None:
            self._grace_s = RECORDING_FINISH_S if is_recording else FINISH_S
            timeout_s = self._grace_s + uncovered_s
        self._began_at = now
        self.at = now + min(timeout_s, LONGEST_FINISH_S)

    def extend(self, *, uncovered_s: float, now: float) -> None:
        """A final has covered more audio; `uncovered_s` are still without one. A limit of the caller's stays."""
        if self._grace_s is not None and self.is_set:
            self.at = max(self.at, now + self._grace_s + uncovered_s)

    def clear(self) -> None:
        """The line has ended."""
        self.at = inf
