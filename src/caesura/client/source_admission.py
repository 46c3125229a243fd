"""Admission of captured audio to a line's send buffer: whether its source can wait, and what is accepted now. Pure.

    source       in a pause                     when the buffer is full
    live         its audio is skipped           its oldest audio is dropped
    recording    it waits                       it waits

A source is live until it is declared to be a recording, or comes faster than live audio can.
"""

from __future__ import annotations

from caesura.client.backlog import MAX_WAITING
from caesura.client.events import Accepted, Dropped, Sent
from caesura.client.lead import Lead
from caesura.client.line_settings import LineSettings
from caesura.client.send_buffer import SendBuffer
from caesura.errors import UsageError

PULL_S = 2.0
"""How far a recording is read ahead of what was sent."""
CONTAINER_BYTES_PER_S = 192_000
"""A container that comes faster than this (16 bit, stereo, 48 kHz) is a recording; its seconds cannot be counted."""


class SourceAdmission:
    """Puts the audio of one source into `buffer`; see the head of this file. `now` is monotonic seconds."""

    def __init__(self, settings: LineSettings, buffer: SendBuffer) -> None:
        pcm = settings.pcm
        self._settings = settings
        self._buffer = buffer
        self._lead = Lead()
        self._bytes_per_s = pcm.frame_bytes * pcm.sample_rate if pcm else CONTAINER_BYTES_PER_S
        self.is_recording = not settings.live
        """Was it declared to be a recording? Then it waits in pauses."""

    def declare_recording(self) -> None:
        """The source is a recording, even if it is played in real time: in a pause it waits."""
        self.is_recording = True
        self._buffer.stop_clock_in_pauses()

    def can_wait(self, data: bytes = b"", *, now: float) -> bool:
        """Is the source a recording: declared as one, or further ahead of the clock than live audio can be?

        `data` is audio that it has just sent, too.
        """
        seconds = len(data) / self._bytes_per_s
        if self.is_recording or self._buffer.sends_waiting or seconds > self._settings.keep_s:
            return True
        return self._lead.outruns_clock(seconds, now=now)

    def send(
        self, data: bytes, wall: float, *, at: float | None, queue: bool, paused: bool, connected: bool, now: float
    ) -> Sent:
        """Accept audio, or a part of it; returns what became of it.

        Args:
            data: The captured bytes; an incomplete sample waits for the rest of it.
            wall: UTC seconds at which the last sample was captured.
            at: Source seconds of the first sample; None: it continues the audio before.
            queue: A recording's audio may wait behind that of other sends when there is no room.
            paused: Whether the line is paused.
            connected: Whether there is a connection.
            now: The time of the call.

        Raises:
            UsageError: There is no room for audio that can wait, `at` goes back, or the audio is not what was declared;
                nothing was accepted.
        """
        is_skipped = paused and not self.is_recording
        waits = not is_skipped and self.can_wait(data, now=now)
        if waits:
            self._check_room(queue=queue, paused=paused)
        samples = self._buffer.align(data)
        if not samples:
            return Accepted()
        if is_skipped:
            return Dropped(self._buffer.skip(samples), "paused")
        sent = self._buffer.capture(samples, wall, at=at, connected=connected, waits=waits)
        self._lead.add(len(data) / self._bytes_per_s, now=now)
        return sent

    def reject(self, data: bytes) -> Sent:
        """Drop audio that is sent after the end of the line."""
        samples = self._buffer.align(data)
        return Dropped(self._buffer.reject(samples), "the line is closed") if samples else Accepted()

    def _check_room(self, *, queue: bool, paused: bool) -> None:
        waiting = self._buffer.sends_waiting
        if queue and waiting < MAX_WAITING:
            return
        if waiting or self._buffer.free_s <= 0:
            raise UsageError(self._no_room(paused=paused))

    def hold(self) -> None:
        """The source is being held until `accepts_more`."""
        self._lead.hold()

    def accepts_more(self, *, paused: bool, now: float) -> bool:
        """Should the source continue? Always, if it cannot wait; a recording stays only a little ahead."""
        if paused:
            return not self.is_recording
        if not self.can_wait(now=now):
            return True
        if not self._settings.live and self._buffer.waiting_s >= PULL_S:
            return False
        return self._buffer.free_s > min(PULL_S, self._settings.keep_s / 2)

    def _no_room(self, *, paused: bool) -> str:
        if paused:
            return "The line is paused, and a recording waits until it is resumed: await line.send(...)."
        return (
            f"There is no room: {self._settings.keep_s:g} s of audio wait already. This audio can wait, since it comes "
            "faster than it was spoken: await line.send(...), or use line.transcribe(...)."
        )
