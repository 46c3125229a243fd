"""Parameters and body of /v1/listen, as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS
from caesura.server.rest.listen_parameters import LIVE, RECORDING, RECORDING_BODY


def test_every_parameter_of_the_tables_is_described() -> None:
    assert sorted(each["name"] for each in RECORDING) == sorted([*HONOURED, *RECORDINGS, *NOT_HONOURED, *IGNORED])
    assert sorted(each["name"] for each in LIVE) == sorted([*HONOURED, *NOT_HONOURED, *IGNORED])


def test_parameters_that_may_be_repeated_are_lists() -> None:
    schemas = {parameter["name"]: parameter["schema"] for parameter in RECORDING}
    assert schemas["keyterm"] == {"type": "array", "items": {"type": "string"}, "maxItems": 500}
    assert schemas["diarize"] == {"type": "boolean"}
    assert schemas["model"] == {"type": "string"}


def test_a_recording_is_audio_or_a_url() -> None:
    content: Any = RECORDING_BODY["content"]
    assert content["audio/*"]["schema"]["format"] == "binary"
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/RecordingUrl"}
