"""Lines for stacks that call neither `pause` nor a context manager: pauses are inferred from when audio arrives."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future

from caesura.adapters.capture import PAUSE_AFTER_S, Capture
from caesura.client.address import Value
from caesura.client.config import Credentials, DeclaredAudio, LineConfig, Tuning, configure_line
from caesura.client.line import Line, LineBase
from caesura.client.line_actions import Phase
from caesura.client.recovery import Recovery
from caesura.client.send_buffer import UNCOUNTED_BYTES_PER_S

AHEAD_S = 20.0
"""How many seconds a recording may be sent ahead of its finals."""
ABORT_S = 0.5
"""How long a line may take to close cleanly once its events are no longer read."""


class CapturedLine(LineBase):
    """A line without context manager and without explicit pauses. May be used from any thread; no method blocks."""

    def __init__(self, config: LineConfig, *, pause_after_s: float) -> None:
        """Starts nothing."""
        super().__init__(config)
        pcm = config.settings.pcm
        self._bytes_per_s = pcm.frame_bytes * pcm.sample_rate if pcm is not None else UNCOUNTED_BYTES_PER_S
        """Bytes per second of audio; an estimate for a container."""
        self._ahead_s = min(AHEAD_S, config.settings.keep_s / 2)
        self._capture = Capture(self._bytes_per_s, pause_after_s=pause_after_s)

    def begin(self) -> Future[None]:
        """Start the line, once; it accepts audio from now on.

        The future resolves when the line is open, or raises its error.
        """
        return self._start().opened

    def end(self, timeout_s: float) -> None:
        """Begin to finish the line: the event Closed comes within `timeout_s`. Only the first call counts."""
        self._begin_finish(timeout_s)

    def chunks(self, audio: bytes) -> Iterator[bytes]:
        """Split audio for `send_captured`: a recording into chunks, to wait between them; live audio stays one."""
        whole = self._config.settings.packets or len(audio) <= self._ahead_s * self._bytes_per_s
        size = max(len(audio), 1) if whole else self._bytes_per_s
        return (audio[at : at + size] for at in range(0, len(audio), size))

    def send_captured(self, audio: bytes) -> None:
        """Send audio that was captured up to now. A caller that can wait should then wait for `room`."""
        at = self._capture.place(len(audio), now=time.monotonic())
        self._open_driver.step(lambda machine, now: machine.send(audio, now=now, at=at, queue=True))

    def room(self) -> Future[None] | None:
        """A future to await before sending more; None if there is room. Live audio never waits."""
        if self._open_driver.query(self._has_room):
            return None
        self._open_driver.query(lambda machine, now: machine.hold_source())
        return self._open_driver.when(self._has_room)

    def released(self) -> None:
        """Record that this client blocked the caller until now: the time that passed is not a pause."""
        self._capture.released(now=time.monotonic())

    def _has_room(self, machine: Recovery, now: float) -> bool:
        """Whether more may be sent: the audio is live, or not too far ahead of its finals."""
        is_near = self._config.settings.keep_s - machine.room_s < self._ahead_s
        return machine.phase is Phase.CLOSED or is_near or not machine.can_wait(now=now)


class VoiceLine(CapturedLine, Line):
    """A captured line for callers with an event loop."""


def voice_line(
    url: str,
    credentials: Credentials,
    sample_rate: int,
    *,
    tuning: Tuning,
    pause_after_s: float = PAUSE_AFTER_S,
    parameters: Mapping[str, Value | Iterable[Value]],
) -> VoiceLine:
    """A line for one channel of linear16. Raises UsageError for invalid arguments."""
    config = configure_line(
        url,
        credentials,
        DeclaredAudio("linear16", sample_rate, 1),
        live=True,
        tuning=tuning,
        faults=None,
        parameters=parameters,
    )
    return VoiceLine(config, pause_after_s=pause_after_s)
