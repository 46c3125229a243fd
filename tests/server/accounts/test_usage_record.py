"""Records of requests, made from the options and the end of the request."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from caesura.ledger.access import Access
from caesura.ledger.requests import Method, Outcome, RequestRecord
from caesura.protocol.closing import RESTART
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Tally
from caesura.server.accounts.usage_record import config, ended_recording, ended_stream, features, started_record
from tests.ledger.rows import NOW

ACCESS = Access("project", "key", frozenset(), ("phone",))
MODEL = ModelInfo("uuid", "moonshine", "1", "arch")
SECRET = ListenOptions(
    redact=("pci",),
    replace=(("hush", "money"),),
    search=("hush",),
    keyterms=("hush",),
    keywords=(("hush", 2.0),),
    extra={"hush": "hush"},
    callback="https://hush:hush@example.com/hush?hush=1",
)


def begun(options: ListenOptions, **changed: Any) -> RequestRecord:
    values: dict[str, Any] = {
        "access": ACCESS,
        "request_id": "id",
        "server_id": "server",
        "model": MODEL,
        "created": NOW,
    }
    return started_record(options, **values | changed)


def over(options: ListenOptions, *, audio_seconds: float = 30.0, **tally: Any) -> RequestRecord:
    counted: dict[str, Any] = {
        "channels": 2,
        "paused_seconds": 20.0,
        "keepalive_count": 4,
        "bytes_in": 1000,
        "close_code": 1000,
    }
    completed = NOW + timedelta(seconds=60)
    ended = Tally(**counted | tally)
    return ended_stream(
        begun(options), options, ended, completed=completed, audio_seconds=audio_seconds, connection_seconds=60.0
    )


def test_a_stream_begins_open_with_the_code_of_its_upgrade_and_the_tags_of_both() -> None:
    entry = begun(ListenOptions(tags=("call", "phone")))
    assert (entry.method, entry.code, entry.outcome, entry.completed) == (Method.STREAMING, 101, Outcome.OPEN, None)
    assert (entry.project_id, entry.api_key_id, entry.server_id) == ("project", "key", "server")
    assert (entry.model_uuid, entry.model_name, entry.path) == ("uuid", "moonshine", "/v1/listen")
    assert entry.tags == ("call", "phone")


def test_a_recording_is_sync_and_async_when_it_is_called_back() -> None:
    assert begun(ListenOptions(), recording=True).method is Method.SYNC
    assert begun(ListenOptions(callback="https://example.com/x"), recording=True).method is Method.ASYNC
    assert begun(ListenOptions(callback="https://example.com/x")).method is Method.STREAMING


def test_nothing_private_gets_into_a_record() -> None:
    entry = begun(SECRET)
    assert "hush" not in repr(entry)
    assert entry.callback == "https://example.com"
    assert entry.config == {
        "model": "nova-3",
        "language": "en",
        "version": "latest",
        "endpointing": 10,
        "redact": ["pci"],
        "keyterm": 1,
        "keywords": 1,
        "search": 1,
        "replace": 1,
    }


def test_features_are_the_parameters_that_are_on() -> None:
    options = ListenOptions(interim_results=True, diarize=True, keyterms=("x",), utterance_end_ms=1000, punctuate=True)
    assert features(options) == ("diarize", "interim_results", "keyterm", "punctuate", "utterance_end_ms")
    assert features(ListenOptions()) == ()
    assert features(SECRET) == ("callback", "keyterm", "keywords", "redact", "replace", "search")


def test_the_form_of_the_audio_is_reported_where_it_was_declared() -> None:
    raw = config(ListenOptions(encoding="linear16", sample_rate=16_000, channels=2, endpointing_ms=None))
    assert (raw["encoding"], raw["sample_rate"], raw["channels"]) == ("linear16", 16_000, 2)
    assert "endpointing" not in raw
    assert "channels" not in config(ListenOptions())


@pytest.mark.parametrize(("multichannel", "channels", "billed"), [(False, 2, 30.0), (True, 2, 60.0), (True, 0, 30.0)])
def test_channels_are_billed_each_where_they_are_transcribed_separately(
    multichannel: bool, channels: int, billed: float
) -> None:
    assert over(ListenOptions(multichannel=multichannel), channels=channels).billed_seconds == billed


@pytest.mark.parametrize(
    ("close_code", "outcome"),
    [
        (1000, Outcome.SUCCEEDED),
        (1001, Outcome.SUCCEEDED),
        (1005, Outcome.SUCCEEDED),
        (1006, Outcome.FAILED),
        (1008, Outcome.FAILED),
        (1011, Outcome.FAILED),
        (None, Outcome.FAILED),
    ],
)
def test_how_a_stream_ended_is_read_from_its_close(close_code: int | None, outcome: Outcome) -> None:
    assert over(ListenOptions(), close_code=close_code).outcome is outcome


def test_a_restart_of_the_server_is_a_success_and_a_client_that_closes_with_its_code_is_not() -> None:
    restarted = over(ListenOptions(), close_code=RESTART.code, close_reason=RESTART.reason)
    assert restarted.outcome is Outcome.SUCCEEDED
    closed_by_client = over(ListenOptions(), close_code=RESTART.code, closed_by_client=True)
    assert closed_by_client.outcome is Outcome.FAILED


def test_the_end_keeps_the_fields_of_the_beginning() -> None:
    options = ListenOptions(tags=("x",))
    entry, end = begun(options), over(options, close_reason="why")
    assert (end.keepalive_count, end.bytes_in, end.close_reason) == (4, 1000, "why")
    assert (end.connection_seconds, end.paused_seconds) == (60.0, 20.0)
    assert replace(end, **{name: getattr(entry, name) for name in ENDING}) == entry


ENDING = (
    "completed",
    "outcome",
    "audio_seconds",
    "channels",
    "billed_seconds",
    "connection_seconds",
    "paused_seconds",
    "keepalive_count",
    "bytes_in",
    "close_code",
    "close_reason",
)


def test_a_recording_is_billed_when_it_was_answered_and_not_when_it_was_refused() -> None:
    options = ListenOptions(multichannel=True)
    entry = begun(options, recording=True)
    until = NOW + timedelta(seconds=2)
    done = ended_recording(entry, options, completed=until, code=200, audio_seconds=30.0, channels=2, bytes_in=7)
    assert (done.outcome, done.billed_seconds, done.connection_seconds, done.bytes_in) == (
        Outcome.SUCCEEDED,
        60.0,
        2.0,
        7,
    )
    failed = ended_recording(entry, options, completed=until, code=400, audio_seconds=30.0, channels=2)
    assert (failed.outcome, failed.billed_seconds, failed.code) == (Outcome.FAILED, 0.0, 400)
