"""The HTTP routes on a fresh ledger, called in process."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.routing import Mount

from caesura.ledger.balances import add_credit
from caesura.ledger.database import Ledger, open_ledger
from caesura.ledger.keys import NewKey, create_key
from caesura.ledger.projects import DEFAULT_PROJECT_ID, Project, create_project
from caesura.ledger.requests import RequestRecord, save_requests
from caesura.server.accounts.ledger_writer import LedgerWriter
from caesura.server.rest.app import create_api
from caesura.server.rest.request_body import BodyLimits
from caesura.server.service import Service
from caesura.server.settings import Settings

SCRIPTED = Settings(engines=("scripted",), workers=1)
HERE = f"/v1/projects/{DEFAULT_PROJECT_ID}"
NOWHERE = "00000000-0000-4000-8000-000000000000"
AT_HOME = "http://127.0.0.1:8080"


@dataclass(frozen=True, slots=True)
class ManagementApi:
    """The routes, and the ledger under them."""

    app: Starlette
    ledger: Ledger
    writer: LedgerWriter

    async def request(self, method: str, path: str, *, key: str | None = None, **options: Any) -> httpx2.Response:
        """The response; checks that it has the id of its request."""
        headers = options.pop("headers", {}) | ({} if key is None else {"authorization": f"Token {key}"})
        base = options.pop("base", AT_HOME)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(self.app), base_url=base) as client:
            response = await client.request(method, path, headers=headers, **options)
        assert len(response.headers["dg-request-id"]) == 36
        return response

    async def get(self, path: str, **options: Any) -> httpx2.Response:
        return await self.request("GET", path, **options)

    async def key(self, *scopes: str, project: str = DEFAULT_PROJECT_ID, **made: Any) -> NewKey:
        """A new key, which the routes know."""
        return await self.writer.write(
            lambda connection: create_key(
                connection, project_id=project, now=datetime.now(UTC), scopes=scopes or ("owner",), **made
            )
        )

    async def secret(self, *scopes: str, **made: Any) -> str:
        """Of a new key."""
        return (await self.key(*scopes, **made)).secret

    async def project(self, name: str) -> Project:
        return await self.writer.write(lambda connection: create_project(connection, name, now=datetime.now(UTC)))

    async def save(self, *rows: RequestRecord) -> None:
        await self.writer.write(lambda connection: save_requests(connection, rows))

    async def credit(self, usd: float, note: str = "", project: str = DEFAULT_PROJECT_ID) -> str:
        return await self.writer.write(
            lambda connection: add_credit(connection, project, usd, now=datetime.now(UTC), note=note)
        )


@asynccontextmanager
async def management_api(
    *, settings: Settings = SCRIPTED, limits: BodyLimits | None = None, location: str | None = None
) -> AsyncIterator[ManagementApi]:
    """The routes, mounted in an application as the server mounts them, on a fresh ledger."""
    with tempfile.TemporaryDirectory() as folder:
        where = location or _fresh(Path(folder))
        with await asyncio.to_thread(open_ledger, where, now=datetime.now(UTC)) as ledger:
            writer = LedgerWriter(ledger, flag_keys=settings.keys)
            await writer.start()
            app = Starlette(routes=[Mount("/", app=create_api(_service(settings), ledger=writer, limits=limits))])
            try:
                yield ManagementApi(app, ledger, writer)
            finally:
                await writer.stop()


def _fresh(folder: Path) -> str:
    """The path of a ledger; to make its tables for each test would take longer than most tests."""
    path = folder / "ledger.db"
    path.write_bytes(_empty())
    return str(path)


@cache
def _empty() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        open_ledger(str(path), now=datetime.now(UTC)).close()
        return path.read_bytes()


def _service(settings: Settings) -> Service:
    return _scripted() if settings is SCRIPTED else Service(settings)


@cache
def _scripted() -> Service:
    return Service(SCRIPTED)


def run_story(story: Callable[[ManagementApi], Awaitable[None]], **options: Any) -> None:
    """Tell a story about the routes."""

    async def whole() -> None:
        async with management_api(**options) as api:
            await asyncio.wait_for(story(api), 30)

    asyncio.run(whole())
