"""The FastAPI application with all HTTP routes and their OpenAPI document."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from caesura.distribution import DISTRIBUTION
from caesura.server.accounts.ledger_writer import LedgerWriter
from caesura.server.prerecorded.active import ActiveRecordings
from caesura.server.request_id import new_request_id
from caesura.server.rest import (
    billing,
    keys,
    listen,
    members,
    models,
    operations,
    projects,
    requests,
    tokens,
    usage,
)
from caesura.server.rest.errors import handle_errors
from caesura.server.rest.openapi import REQUEST_ID, build_openapi
from caesura.server.rest.request_body import BodyLimits
from caesura.server.service import Service

DATA_PLANE: Final = frozenset({"listen", "operation"})
"""OpenAPI tags of routes whose responses have no `Cache-Control`."""


class Api(FastAPI):
    """The routes. Every response has the id of its request in a header, whichever handler made it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or one lifespan message."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_id = new_request_id()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                if not DATA_PLANE & set(getattr(scope.get("route"), "tags", ())):
                    # Management responses contain secrets that are shown once, and figures that change.
                    headers["cache-control"] = "no-store"
            await send(message)

        await super().__call__(scope, receive, send_identified)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document of all routes, built once."""
        if self.openapi_schema is None:
            self.openapi_schema = build_openapi(self)
        return self.openapi_schema


def create_api(
    service: Service,
    recordings: ActiveRecordings | None = None,
    *,
    ledger: LedgerWriter | None = None,
    limits: BodyLimits | None = None,
) -> FastAPI:
    """The HTTP routes around `service`, which is started and stopped outside.

    Args:
        service: The service, started or not: until its ledger is open, requests are answered with 503.
        recordings: The active recordings of the server, which the caller stops; None for an empty set.
        ledger: The ledger of the management routes, if it is not that of `service`.
        limits: Bounds of bodies on management routes.
    """
    api = Api(
        title="Caesura",
        version=version(DISTRIBUTION),
        # No documentation pages: they would load scripts from other sites. The document itself is one of the routes.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: f"{route.tags[0]}_{route.name}",
    )
    api.state.service = service
    api.state.recordings = recordings or ActiveRecordings(service)
    api.state.ledger_writer = ledger
    api.state.limits = limits or BodyLimits()
    parts = (listen, operations, tokens, models, projects, keys, members, requests, usage, billing)
    api.state.routes = tuple(route for part in parts for route in part.router.routes if isinstance(route, APIRoute))
    handle_errors(api)
    for part in parts:
        api.include_router(part.router)
    return api
