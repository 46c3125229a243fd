"""Settings in; a server on loopback that hears recordings, and what it was told and told others, out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from caesura.errors import BadParameter, PeerError
from caesura.events import Hit, Search
from caesura.protocol.closing import refusal_body, refusal_for
from caesura.protocol.formatting_runs import FormatRun
from caesura.protocol.options import ListenOptions, parse_options
from caesura.server.recording_ask import Ask, Limits, RecordingUse
from caesura.server.recordings import Recordings
from caesura.server.request_id import new_request_id
from caesura.server.run import uvicorn_config
from caesura.server.service import Service
from caesura.server.settings import Settings
from caesura.words import Word, raw

NEVER = "https://example.org/never"


@dataclass(frozen=True)
class Plain:
    """Words as they were heard, and where those are that were searched for."""

    words: tuple[Word, ...]
    searches: tuple[Search, ...]


def writer(options: ListenOptions) -> FormatRun:
    """Stands in for the formatting."""

    def write(words: tuple[Word, ...]) -> Plain:
        return Plain(words, tuple(Search(query, tuple(_hits(query, words))) for query in options.search))

    return write


def _hits(query: str, words: tuple[Word, ...]) -> Iterator[Hit]:
    for word in words:
        if raw(word.text) == query:
            yield Hit(word.confidence, word.start, word.end, word.text)


@dataclass
class Posting:
    """A running server; `url` is http://127.0.0.1:PORT."""

    service: Service
    recordings: Recordings
    url: str = ""
    uses: list[RecordingUse] = field(default_factory=list)
    delivered: list[str] = field(default_factory=list)
    remote: dict[str, list[bytes] | PeerError] = field(default_factory=dict)
    """What `fetch` finds behind a URL."""
    deliveries: threading.Event = field(default_factory=threading.Event)

    async def fetch(self, url: str) -> AsyncIterator[bytes]:
        """The bytes kept for a URL; behind `NEVER` none come."""
        if url == NEVER:
            await asyncio.Event().wait()
        found = self.remote.get(url, PeerError("The URL of the recording answered with 404."))
        if isinstance(found, PeerError):
            raise found
        for piece in found:
            await asyncio.sleep(0)
            yield piece

    async def deliver(self, text: str) -> None:
        """Keep what a callback would get."""
        self.delivered.append(text)
        self.deliveries.set()

    async def answer(self, request: Request) -> Response:
        """The route."""
        request_id = new_request_id()
        try:
            pairs = parse_qsl(request.url.query, keep_blank_values=True)
            options = parse_options(pairs, catalogue=self.service.catalogue, recording=True)
        except BadParameter as error:
            refusal = refusal_for(error)
            return Response(refusal_body(refusal, request_id), refusal.status, media_type="application/json")
        ask = Ask(request_id, options, writer(options), self.uses.append, self.fetch, self.deliver)
        engine = self.service.engine(self.service.catalogue.offers[0])
        return await self.recordings.transcribe(request, ask, engine, self.service.vad)


@contextmanager
def posting(engine: str = "scripted", *, workers: int = 1, limits: Limits | None = None) -> Iterator[Posting]:
    """A server for recordings on a thread of its own, ready inside."""
    settings = Settings(engines=(engine,), workers=workers, port=0)
    ready: threading.Event = threading.Event()
    running: list[Posting] = []
    server: list[uvicorn.Server] = []

    async def serve() -> None:
        service = Service(settings)
        found = Posting(service, Recordings(limits or Limits(), service.shutdown))
        app = Starlette(routes=[Route("/v1/listen", found.answer, methods=["POST"])])
        config = uvicorn_config(app, settings)
        config.port, config.lifespan = 0, "off"
        server.append(uvicorn.Server(config))
        try:
            await service.start()
            serving = asyncio.create_task(server[0].serve())
            while not server[0].started:
                await asyncio.sleep(0.01)
            port = server[0].servers[0].sockets[0].getsockname()[1]
            found.url = f"http://127.0.0.1:{port}"
            running.append(found)
            ready.set()
            await serving
        finally:
            await found.recordings.stop()
            await service.stop()
            ready.set()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(30)
    try:
        yield running[0]
    finally:
        server[0].should_exit = True
        thread.join(30)
        assert not thread.is_alive()
