"""The models that run."""

from __future__ import annotations

from dataclasses import replace

from caesura.server.rest.models import stt_model
from caesura.server.service import Service
from caesura.server.settings import Settings
from tests.server.rest.api import HERE, NOWHERE, SCRIPTED, ManagementApi, run_story

FIELDS = {
    "name",
    "canonical_name",
    "architecture",
    "languages",
    "version",
    "uuid",
    "batch",
    "streaming",
    "formatted_output",
}


def test_every_engine_that_runs_is_a_model() -> None:
    async def story(api: ManagementApi) -> None:
        for path in ("/v1/models", f"{HERE}/models", "/v1/models?include_outdated=true"):
            listed = (await api.get(path)).json()
            assert [model["name"] for model in listed["stt"]] == ["scripted", "moonshine-tiny-en"]
            assert listed["tts"] == []
            assert all(set(model) == FIELDS for model in listed["stt"])

    run_story(story, settings=Settings(engines=("scripted", "moonshine")))


def test_a_model_has_the_id_that_results_name() -> None:
    async def story(api: ManagementApi) -> None:
        uuid = Service(SCRIPTED).engines[0].model.uuid
        for path in (f"/v1/models/{uuid}", f"{HERE}/models/{uuid.upper()}"):
            model = (await api.get(path)).json()
            assert (model["uuid"], model["name"], model["languages"]) == (uuid, "scripted", ["en"])

    run_story(story)


def test_a_model_that_does_not_run_is_not_there() -> None:
    async def story(api: ManagementApi) -> None:
        for path in (f"/v1/models/{NOWHERE}", f"{HERE}/models/{NOWHERE}"):
            answer = await api.get(path)
            assert (answer.status_code, answer.json()["category"]) == (404, "NOT_FOUND")

    run_story(story)


def test_a_key_without_any_scope_for_projects_may_see_models() -> None:
    async def story(api: ManagementApi) -> None:
        key = await api.secret("usage:write")
        assert (await api.get("/v1/models", key=key)).status_code == 200
        assert (await api.get("/v1/models?include_outdated=maybe", key=key)).status_code == 400

    run_story(story)


def test_figures_are_written_in_english_only() -> None:
    engine = Service(SCRIPTED).engines[0]
    german = replace(engine, info=replace(engine.info, languages=("de",)))
    assert stt_model(engine).formatted_output
    assert not stt_model(german).formatted_output
