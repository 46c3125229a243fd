"""Routes for the models that clients can choose, which are those of the running engines."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from caesura.server.rest.auth import CurrentService, Id, Manager, ProjectToRead
from caesura.server.rest.errors import error_responses, failed, not_found
from caesura.server.rest.request_models import ModelsQuery, NoQuery
from caesura.server.rest.response_models import Models, SttModel
from caesura.server.service import LoadedEngine, Service

router = APIRouter(tags=["models"])


def stt_model(engine: LoadedEngine) -> SttModel:
    """An engine as a model of the wire."""
    return SttModel(
        name=engine.model.name,
        canonical_name=engine.model.name,
        architecture=engine.model.arch,
        languages=list(engine.info.languages),
        version=engine.model.version,
        uuid=engine.model.uuid,
        batch=True,
        streaming=True,
        # Numbers, dates and amounts are written as figures in English only.
        formatted_output="en" in engine.info.languages,
    )


@router.get("/v1/models", name="list", responses=error_responses(ids=False))
async def list_models(_: Manager, service: CurrentService, __: Annotated[ModelsQuery, Query()]) -> Models:
    """Every model that runs."""
    return _all(service)


@router.get("/v1/models/{model_id}", name="get", responses=error_responses())
async def get_model(_: Manager, model_id: Id, service: CurrentService, __: Annotated[NoQuery, Query()]) -> SttModel:
    """One model."""
    return _one(service, model_id)


@router.get("/v1/projects/{project_id}/models", name="list_of_project", responses=error_responses())
async def list_project_models(_: ProjectToRead, service: CurrentService, __: Annotated[ModelsQuery, Query()]) -> Models:
    """Every model that the project may use, which are all that run."""
    return _all(service)


@router.get("/v1/projects/{project_id}/models/{model_id}", name="get_of_project", responses=error_responses())
async def get_project_model(
    _: ProjectToRead, model_id: Id, service: CurrentService, __: Annotated[NoQuery, Query()]
) -> SttModel:
    """One model that the project may use."""
    return _one(service, model_id)


def _all(service: Service) -> Models:
    return Models(stt=[stt_model(engine) for engine in service.engines], tts=[])


def _one(service: Service, model_id: str) -> SttModel:
    for engine in service.engines:
        if engine.model.uuid == model_id:
            return stt_model(engine)
    raise failed(not_found("No model of that id runs here: GET /v1/models lists those that do."))
