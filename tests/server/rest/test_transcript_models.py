"""Models of the response to a recording, compared with real responses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from caesura.events import Hit, Search
from caesura.protocol.messages import ModelInfo
from caesura.protocol.recording_json import RecordingChannel, RecordingResponse, write_accepted, write_recording
from caesura.server.rest.transcript_models import CallbackAccepted, RecordingUrl, Transcription
from caesura.words import Word

MODEL = ModelInfo("00000000-0000-4000-8000-0000000000aa", "general-local", "2026-01-01.0", "local")
ID = "01a00000-0000-7000-8000-000000000001"
WORDS = (Word("Yes.", 0.0, 0.4, 0.8, 0), Word("No!", 0.6, 0.9, 0.9, 1, 0.8, "en"))
EVERYTHING = RecordingResponse(
    request_id=ID,
    sha256="ab" * 32,
    created="2026-01-01T00:00:00.000Z",
    duration=3.2,
    channels=(
        RecordingChannel(
            WORDS, (Search("no", (Hit(0.9, 0.6, 0.9, "No!"),)),), "en", language_confidence=0.9, languages=("en",)
        ),
        RecordingChannel(()),
    ),
    model=MODEL,
    punctuate=True,
    paragraphs=True,
    utterance_gap_s=0.1,
    diarizer=MODEL,
    tags=("a",),
    extra={"k": "v"},
)
PLAIN = RecordingResponse(ID, "ab" * 32, "2026-01-01T00:00:00.000Z", 3.2, (RecordingChannel(WORDS[:1]),), MODEL)


@pytest.mark.parametrize("answer", [EVERYTHING, PLAIN])
def test_every_field_that_is_written_is_described(answer: RecordingResponse) -> None:
    written = json.loads(write_recording(answer))
    assert Transcription.model_validate(written).model_dump(exclude_unset=True) == written


def test_the_response_to_a_request_with_callback_is_described() -> None:
    written = json.loads(write_accepted(ID))
    assert CallbackAccepted.model_validate(written).model_dump() == written


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        (Transcription, {"metadata": {}}),
        (Transcription, json.loads(write_recording(PLAIN)) | {"results": {"channels": [{"alternatives": [{}]}]}}),
        (CallbackAccepted, {}),
        (RecordingUrl, {"url": 1}),
    ],
)
def test_invalid_values_are_refused_by_the_models(shape: type[BaseModel], said: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        shape.model_validate(said)
