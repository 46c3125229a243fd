"""Routes for operators: health, readiness, status, metrics and the OpenAPI document, none of which needs a key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from caesura.server.rest.auth import CurrentRecordings, CurrentService
from caesura.server.rest.response_models import Alive, Readiness, ServerStatus

router = APIRouter(tags=["operation"])

Handler = TypeVar("Handler", bound=Callable[..., Any])

NO_KEY: Final[dict[str, Any]] = {"security": []}


def _route(path: str, **described: Any) -> Callable[[Handler], Handler]:
    """Register a route for GET, which is in the OpenAPI document, and for HEAD, which is not."""

    def register(handler: Handler) -> Handler:
        router.add_api_route(path, handler, operation_id=handler.__name__, openapi_extra=NO_KEY, **described)
        router.add_api_route(path, handler, methods=["HEAD"], include_in_schema=False, **described)
        return handler

    return register


@_route("/v1/status", response_description="The state of the server.")
async def status(service: CurrentService, recordings: CurrentRecordings) -> ServerStatus:
    """State of the server."""
    return ServerStatus(
        system_health="Healthy" if service.ready else "Initializing",
        active_batch_requests=recordings.count,
        active_stream_requests=service.live,
        active_listen_v2_stream_requests=0,
        stream_capacity=service.room,
    )


@_route("/healthz", response_description="It is alive.")
async def healthz() -> Alive:
    """Whether the process is alive."""
    return Alive(status="ok")


@_route(
    "/readyz",
    response_description="Streams can be served.",
    responses={503: {"description": "Streams cannot be served yet.", "model": Readiness}},
)
async def readyz(
    response: Response,
    service: CurrentService,
    room: Annotated[
        str | None, Query(description="If given, with any value, a server that is full is not ready either.")
    ] = None,
) -> Readiness:
    """Whether streams can be served now."""
    service.polled()
    reason = service.unready or ("full" if room is not None and service.full else None)
    if reason is not None:
        response.status_code = 503
    engines = [engine.model.name for engine in service.engines]
    return Readiness(ready=reason is None, engines=engines, reason=reason)


@_route("/metrics", response_description="All metrics.", response_class=PlainTextResponse)
async def metrics(request: Request, service: CurrentService) -> Response:
    """Metrics for Prometheus."""
    body, content_type = service.metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"content-type": content_type})


@_route("/openapi.json", response_description="The document.", response_model=dict[str, object])
async def openapi(request: Request) -> Response:
    """This document."""
    return JSONResponse(request.app.openapi(), headers={"cache-control": "no-store"})
