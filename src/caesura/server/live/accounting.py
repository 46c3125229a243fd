"""Accounting of one live stream: its usage record, its metrics, and the audio for which no final was sent."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime

from caesura.protocol.actions import Send
from caesura.protocol.session import Identity
from caesura.rfc3339 import rfc3339
from caesura.server.accounts.usage_record import ended_stream, started_record
from caesura.server.admission import Admitted
from caesura.server.metrics import Cause, StreamMetrics, StreamUsage
from caesura.server.service import Service, embedder_info

_log = logging.getLogger("caesura.live")


class StreamAccounting:
    """Records one stream in the ledger, the metrics and the log."""

    def __init__(self, service: Service, admitted: Admitted, request_id: str, *, now: float) -> None:
        """Nothing is recorded yet.

        Args:
            service: The service with ledger and metrics.
            admitted: The admitted request.
            request_id: Of the connection.
            now: Monotonic seconds, when it was opened.
        """
        self._service = service
        self._options = admitted.options
        self._opened_at = now
        created = datetime.now(UTC)
        offer = admitted.offer
        self.identity = Identity(
            request_id,
            rfc3339(created),
            offer.model,
            biases=offer.biases,
            diarizer=embedder_info() if admitted.options.diarize else None,
        )
        self._record = started_record(
            admitted.options,
            access=admitted.access,
            request_id=request_id,
            server_id=service.ledger_writer.server_id,
            model=offer.model,
            created=created,
        )
        self.lost_by: Cause | None = None
        """Why accepted audio has no final, if any has none."""
        self._metrics: StreamMetrics | None = None
        self._covered_until: dict[int, float] = {}
        """End of the audio that finals covered, by channel."""
        self._shed = 0

    def begin(self, usage: Callable[[], StreamUsage]) -> None:
        """The stream is open; `usage` returns its usage so far."""
        self._service.ledger_writer.begin_request(self._record)
        self._metrics = self._service.metrics.opened(usage)

    def covered(self, send: Send) -> None:
        """A message went out; if it is a final, its audio is covered."""
        if send.covers is not None and not send.sheddable:
            self._covered_until[send.covers.channel] = send.covers.until_s

    def latency(self, send: Send, seconds: float) -> None:
        """A transcript was sent so long after the last of its audio came."""
        self._service.metrics.sent(final=not send.sheddable, latency_s=seconds)

    def interim_shed(self) -> None:
        """An interim was left out, for the client reads slowly."""
        self._shed += 1
        self._service.metrics.shed.inc()

    def end(self, usage: StreamUsage, *, now: float) -> None:
        """The stream is over; call once."""
        tally, audio_s = usage.tally, usage.audio_s
        if self._shed:
            _log.warning("%s: %d interims left out: the client read slowly", self.identity.request_id, self._shed)
        if self.lost_by is not None:
            channels = range(max(tally.channels, 1))
            covered = min((self._covered_until.get(channel, 0.0) for channel in channels), default=0.0)
            self._service.metrics.lost(self.lost_by, audio_s - covered)
        if self._metrics is not None:
            self._metrics.ended()
        ended = ended_stream(
            self._record,
            self._options,
            tally,
            completed=datetime.now(UTC),
            audio_seconds=audio_s,
            connection_seconds=now - self._opened_at,
        )
        priced = self._service.ledger_writer.end_request(ended)
        self._service.session_log.add(priced, binary_control_suspects=tally.binary_control_suspects)
