"""Audio as it comes in; lines that see its pauses, keep its source clock and know what can wait, out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future

from caesura.adapters.capture import PAUSE_AFTER_S, Capture
from caesura.client.address import Value
from caesura.client.config import Credentials, DeclaredAudio, LineConfig, Tuning, configure_line
from caesura.client.line import Line, LineBase
from caesura.client.recovery import Phase, Recovery
from caesura.client.send_buffer import UNCOUNTED_BYTES_PER_S

AHEAD_S = 20.0
"""Of a recording, so much is sent ahead of what finals cover."""
ABORT_S = 0.5
"""How long a line that nobody listens to any more may take to close in order."""


class CapturedLine(LineBase):
    """A line for a stack that enters and leaves nothing, and tells of no pause. Any thread; nothing here waits."""

    def __init__(self, config: LineConfig, *, pause_after_s: float) -> None:
        """Starts nothing."""
        super().__init__(config)
        pcm = config.settings.pcm
        self._second = pcm.frame_bytes * pcm.sample_rate if pcm is not None else UNCOUNTED_BYTES_PER_S
        """How many bytes one has; of a container, a guess."""
        self._ahead_s = min(AHEAD_S, config.settings.keep_s / 2)
        self._capture = Capture(self._second, pause_after_s=pause_after_s)

    def begin(self) -> Future[None]:
        """Start, once; audio is taken from now on. Resolved when it is open; fails with what stands in the way."""
        return self._start().opened

    def end(self, timeout_s: float) -> None:
        """Begin to finish: Closed is told after `timeout_s` at the latest. Only the first call counts."""
        self._begin_finish(timeout_s)

    def chunks(self, audio: bytes) -> Iterator[bytes]:
        """The same audio, for `hear`, in pieces that one can wait between: whole unless it must be a recording."""
        whole = self._config.settings.packets or len(audio) <= self._ahead_s * self._second
        size = max(len(audio), 1) if whole else self._second
        return (audio[at : at + size] for at in range(0, len(audio), size))

    def send_captured(self, audio: bytes) -> None:
        """Send audio that was captured up to now; whoever can wait asks for `room` then."""
        at = self._capture.place(len(audio), now=time.monotonic())
        self._open_driver.step(lambda machine, now: machine.send(audio, now=now, at=at, queue=True))

    def room(self) -> Future[None] | None:
        """What to wait for before more is sent; None: nothing. A voice never waits, a recording may have to."""
        if self._open_driver.query(self._has_room):
            return None
        self._open_driver.query(lambda machine, now: machine.hold_source())
        return self._open_driver.when(self._has_room)

    def released(self) -> None:
        """Whoever brings the audio was held up by us until now: that is no pause."""
        self._capture.released(now=time.monotonic())

    def _has_room(self, machine: Recovery, now: float) -> bool:
        """Is it a voice, or not too far ahead of its words?"""
        is_near = self._config.settings.keep_s - machine.room_s < self._ahead_s
        return machine.phase is Phase.CLOSED or is_near or not machine.can_wait(now=now)


class VoiceLine(CapturedLine, Line):
    """The same for who has an event loop."""


def voice_line(
    url: str,
    credentials: Credentials,
    sample_rate: int,
    *,
    tuning: Tuning,
    pause_after_s: float = PAUSE_AFTER_S,
    parameters: Mapping[str, Value | Iterable[Value]],
) -> VoiceLine:
    """A line for one voice in linear16. Its events are its only memory. Raises UsageError for what cannot be."""
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
