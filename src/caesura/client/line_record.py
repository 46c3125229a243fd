"""Record of a line: its events, and what stats and transcript are made from: finals, gaps, connections, times. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from caesura.client.events import Event, Final, Gap, Stats, Transcript
from caesura.client.send_buffer import SendBuffer
from caesura.errors import CaesuraError
from caesura.protocol.client_session import ClientSession

REQUEST_IDS = 32
"""Number of connections whose ids are remembered."""


class LineRecord:
    """What happened on one line so far."""

    def __init__(self, *, keep_transcript: bool) -> None:
        """`keep_transcript` False: finals are not kept."""
        self._keep_transcript = keep_transcript
        self._events: list[Event] = []
        self._finals: list[Final] = []
        self._gaps: list[Gap] = []
        self._request_ids: deque[str] = deque(maxlen=REQUEST_IDS)
        self._connected_s = 0.0
        self._keepalives = 0
        self._provider_s: float | None = None
        self._paused_s = 0.0
        """Time in pauses that have ended."""
        self._paused_at: float | None = None
        self.connections = 0
        self.metadata = ""
        """The server's newest Metadata message."""
        self.is_complete = False
        """Has the server sent everything?"""
        self.error: CaesuraError | None = None

    @property
    def request_id(self) -> str:
        """Id of the newest connection; "" when it has none."""
        return self._request_ids[-1] if self._request_ids else ""

    def add_connection(self, request_id: str) -> int:
        """A connection was opened; returns its number, counted from 0."""
        if request_id:
            self._request_ids.append(request_id)
        self.connections += 1
        return self.connections - 1

    def end_connection(self, session: ClientSession, *, now: float) -> None:
        """The connection of `session` has ended."""
        self._connected_s += now - session.opened_at
        self._keepalives += session.keepalives

    @property
    def paused(self) -> bool:
        """Whether a pause has begun and not ended."""
        return self._paused_at is not None

    def begin_pause(self, *, now: float) -> None:
        """A pause begins."""
        self._paused_at = now

    def end_pause(self, *, now: float) -> float:
        """The pause ends, if there is one; returns its length in seconds."""
        seconds = 0.0 if self._paused_at is None else now - self._paused_at
        self._paused_at = None
        self._paused_s += seconds
        return seconds

    def emit(self, event: Event) -> None:
        """Keep an event for the user; a final and a gap for the transcript too."""
        self._events.append(event)
        if isinstance(event, Gap):
            self._add_gap(event)
        elif isinstance(event, Final) and self._keep_transcript:
            self._finals.append(replace(event, raw=""))

    def events(self) -> list[Event]:
        """The events since the last call, in order; each is returned once."""
        events, self._events = self._events, []
        return events

    def _add_gap(self, gap: Gap) -> None:
        joined = self._gaps[-1].joined(gap) if self._gaps else None
        if joined is None:
            self._gaps.append(gap)
        else:
            self._gaps[-1] = joined

    def add_metadata(self, raw: str, seconds: float) -> None:
        """A Metadata message came, which counts `seconds` of audio."""
        self.metadata = raw
        self._provider_s = (self._provider_s or 0.0) + seconds

    def stats(self, buffer: SendBuffer, session: ClientSession | None, *, now: float) -> Stats:
        """Counters of the line; `session` is that of the open connection, if there is one."""
        counts, seconds = buffer.counts, buffer.seconds
        return Stats(
            connected_s=self._connected_s + (now - session.opened_at if session else 0.0),
            paused_s=self._paused_s + (0.0 if self._paused_at is None else now - self._paused_at),
            captured_s=seconds(counts.captured),
            audio_sent_s=seconds(counts.sent),
            replayed_s=seconds(counts.replayed),
            skipped_s=seconds(counts.skipped),
            lost_s=seconds(counts.lost),
            keepalives=self._keepalives + (session.keepalives if session else 0),
            connections=self.connections,
            reconnects=max(self.connections - 1, 0),
            provider_s=self._provider_s,
            request_ids=tuple(self._request_ids),
        )

    def transcript(self, stats: Stats) -> Transcript:
        """Everything transcribed so far."""
        complete = self.is_complete and not self._gaps
        return Transcript(tuple(self._finals), tuple(self._gaps), stats, complete, self.error)
