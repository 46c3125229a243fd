"""The routes of /v1/listen over HTTP, and their description in the OpenAPI document."""

from __future__ import annotations

from caesura.server.rest.app import create_api
from caesura.server.rest.listen_parameters import LIVE, RECORDING
from caesura.server.service import Service
from tests.server.rest.api import SCRIPTED, ManagementApi, run_story


def test_the_document_describes_recordings_and_live_streams() -> None:
    path = create_api(Service(SCRIPTED)).openapi()["paths"]["/v1/listen"]
    assert path["post"]["parameters"] == RECORDING
    assert path["get"]["parameters"] == LIVE
    assert {"200", "400", "401", "402", "413", "422", "429", "503"} <= set(path["post"]["responses"])
    assert {"101", "401", "426", "429", "503"} <= set(path["get"]["responses"])
    assert path["post"]["responses"]["200"]["content"]["application/json"]["schema"]["anyOf"] == [
        {"$ref": "#/components/schemas/Transcription"},
        {"$ref": "#/components/schemas/CallbackAccepted"},
    ]


def test_a_get_without_an_upgrade_is_refused_with_advice() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.get("/v1/listen")
        assert answer.status_code == 426
        assert answer.json()["request_id"] == answer.headers["dg-request-id"]
        assert answer.json()["err_msg"] == answer.headers["dg-error"]
        assert "cache-control" not in answer.headers
        head = await api.request("HEAD", "/v1/listen")
        assert (head.status_code, head.headers["dg-error"]) == (426, answer.headers["dg-error"])

    run_story(story)


def test_no_recording_is_accepted_before_the_ledger_is_open() -> None:
    async def story(api: ManagementApi) -> None:
        answer = await api.request("POST", "/v1/listen", content=b"RIFF")
        assert (answer.status_code, answer.json()["err_code"]) == (503, "Service Unavailable")
        assert answer.json()["request_id"] == answer.headers["dg-request-id"]

    run_story(story)
