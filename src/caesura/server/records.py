"""Ended sessions in; one structured log line and one in-memory record each out."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass

_log = logging.getLogger("caesura.session")

KEPT = 1000


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """What one live connection used. Billing counts decoded audio only; paused time costs nothing."""

    request_id: str
    project: str
    key_id: str | None
    tags: tuple[str, ...]
    model_uuid: str
    created: str
    completed: str
    code: int
    method: str
    audio_seconds: float
    channels: int
    billed_seconds: float
    connection_seconds: float
    paused_seconds: float
    keepalive_count: int
    bytes_in: int
    binary_control_suspects: int
    close_code: int | None
    close_reason: str


class Records:
    """The newest records; older ones are in the log."""

    def __init__(self) -> None:
        self._kept: deque[SessionRecord] = deque(maxlen=KEPT)

    def add(self, record: SessionRecord) -> None:
        """Keep a record and log it as one JSON line."""
        self._kept.append(record)
        _log.info("%s", json.dumps({"event": "session_ended", **asdict(record)}))

    def __iter__(self) -> Iterator[SessionRecord]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
