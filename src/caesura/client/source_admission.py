"""Decides whether the source of a line can wait, and how much of its audio is accepted now. Pure."""

from __future__ import annotations

from caesura.client.backlog import MAX_WAITING
from caesura.client.lead import Lead
from caesura.client.line_settings import LineSettings
from caesura.client.send_buffer import SendBuffer
from caesura.errors import UsageError

PULL_S = 2.0
"""How far a recording is read ahead of what was sent."""
CONTAINER_BYTES_PER_S = 192_000
"""A container that comes faster than this (16 bit, stereo, 48 kHz) is a recording; its seconds cannot be counted."""


class SourceAdmission:
    """A source is live until it is declared to be a recording, or comes faster than live audio can."""

    def __init__(self, settings: LineSettings, buffer: SendBuffer) -> None:
        pcm = settings.pcm
        self._settings = settings
        self._buffer = buffer
        self._lead = Lead()
        self._bytes_per_s = pcm.frame_bytes * pcm.sample_rate if pcm else CONTAINER_BYTES_PER_S
        self.is_recording = not settings.live
        """Was it declared to be a recording? Then it waits in pauses."""

    def can_wait(self, data: bytes = b"", *, now: float) -> bool:
        """Is the source a recording: declared as one, or further ahead of the clock than live audio can be?

        `data` is audio that it has just sent, too.
        """
        seconds = len(data) / self._bytes_per_s
        if self.is_recording or self._buffer.sends_waiting or seconds > self._settings.keep_s:
            return True
        return self._lead.outruns_clock(seconds, now=now)

    def check_room(self, *, queue: bool, paused: bool) -> None:
        """Raises UsageError when nothing of a recording's chunk is accepted now.

        There must be room for part of it; with `queue` it may also wait behind other sends.
        """
        waiting = self._buffer.sends_waiting
        if queue and waiting < MAX_WAITING:
            return
        if waiting or self._buffer.free_s <= 0:
            raise UsageError(self._no_room(paused=paused))

    def add(self, data: bytes, *, now: float) -> None:
        """`data` was accepted."""
        self._lead.add(len(data) / self._bytes_per_s, now=now)

    def hold(self) -> None:
        """The source is being held until `accepts_more`."""
        self._lead.hold()

    def accepts_more(self, *, paused: bool, now: float) -> bool:
        """Should the source continue? Always, if it cannot wait; a recording stays only a little ahead."""
        if not self.can_wait(now=now):
            return True
        if self.is_recording and paused:
            return False
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
