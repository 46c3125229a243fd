"""Ended requests in; one structured log line each out, and the newest of them kept."""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict

from caesura.ledger.columns import rfc3339
from caesura.ledger.requests import Request

_log = logging.getLogger("caesura.session")

KEPT = 1000


class Records:
    """The newest records; the others are in the ledger and in the log."""

    def __init__(self) -> None:
        self._kept: deque[Request] = deque(maxlen=KEPT)

    def add(self, record: Request, **counts: int) -> None:
        """Keep a record and log it, with `counts`, as one JSON line; it holds nothing that was said."""
        self._kept.append(record)
        _log.info("%s", json.dumps({"event": "session_ended", **asdict(record), **counts}, default=rfc3339))

    def __iter__(self) -> Iterator[Request]:
        return iter(tuple(self._kept))

    def __len__(self) -> int:
        return len(self._kept)
