"""An ended session leaves one record and one log line."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, fields

import pytest

from caesura.server.records import KEPT, Records, SessionRecord

RECORD = SessionRecord(
    request_id="01a",
    project="p",
    key_id=None,
    tags=("a",),
    model_uuid="m",
    created="2026-01-01T00:00:00.000Z",
    completed="2026-01-01T00:00:40.000Z",
    code=101,
    method="streaming",
    audio_seconds=15.0,
    channels=1,
    billed_seconds=15.0,
    connection_seconds=35.0,
    paused_seconds=20.0,
    keepalive_count=5,
    bytes_in=480000,
    binary_control_suspects=0,
    close_code=1000,
    close_reason="",
)


def test_a_record_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    """All its fields are in the line, and nothing else is."""
    with caplog.at_level(logging.INFO, "caesura.session"):
        Records().add(RECORD)
    (line,) = caplog.messages
    said = json.loads(line)
    assert said.pop("event") == "session_ended"
    assert said == {**asdict(RECORD), "tags": ["a"]}
    assert {field.name for field in fields(SessionRecord)} == set(said)


def test_the_newest_records_are_kept() -> None:
    """Memory is bounded."""
    records = Records()
    for _ in range(KEPT + 5):
        records.add(RECORD)
    assert len(records) == KEPT
    assert next(iter(records)) == RECORD
