"""Builds the ledger's records of requests: parameters, outcome and billed audio, but never any transcript."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from caesura.ledger.access import Access
from caesura.ledger.requests import Method, Outcome, RequestRecord, callback_origin
from caesura.protocol.closing import RESTART
from caesura.protocol.messages import ModelInfo
from caesura.protocol.options import ListenOptions
from caesura.protocol.session import Tally

SUCCESSFUL_CLOSE_CODES = frozenset({1000, 1001, 1005})
"""Close codes of streams that ended as intended: finished, or closed by the client without an error."""
SWITCHES = (
    "multichannel",
    "interim_results",
    "vad_events",
    "punctuate",
    "smart_format",
    "numerals",
    "dictation",
    "filler_words",
    "profanity_filter",
    "redact",
    "replace",
    "search",
    "keywords",
    "diarize",
    "no_delay",
    "utterances",
    "paragraphs",
    "detect_language",
    "callback",
)
"""Options that are recorded as features when they are on, under the names of their parameters."""


def started_record(
    options: ListenOptions,
    *,
    access: Access,
    request_id: str,
    server_id: str,
    model: ModelInfo,
    created: datetime,
    recording: bool = False,
    path: str = "/v1/listen",
) -> RequestRecord:
    """The record of a request that begins. `path` must not contain the query, which may contain secrets.

    Recordings have the method `sync`, or `async` with a callback, and the code 200 until another is known.
    """
    return RequestRecord(
        request_id=request_id,
        project_id=access.project_id,
        api_key_id=access.api_key_id,
        server_id=server_id,
        model_uuid=model.uuid,
        model_name=model.name,
        created=created,
        path=path,
        method=_method(options, recording),
        code=200 if recording else 101,
        tags=tuple(dict.fromkeys((*options.tags, *access.tags))),
        features=features(options),
        config=config(options),
        callback=None if options.callback is None else callback_origin(options.callback),
    )


def ended_stream(
    record: RequestRecord,
    options: ListenOptions,
    tally: Tally,
    *,
    completed: datetime,
    audio_seconds: float,
    connection_seconds: float,
) -> RequestRecord:
    """The record of a stream that ended; with `multichannel` each channel is billed."""
    return replace(
        record,
        completed=completed,
        outcome=_outcome(tally),
        audio_seconds=round(audio_seconds, 6),
        channels=tally.channels,
        billed_seconds=_billed(options, audio_seconds, tally.channels),
        connection_seconds=round(connection_seconds, 3),
        paused_seconds=round(tally.paused_seconds, 3),
        keepalive_count=tally.keepalive_count,
        bytes_in=tally.bytes_in,
        close_code=tally.close_code,
        close_reason=tally.close_reason,
    )


def ended_recording(
    record: RequestRecord,
    options: ListenOptions,
    *,
    completed: datetime,
    code: int,
    audio_seconds: float = 0.0,
    channels: int = 0,
    bytes_in: int = 0,
) -> RequestRecord:
    """The record of a recording that was answered with the HTTP status `code`; one refused is not billed."""
    return replace(
        record,
        completed=completed,
        code=code,
        outcome=Outcome.SUCCEEDED if code < 400 else Outcome.FAILED,
        audio_seconds=round(audio_seconds, 6),
        channels=channels,
        billed_seconds=_billed(options, audio_seconds, channels) if code < 400 else 0.0,
        connection_seconds=round((completed - record.created).total_seconds(), 3),
        bytes_in=bytes_in,
    )


def features(options: ListenOptions) -> tuple[str, ...]:
    """Names of the features that are on, sorted, without their values, which may be private."""
    found = [name for name in SWITCHES if getattr(options, name)]
    if options.keyterms:
        found.append("keyterm")
    if options.utterance_end_ms is not None:
        found.append("utterance_end_ms")
    return tuple(sorted(found))


def config(options: ListenOptions) -> dict[str, object]:
    """Parameters that are not switches; for terms, searches and replacements only their number."""
    found: dict[str, object] = {
        "model": options.model,
        "language": options.language,
        "version": options.version,
        "encoding": options.encoding,
        "sample_rate": options.sample_rate,
        "channels": options.channels if options.encoding is not None else None,
        "endpointing": options.endpointing_ms,
        "utterance_end_ms": options.utterance_end_ms,
        "redact": list(options.redact),
        "keyterm": len(options.keyterms),
        "keywords": len(options.keywords),
        "search": len(options.search),
        "replace": len(options.replace),
    }
    return {name: value for name, value in found.items() if value not in (None, 0, [])}


def _outcome(tally: Tally) -> Outcome:
    """Outcome of a stream.

    Closed by this server for a restart it is a success; closed by the client with that code it is not.
    """
    restarted = tally.close_code == RESTART.code and not tally.closed_by_client
    return Outcome.SUCCEEDED if restarted or tally.close_code in SUCCESSFUL_CLOSE_CODES else Outcome.FAILED


def _method(options: ListenOptions, recording: bool) -> Method:
    if not recording:
        return Method.STREAMING
    return Method.SYNC if options.callback is None else Method.ASYNC


def _billed(options: ListenOptions, audio_seconds: float, channels: int) -> float:
    return round(audio_seconds * (max(channels, 1) if options.multichannel else 1), 6)
