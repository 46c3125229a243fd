"""Request records for tests, as a server would write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from caesura.ledger.projects import DEFAULT_PROJECT_ID
from caesura.ledger.requests import Method, Outcome, RequestRecord

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def opened(number: int = 0, **changed: Any) -> RequestRecord:
    """A stream that began `number` seconds after NOW."""
    values: dict[str, Any] = {
        "request_id": f"00000000-0000-7000-8000-{number:012}",
        "project_id": DEFAULT_PROJECT_ID,
        "api_key_id": "11111111-0000-4000-8000-000000000001",
        "server_id": "22222222-0000-4000-8000-000000000001",
        "model_uuid": "33333333-0000-4000-8000-000000000001",
        "model_name": "scripted",
        "created": NOW + timedelta(seconds=number),
        "path": "/v1/listen",
        "method": Method.STREAMING,
        "code": 101,
        "tags": ("night", "call"),
        "features": ("interim_results", "punctuate"),
        "config": {"model": "nova-3", "language": "en"},
    }
    return RequestRecord(**values | changed)


def ended(number: int = 0, **changed: Any) -> RequestRecord:
    """The same, ended a minute later: 30 s of audio and 20 s of pause."""
    values: dict[str, Any] = {
        "completed": NOW + timedelta(seconds=number + 60),
        "outcome": Outcome.SUCCEEDED,
        "audio_seconds": 30.0,
        "channels": 1,
        "billed_seconds": 30.0,
        "connection_seconds": 60.0,
        "paused_seconds": 20.0,
        "keepalive_count": 4,
        "bytes_in": 960_000,
        "close_code": 1000,
        "usd": 0.0024,
        "saved_usd": 0.0016,
    }
    return opened(number, **values | changed)
