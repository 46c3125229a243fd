"""The tests that docs/client.md shows, run as printed."""

# docs: begin
from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterator

import pytest

import caesura
from caesura.testing import FakeServer, Voice

VOICE = Voice(["good", "morning", "everybody"])


async def captions(url: str, audio: AsyncIterable[bytes], faults: caesura.Faults | None = None) -> list[str]:
    """The program under test: one line of text for each utterance."""
    async with caesura.connect(url, model="nova-3", faults=faults) as line:
        return [event.text async for event in line.transcribe(audio) if isinstance(event, caesura.Final) and event.text]


async def speech() -> AsyncIterable[bytes]:
    """Made-up speech, in chunks of a tenth of a second."""
    audio = VOICE.say("good", "morning") + VOICE.silence(0.5) + VOICE.say("everybody")
    for at in range(0, len(audio), 3200):
        yield audio[at : at + 3200]
        await asyncio.sleep(0.01)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(VOICE) as running:
        yield running


def test_each_utterance_is_a_line(server: FakeServer) -> None:
    assert asyncio.run(captions(server.url, speech())) == ["good morning", "everybody"]
    assert server.connections[0].request.query["model"] == ("nova-3",)


def test_a_cut_in_the_middle_of_a_word_costs_no_word(server: FakeServer) -> None:
    server.after(0.5, server.cut)  # half a second of audio
    assert asyncio.run(captions(server.url, speech())) == ["good morning", "everybody"]
    assert len(server.connections) == 2


def test_a_busy_server_is_tried_again(server: FakeServer) -> None:
    faults = caesura.Faults(refuse=(503,))  # simulated by the client, for any server
    assert asyncio.run(captions(server.url, speech(), faults)) == ["good morning", "everybody"]


def test_a_wrong_key_is_reported(server: FakeServer) -> None:
    server.refuse(401)
    with pytest.raises(caesura.BadCredentials, match="Check the API key"):
        asyncio.run(captions(server.url, speech()))


# docs: end

pytestmark = pytest.mark.slow
