"""A small server of the live wire for the command's tests: a script of answers in, what the client sent out."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.datastructures import Headers


def results(text: str, start: float, duration: float, *, final: bool = True, channel: tuple[int, int] = (0, 1)) -> str:
    """A Results message whose words share its time evenly."""
    words = text.split()
    step = duration / max(len(words), 1)
    return json.dumps(
        {
            "type": "Results",
            "channel_index": list(channel),
            "duration": duration,
            "start": start,
            "is_final": final,
            "speech_final": final,
            "from_finalize": False,
            "channel": {
                "alternatives": [
                    {
                        "transcript": text,
                        "confidence": 0.9,
                        "words": [
                            {
                                "word": word.lower().strip(",."),
                                "punctuated_word": word,
                                "start": start + index * step,
                                "end": start + (index + 1) * step,
                                "confidence": 0.9,
                            }
                            for index, word in enumerate(words)
                        ],
                    }
                ]
            },
            "metadata": {"request_id": "r"},
        }
    )


def metadata(duration: float) -> str:
    """The last message of a stream."""
    return json.dumps({"type": "Metadata", "request_id": "r", "duration": duration, "channels": 1})


@dataclass
class Heard:
    """What a fake server was sent."""

    url: str = ""
    paths: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    audio: bytearray = field(default_factory=bytearray)
    texts: list[str] = field(default_factory=list)


Answer = Callable[[ServerConnection, Heard], Awaitable[None]]


async def transcribe(connection: ServerConnection, heard: Heard) -> None:
    """Behave: an interim on the first audio, finals and Metadata on CloseStream."""
    seen = False
    async for item in connection:
        if isinstance(item, bytes):
            heard.audio += item
            if not seen:
                seen = True
                await connection.send(results("one", 0.0, 0.5, final=False))
            continue
        heard.texts.append(json.loads(item)["type"])
        if heard.texts[-1] == "CloseStream":
            await connection.send(results("One two.", 0.0, 1.0))
            await connection.send(results("Three.", 1.0, 0.5))
            await connection.send(metadata(1.5))
            await connection.close(1000)


@contextmanager
def fake_server(
    answer: Answer = transcribe, *, refuse: tuple[int, dict[str, str], Any] | None = None
) -> Iterator[Heard]:
    """A server on a free loopback port; `refuse`: status, headers and JSON body instead of the upgrade."""
    heard = Heard()
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    done = asyncio.Event()

    def judge(connection: ServerConnection, request: Request) -> Response | None:
        heard.paths.append(request.path)
        heard.authorizations.append(request.headers.get("Authorization"))
        if refuse is None:
            return None
        status, headers, body = refuse
        return Response(status, HTTPStatus(status).phrase, Headers(headers), json.dumps(body).encode())

    async def run() -> None:
        async with serve(lambda connection: answer(connection, heard), "127.0.0.1", 0, process_request=judge) as server:
            port = next(iter(server.sockets)).getsockname()[1]
            heard.url = f"ws://127.0.0.1:{port}"
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(5)
    try:
        yield heard
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join(5)
        loop.close()
