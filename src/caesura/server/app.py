"""HTTP and WebSocket requests in, answers out: routes, refusals before the upgrade, and the lifespan of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from caesura.errors import BadParameter, BadUrl
from caesura.ledger.access import Access
from caesura.ledger.scopes import LISTEN
from caesura.protocol import closing
from caesura.protocol.catalogue import Offer
from caesura.protocol.closing import Refusal, refusal_body, refusal_for
from caesura.protocol.options import ListenOptions, parse_options
from caesura.server.auth import Credential, present
from caesura.server.live import LiveConnection
from caesura.server.outbound.target import SOCKETS, WEB, Target
from caesura.server.request_id import new_request_id
from caesura.server.service import Service

_log = logging.getLogger("caesura.live")

NO_UPGRADE = Refusal(426, "UPGRADE_REQUIRED", "This is the live endpoint: connect to it with a WebSocket.")
NOT_FOUND = Refusal(404, "NOT_FOUND", "No WebSocket is served here: live speech goes to /v1/listen.")
NOT_LIVE = Refusal(
    501, "NOT_IMPLEMENTED", "Transcribing whole files by POST is not done by this server yet: stream them live."
)


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
            await service.stop()

    async def listen(websocket: WebSocket) -> None:
        await _listen(websocket, service)

    async def no_such_line(websocket: WebSocket) -> None:
        await websocket.send_denial_response(_refused(NOT_FOUND))

    async def status(_: Request) -> Response:
        return _json(
            {
                "system_health": "Healthy" if service.ready else "Initializing",
                "active_batch_requests": 0,
                "active_stream_requests": service.live,
                "active_listen_v2_stream_requests": 0,
            }
        )

    async def healthz(_: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(_: Request) -> Response:
        engines = [engine.model.name for engine in service.engines]
        return _json({"ready": service.ready, "engines": engines}, 200 if service.ready else 503)

    async def metrics(request: Request) -> Response:
        body, content_type = service.metrics.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    async def plain_listen(request: Request) -> Response:
        return _refused(NOT_LIVE if request.method == "POST" else NO_UPGRADE)

    return Starlette(
        routes=[
            WebSocketRoute("/v1/listen", listen),
            WebSocketRoute("/{anywhere:path}", no_such_line),
            Route("/v1/listen", plain_listen, methods=["GET", "POST"]),
            Route("/v1/status", status),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
        ],
        lifespan=lifespan,
        exception_handlers={HTTPException: _http_error, Exception: _broken},
    )


async def _listen(websocket: WebSocket, service: Service) -> None:
    """Refuse with an HTTP answer, or accept and run the connection."""
    request_id = new_request_id()
    credential = present(websocket.headers.get("authorization"), websocket.scope.get("subprotocols", []))
    verdict = _admit(websocket, service, credential)
    if isinstance(verdict, Refusal):
        service.metrics.refused(verdict.status)
        _log.info("%s: refused with %d: %s", request_id, verdict.status, verdict.err_msg)
        await websocket.send_denial_response(_refused(verdict, request_id))
        return
    _log.debug("%s: opened by key %s with %s", request_id, verdict.access.api_key_id, verdict.options)
    headers = {"dg-request-id": request_id, "dg-project-id": verdict.access.project_id}
    headers |= _cross_origin(websocket.headers.get("origin"))
    connection = LiveConnection(
        websocket,
        service,
        verdict.options,
        request_id=request_id,
        access=verdict.access,
        offer=verdict.offer,
        callback=verdict.callback,
    )
    open_with_key = service.connections[verdict.access.api_key_id]
    open_with_key.add(connection)
    try:
        await websocket.accept(credential.echo, [(k.encode(), v.encode("latin-1")) for k, v in headers.items()])
        await connection.run()
    finally:
        open_with_key.discard(connection)
        if not open_with_key:
            service.connections.pop(verdict.access.api_key_id, None)


@dataclass(frozen=True, slots=True)
class _Admitted:
    """Who may do what: a live stream that is about to be accepted."""

    access: Access
    options: ListenOptions
    offer: Offer
    callback: Target | None


def _admit(websocket: WebSocket, service: Service, credential: Credential) -> _Admitted | Refusal:
    """Who asks, what for, whether they may, have paid and there is room: in that order."""
    if not service.open_for_business:
        return closing.SERVICE_UNAVAILABLE
    access = service.admit(credential.secret)
    if access is None:
        return closing.INVALID_AUTH
    query: bytes = websocket.scope["query_string"]
    try:
        pairs = parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True)
        options = parse_options(pairs, catalogue=service.catalogue)
        offer = service.catalogue.choose(options.model, options.version, options.language)
        callback = None if options.callback is None else _target(service, options.callback)
    except BadParameter as error:
        return refusal_for(error)
    if not access.may(LISTEN):
        return closing.INSUFFICIENT_PERMISSIONS
    if not service.book.paid(access.project_id):
        return closing.PAYMENT_REQUIRED
    if service.live >= service.settings.max_sessions or not service.book.room(access.project_id):
        return closing.TOO_MANY_REQUESTS
    if not service.ready:
        return closing.SERVICE_UNAVAILABLE
    return _Admitted(access, options, offer, callback)


def _target(service: Service, url: str) -> Target:
    try:
        return service.outbound.read(url, WEB + SOCKETS)
    except BadUrl as error:
        raise BadParameter("callback", "", f"Invalid 'callback' value: {error}") from error


def _cross_origin(origin: str | None) -> dict[str, str]:
    """What browsers are told on the upgrade, as the hosted service tells them."""
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        "access-control-allow-credentials": "true",
        "vary": "origin, access-control-request-method, access-control-request-headers",
        "access-control-expose-headers": "dg-model-name,dg-model-uuid,dg-char-count,dg-request-id,dg-error",
    }


def _refused(refusal: Refusal, request_id: str | None = None) -> Response:
    request_id = request_id or new_request_id()
    headers = {"dg-request-id": request_id, "dg-error": refusal.err_msg}
    return Response(refusal_body(refusal, request_id), refusal.status, headers, media_type="application/json")


def _json(body: Mapping[str, object], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"dg-request-id": new_request_id()})


def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _refused(Refusal(error.status_code, error.detail.upper().replace(" ", "_"), f"{error.detail}."))


def _broken(_: Request, __: Exception) -> Response:
    return _refused(Refusal(500, "INTERNAL_SERVER_ERROR", "Something broke inside; the log says what."))
