"""Log of ended requests: one JSON line each, and the newest kept in memory."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict

from caesura.ledger.requests import RequestRecord
from caesura.rfc3339 import rfc3339

_log = logging.getLogger("caesura.session")

KEPT = 1000


class SessionLog:
    """The newest records of ended requests; older ones are in the ledger and in the log."""

    def __init__(self) -> None:
        self._kept: deque[RequestRecord] = deque(maxlen=KEPT)

    def add(self, record: RequestRecord, **counts: int) -> None:
        """Keep a record and log it, with `counts`, as one JSON line. Neither holds any spoken word."""
        self._kept.append(record)
        _log.info("%s", json.dumps({"event": "session_ended", **asdict(record), **counts}, default=rfc3339))

    def __iter__(self) -> Iterator[RequestRecord]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
