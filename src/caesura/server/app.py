"""The ASGI application: the WebSocket route, the HTTP routes, and the lifespan of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from functools import partial

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, WebSocketRoute
from starlette.websockets import WebSocket

from caesura.protocol.closing import Refusal
from caesura.server.accounts.credentials import parse_credential
from caesura.server.accounts.usage_record import config, features
from caesura.server.admission import admit_stream
from caesura.server.live.connection import LiveConnection
from caesura.server.origin_guard import OriginGuard
from caesura.server.prerecorded.active import ActiveRecordings
from caesura.server.refusal import refusal_response
from caesura.server.request_id import new_request_id
from caesura.server.rest.app import create_api
from caesura.server.service import Service

_log = logging.getLogger("caesura.live")

NOT_FOUND = Refusal(404, "NOT_FOUND", "No WebSocket is served here: live speech goes to /v1/listen.")


def create_app(
    service: Service,
    *,
    on_ready: Callable[[], None] = lambda: None,
    on_failure: Callable[[Exception], None] | None = None,
) -> Starlette:
    """The ASGI application around `service`, which it starts and stops.

    It answers requests at once; until the engines are loaded `/readyz` and live connections are refused. Then
    `on_ready` is called. If the service cannot start, `on_failure` is called with the error.
    """
    recordings = ActiveRecordings(service)

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
            await recordings.stop()
            await service.stop()

    return Starlette(
        routes=[
            WebSocketRoute("/v1/listen", partial(_listen, service=service)),
            WebSocketRoute("/{anywhere:path}", _no_such_websocket),
            Mount("/", create_api(service, recordings)),
        ],
        middleware=[Middleware(OriginGuard, service=service)],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _broken},
    )


async def _listen(websocket: WebSocket, service: Service) -> None:
    """Refuse the upgrade with an HTTP response, or accept it and run the connection."""
    request_id = new_request_id()
    credential = parse_credential(websocket.headers.get("authorization"), websocket.scope.get("subprotocols", []))
    verdict = await admit_stream(service, credential, websocket.scope["query_string"], request_id=request_id)
    if isinstance(verdict, Refusal):
        service.metrics.refused(verdict.status, verdict.why)
        _log.info("%s: refused with %d: %s", request_id, verdict.status, verdict.logged)
        await websocket.send_denial_response(refusal_response(verdict, request_id))
        return
    try:
        requested = ", ".join((*config(verdict.options), *features(verdict.options)))
        _log.debug("%s: opened by key %s with %s", request_id, verdict.access.api_key_id, requested)
        headers = {"dg-request-id": request_id, "dg-project-id": verdict.access.project_id}
        connection = LiveConnection(websocket, service, verdict, request_id=request_id)
        with service.registered(connection, verdict.access.api_key_id):
            await websocket.accept(credential.echo, [(k.encode(), v.encode("latin-1")) for k, v in headers.items()])
            await connection.run()
    finally:
        service.engine(verdict.offer).load.left(request_id)
        # For a client that vanished before its stream began; the place of one that began was given back at its end.
        service.ledger_writer.release(request_id)


async def _no_such_websocket(websocket: WebSocket) -> None:
    """Refuse a WebSocket at any path but /v1/listen."""
    await websocket.send_denial_response(refusal_response(NOT_FOUND))


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return refusal_response(Refusal(error.status_code, error.detail.upper().replace(" ", "_"), f"{error.detail}."))


def _broken(_: Request, __: Exception) -> Response:
    return refusal_response(Refusal(500, "INTERNAL_SERVER_ERROR", "Internal error; the log has the details."))
