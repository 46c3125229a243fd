"""ASGI middleware that applies the origin policy to every HTTP request and every WebSocket upgrade."""

from __future__ import annotations

import logging
from typing import assert_never

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from caesura.protocol.closing import Refusal
from caesura.server.origin import Decision, OriginPolicy, Pass, Preflight, RequestHead
from caesura.server.refusal import refusal_response
from caesura.server.request_id import new_request_id
from caesura.server.service import Service

_log = logging.getLogger("caesura.live")

_STARTS = frozenset({"http.response.start", "websocket.accept", "websocket.http.response.start"})


class OriginGuard:
    """Middleware around the whole application, so that no route has to check origins itself."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        settings = service.settings
        self._app = app
        self._service = service
        self._policy = OriginPolicy(settings.host, settings.cors_origins, settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, answer its preflight, or pass it on and add headers to its response."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        decision: Decision = self._policy.decide(_head(scope), key_needed=self._service.key_needed)
        match decision:
            case Refusal():
                await _answer(self._refused(decision, scope), scope, receive, send)
            case Preflight(headers):
                headers = {"dg-request-id": new_request_id(), **headers}
                await _answer(Response(status_code=204, headers=headers), scope, receive, send)
            case Pass(headers):

                async def send_shared(message: Message) -> None:
                    if headers and message["type"] in _STARTS:
                        MutableHeaders(scope=message).update(headers)
                    await send(message)

                await self._app(scope, receive, send_shared)
            case _:
                assert_never(decision)

    def _refused(self, refusal: Refusal, scope: Scope) -> Response:
        request_id = new_request_id()
        if scope["path"] == "/v1/listen":
            self._service.metrics.refused(refusal.status, refusal.why)
        _log.info("%s: refused with %d: %s", request_id, refusal.status, refusal.err_msg)
        response = refusal_response(refusal, request_id)
        response.headers["vary"] = "origin"
        return response


async def _answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).send_denial_response(response)
    else:
        await response(scope, receive, send)


def _head(scope: Scope) -> RequestHead:
    headers = Headers(scope=scope)

    def joined(name: str) -> str | None:
        # A repeated header must match nothing that is allowed.
        return ", ".join(headers.getlist(name)) if name in headers else None

    return RequestHead(
        method=scope.get("method", "GET"),
        origin=joined("origin"),
        host=joined("host"),
        fetch_site=joined("sec-fetch-site"),
        fetch_dest=joined("sec-fetch-dest"),
        requested_method=joined("access-control-request-method"),
        requested_headers=joined("access-control-request-headers"),
        upgrade=scope["type"] == "websocket",
    )
