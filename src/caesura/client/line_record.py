"""Record of a line: its finals, gaps, connections and times, from which stats and transcript are made. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from caesura.client.events import Final, Gap, Stats, Transcript
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
        self._finals: list[Final] = []
        self._gaps: list[Gap] = []
        self._request_ids: deque[str] = deque(maxlen=REQUEST_IDS)
        self._connected_s = 0.0
        self._keepalives = 0
        self._provider_s: float | None = None
        self.connections = 0
        self.paused_s = 0.0
        """Time in pauses that have ended."""
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

    def add_final(self, final: Final) -> None:
        """A final was emitted."""
        if self._keep_transcript:
            self._finals.append(replace(final, raw=""))

    def add_gap(self, gap: Gap) -> None:
        """Audio was lost."""
        joined = self._gaps[-1].joined(gap) if self._gaps else None
        if joined is None:
            self._gaps.append(gap)
        else:
            self._gaps[-1] = joined

    def add_metadata(self, raw: str, seconds: float) -> None:
        """A Metadata message came, which counts `seconds` of audio."""
        self.metadata = raw
        self._provider_s = (self._provider_s or 0.0) + seconds

    def stats(self, buffer: SendBuffer, session: ClientSession | None, *, paused_s: float, now: float) -> Stats:
        """Counters of the line; `paused_s` is the length of the open pause, 0 without one."""
        counts, seconds = buffer.counts, buffer.seconds
        return Stats(
            connected_s=self._connected_s + (now - session.opened_at if session else 0.0),
            paused_s=self.paused_s + paused_s,
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
