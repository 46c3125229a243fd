"""A server that is stopped while somebody speaks costs our client no word, and gives it none twice."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack, suppress
from typing import cast

import pytest

import caesura
from caesura.server.settings import Settings
from caesura.speech.vad import SileroModel
from tests.in_process_server import InProcessServer, in_process_server
from tests.server.scenes import WITHIN_S
from tests.server.spelling_engine import VOICE, WORD_S, AnySoundIsVoice
from tests.waiting import until

BYTES_PER_S = 32_000
WORDS = [f"w{number}" for number in range(30)]
TALK = VOICE.say(*WORDS[:8], word_s=WORD_S) + VOICE.silence(0.6) + VOICE.say(*WORDS[8:], word_s=WORD_S)


class Address:
    """One address in front of servers that take each other's place: connections go to the newest."""

    def __init__(self) -> None:
        self.server: InProcessServer | None = None

    async def __aenter__(self) -> str:
        """The URL of the address."""
        self._listener = await asyncio.start_server(self._relay, "127.0.0.1", 0, family=socket.AF_INET)
        return f"ws://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        self._listener.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.server is None:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection(*self.server.address)
        await asyncio.gather(_copy(reader, server_writer), _copy(server_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65_536):
            writer.write(data)
    writer.close()


async def transcribed(stop_at_s: float | None) -> caesura.Transcript:
    """What a client gets of the talk from a server that is stopped when it has that much, and from its successor."""
    settings = Settings(engines=("tests.server.spelling_engine:SPELLING",), workers=1)
    address = Address()
    async with address as url, AsyncExitStack() as servers:
        address.server = first = await servers.enter_async_context(in_process_server(settings))
        tuning = caesura.Tuning(retry_s=0.02, replay_speed=1000.0)
        async with caesura.connect(url, live=False, tuning=tuning, endpointing=300) as line:
            at = len(TALK) if stop_at_s is None else 2 * round(stop_at_s * 16_000)
            await line.send(TALK[:at])
            if stop_at_s is not None:
                await until(lambda: decoded_s(first) >= at / BYTES_PER_S)
                async with in_process_server(settings) as second:
                    address.server = second
                    await servers.aclose()
                    await line.send(TALK[at:])
                    return await line.finish(60)
            return await line.finish(60)


def decoded_s(server: InProcessServer) -> float:
    """Seconds of audio that the server's streams have decoded."""
    text = server.service.metrics.render("")[0].decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith("caesura_audio_seconds_total "))


@pytest.mark.parametrize("stop_at_s", [None, 0.2, 1.0, 2.5, 3.45, 3.9, 6.15, 8.7, 11.0])
def test_a_stop_in_mid_word_costs_no_word_and_doubles_none(
    stop_at_s: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("caesura.server.service.load_silero", lambda: cast(SileroModel, AnySoundIsVoice()))
    transcript = asyncio.run(asyncio.wait_for(transcribed(stop_at_s), WITHIN_S))
    assert [word.text for word in transcript.words] == WORDS
    assert (transcript.complete, transcript.gaps) == (True, ())
    assert transcript.stats.reconnects == (0 if stop_at_s is None else 1)
