"""The live endpoint, as the document of the API describes it."""

from __future__ import annotations

from caesura.protocol.parameters import HONOURED, IGNORED, NOT_HONOURED, RECORDINGS
from caesura.server.rest.listening import listen_paths

PATH = listen_paths()["/v1/listen"]


def test_every_parameter_of_the_tables_is_described() -> None:
    recorded = [parameter["name"] for parameter in PATH["post"]["parameters"]]
    live = [parameter["name"] for parameter in PATH["get"]["parameters"]]
    assert sorted(recorded) == sorted([*HONOURED, *RECORDINGS, *NOT_HONOURED, *IGNORED])
    assert sorted(live) == sorted([*HONOURED, *NOT_HONOURED, *IGNORED])


def test_parameters_that_may_be_repeated_are_lists() -> None:
    schemas = {parameter["name"]: parameter["schema"] for parameter in PATH["post"]["parameters"]}
    assert schemas["keyterm"] == {"type": "array", "items": {"type": "string"}, "maxItems": 500}
    assert schemas["diarize"] == {"type": "boolean"}
    assert schemas["model"] == {"type": "string"}


def test_a_recording_comes_as_audio_or_as_an_address() -> None:
    content = PATH["post"]["requestBody"]["content"]
    assert content["audio/*"]["schema"]["format"] == "binary"
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Url"}
    assert {"400", "401", "402", "413", "429", "503"} <= set(PATH["post"]["responses"])


def test_a_live_stream_is_an_upgrade() -> None:
    assert {"101", "401", "426", "429", "503"} <= set(PATH["get"]["responses"])
