"""An ended request leaves one record and one log line."""

from __future__ import annotations

import json
import logging
from dataclasses import fields
from datetime import UTC, datetime

import pytest

from caesura.ledger.requests import Method, Outcome, RequestRecord
from caesura.server.accounts.session_log import KEPT, SessionLog

RECORD = RequestRecord(
    request_id="01a",
    project_id="p",
    api_key_id=None,
    server_id="s",
    model_uuid="m",
    model_name="name",
    created=datetime(2026, 1, 1, tzinfo=UTC),
    path="/v1/listen",
    method=Method.STREAMING,
    code=101,
    tags=("a",),
    completed=datetime(2026, 1, 1, 0, 0, 40, tzinfo=UTC),
    outcome=Outcome.SUCCEEDED,
    audio_seconds=15.0,
    paused_seconds=20.0,
    close_code=1000,
)


def test_a_record_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    """All its fields are in the line, and nothing else is."""
    with caplog.at_level(logging.INFO, "caesura.session"):
        SessionLog().add(RECORD, binary_control_suspects=2)
    (line,) = caplog.messages
    said = json.loads(line)
    assert said.pop("event") == "session_ended"
    assert (said["audio_seconds"], said["paused_seconds"], said["tags"]) == (15.0, 20.0, ["a"])
    assert said["created"] == "2026-01-01T00:00:00.000Z"
    assert said.pop("binary_control_suspects") == 2
    assert {field.name for field in fields(RequestRecord)} == set(said)


def test_the_newest_log_are_kept() -> None:
    """Memory is bounded."""
    log = SessionLog()
    for _ in range(KEPT + 5):
        log.add(RECORD)
    assert len(log) == KEPT
    assert next(iter(log)) == RECORD
