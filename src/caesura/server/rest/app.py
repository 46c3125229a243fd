"""A service and its ledger in; one ASGI application with all management routes and their OpenAPI document out."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from caesura.distribution import DISTRIBUTION
from caesura.server.accounts.ledger_writer import LedgerWriter
from caesura.server.request_id import new_request_id
from caesura.server.rest import billing, keys, members, models, projects, requests, tokens, usage
from caesura.server.rest.bodies import Limits
from caesura.server.rest.described import REQUEST_ID, described, methods_beside
from caesura.server.rest.errors import handle_errors
from caesura.server.service import Service


class Api(FastAPI):
    """The routes. Every answer carries an id of its request, whichever of them gives it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one message about the application's life."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        request_id = new_request_id()
        scope["state"] = {**scope.get("state", {}), "request_id": request_id}

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID] = request_id
                # Answers hold secrets that are shown once, and figures that change.
                headers["cache-control"] = "no-store"
            await send(message)

        await super().__call__(scope, receive, send_identified)

    def openapi(self) -> dict[str, Any]:
        """The document of all routes, also of those that are served beside this application. Made once."""
        if self.openapi_schema is None:
            self.openapi_schema = described(self)
        return self.openapi_schema


def create_api(service: Service, ledger: LedgerWriter | None = None, *, limits: Limits | None = None) -> FastAPI:
    """The management routes around `service`, which whoever mounts it starts and stops.

    Args:
        service: Need not be started: until its ledger is open, requests are answered with 503.
        ledger: The ledger to ask where it is not that of `service`; started by the first request.
        limits: What bodies may be.
    """
    api = Api(
        title="Caesura",
        version=version(DISTRIBUTION),
        # Their pages would be loaded from elsewhere.
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: f"{route.tags[0]}_{route.name}",
    )
    api.state.service = service
    api.state.ledger_writer = ledger
    api.state.limits = limits or Limits()
    api.state.beside = methods_beside()
    handle_errors(api)
    for part in (tokens, models, projects, keys, members, requests, usage, billing):
        api.include_router(part.router)
    return api
