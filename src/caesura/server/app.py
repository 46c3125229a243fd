"""HTTP and WebSocket requests in, answers out: routes, refusals before the upgrade, and the lifespan of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from caesura.protocol.closing import Refusal
from caesura.server.admission import admit_stream
from caesura.server.auth import present
from caesura.server.entries import config, features
from caesura.server.live.connection import LiveConnection
from caesura.server.origin_guard import OriginGuard
from caesura.server.recording_ask import Limits
from caesura.server.recordings import Recordings
from caesura.server.refusal import refusal_response
from caesura.server.request_id import new_request_id
from caesura.server.rest.app import create_api
from caesura.server.service import Service
from caesura.server.submitting import submit

_log = logging.getLogger("caesura.live")

NO_UPGRADE = Refusal(
    426, "UPGRADE_REQUIRED", "Connect to this endpoint with a WebSocket for live speech, or POST a recording to it."
)
NOT_FOUND = Refusal(404, "NOT_FOUND", "No WebSocket is served here: live speech goes to /v1/listen.")


def create_app(
    service: Service,
    *,
    on_ready: Callable[[], None] = lambda: None,
    on_failure: Callable[[Exception], None] | None = None,
) -> Starlette:
    """The ASGI application around `service`, which it starts and stops.

    It answers at once; `/readyz` and live connections wait until the engine is loaded, of which `on_ready` is told.
    A service that cannot start is told to `on_failure`.
    """
    routes = _Routes(service)

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async def start() -> None:
            try:
                await service.start()
            except Exception as error:
                if on_failure is None:
                    raise
                on_failure(error)
            else:
                on_ready()

        starting = asyncio.create_task(start())
        try:
            yield
        finally:
            starting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await starting
            await routes.recordings.stop()
            await service.stop()

    return Starlette(
        routes=[
            WebSocketRoute("/v1/listen", routes.listen),
            WebSocketRoute("/{anywhere:path}", routes.no_such_line),
            Route("/v1/listen", routes.no_upgrade, methods=["GET"]),
            Route("/v1/listen", routes.recording, methods=["POST"]),
            Route("/v1/status", routes.status),
            Route("/healthz", routes.healthz),
            Route("/readyz", routes.readyz),
            Route("/metrics", routes.metrics),
            Mount("/", create_api(service)),
        ],
        middleware=[Middleware(OriginGuard, service=service)],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _broken},
    )


class _Routes:
    """What is served beside the management routes."""

    def __init__(self, service: Service) -> None:
        self._service = service
        settings = service.settings
        self.recordings = Recordings(
            Limits(
                most_bytes=settings.max_recording_bytes,
                most_at_once=settings.max_recordings,
                stall_timeout_s=settings.stall_timeout_s,
            ),
            service.shutdown,
        )

    async def listen(self, websocket: WebSocket) -> None:
        """Refuse with an HTTP answer, or accept and run the connection."""
        service = self._service
        request_id = new_request_id()
        credential = present(websocket.headers.get("authorization"), websocket.scope.get("subprotocols", []))
        verdict = await admit_stream(service, credential, websocket.scope["query_string"], request_id=request_id)
        if isinstance(verdict, Refusal):
            service.metrics.refused(verdict.status)
            _log.info("%s: refused with %d: %s", request_id, verdict.status, verdict.logged)
            await websocket.send_denial_response(refusal_response(verdict, request_id))
            return
        asked = ", ".join((*config(verdict.options), *features(verdict.options)))
        _log.debug("%s: opened by key %s with %s", request_id, verdict.access.api_key_id, asked)
        headers = {"dg-request-id": request_id, "dg-project-id": verdict.access.project_id}
        connection = LiveConnection(websocket, service, verdict, request_id=request_id)
        try:
            with service.holding(connection, verdict.access.api_key_id):
                await websocket.accept(credential.echo, [(k.encode(), v.encode("latin-1")) for k, v in headers.items()])
                await connection.run()
        finally:
            service.engine(verdict.offer).load.left(request_id)

    async def no_such_line(self, websocket: WebSocket) -> None:
        """WebSockets are served at one place."""
        await websocket.send_denial_response(refusal_response(NOT_FOUND))

    async def no_upgrade(self, _: Request) -> Response:
        """A plain GET of the live endpoint."""
        return refusal_response(NO_UPGRADE)

    async def recording(self, request: Request) -> Response:
        """The words of a whole recording."""
        return await submit(request, self._service, self.recordings)

    async def status(self, _: Request) -> Response:
        """How the server fares, in the shape of the wire."""
        return _json(
            {
                "system_health": "Healthy" if self._service.ready else "Initializing",
                "active_batch_requests": self.recordings.active,
                "active_stream_requests": self._service.live,
                "active_listen_v2_stream_requests": 0,
            }
        )

    async def healthz(self, _: Request) -> Response:
        """The process lives."""
        return _json({"status": "ok"})

    async def readyz(self, _: Request) -> Response:
        """Streams can be served."""
        ready = self._service.ready
        engines = [engine.model.name for engine in self._service.engines]
        return _json({"ready": ready, "engines": engines}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """What Prometheus reads."""
        body, content_type = self._service.metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type, "dg-request-id": new_request_id()})


def _json(body: Mapping[str, object], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"dg-request-id": new_request_id()})


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal_response(Refusal(error.status_code, error.detail.upper().replace(" ", "_"), f"{error.detail}."))


def _broken(_: Request, __: Exception) -> Response:
    return refusal_response(Refusal(500, "INTERNAL_SERVER_ERROR", "Something broke inside; the log says what."))
