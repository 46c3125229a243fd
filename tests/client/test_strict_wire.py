"""A line against a server as strict as the recorded one, over a connection that breaks at any moment.

Nothing is sent on open, Metadata comes last, a Finalize with nothing behind it stays unanswered. What the fake hears is
in the samples themselves, so what must come out is known to the sample.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

import caesura
from caesura.testing import FakeServer, Voice

RATE = 16_000
FRAME_S = 0.1
FRAME = round(FRAME_S * RATE) * 2
FASTER = 20
"""Audio is captured so many times faster than it is spoken."""
VOICE = Voice([f"w{number}" for number in range(40)])
SECONDS = 40.0
ROUNDING_S = 0.0011
"""The wire has milliseconds."""


def conversation(chance: random.Random, seconds: float) -> bytes:
    """Words, some of them twice in a row, with silences of any length between them."""
    audio = b""
    while len(audio) < seconds * RATE * 2:
        said = chance.choices(VOICE.words, k=chance.randint(1, 12))
        said = [word for each in said for word in [each] * chance.choice([1, 1, 1, 2])]
        audio += VOICE.say(*said, word_s=chance.choice([0.1, 0.25, 0.4]))
        audio += VOICE.silence(round(chance.uniform(0.0, 2.0), 2))
    return audio


def break_it(server: FakeServer, chance: random.Random) -> None:
    """One of the ways in which connections end that were not to end."""
    ways: list[Callable[[], object]] = [
        server.cut,
        server.hang_up,
        lambda: server.close(1011, "NET-0001"),
        server.corrupt,
    ]
    chance.choice(ways)()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("answers", [True, False])
def test_every_word_comes_once_and_where_it_was_spoken(seed: int, answers: bool) -> None:
    """Cuts in mid-word, in pauses, while replaying, while finishing."""
    asyncio.run(_transcribe(random.Random(seed), answers))


async def _transcribe(chance: random.Random, answers: bool) -> None:
    audio = conversation(chance, SECONDS)
    tuning = caesura.Tuning(replay_speed=2.0 * FASTER, retry_s=0.02)
    with FakeServer(VOICE, answers_finalize=answers) as server:
        async with caesura.connect(server.url, model="nova-3", interim_results=True, tuning=tuning) as line:
            events = asyncio.create_task(_events(line))
            captured = await _capture(line, audio, server, chance)
            result = await line.finish(30)
            told = await events
    assert result.error is None
    assert result.complete
    assert result.stats.reconnects > 3
    assert result.gaps == ()
    expected = VOICE.hear(captured)
    assert [word.text for word in result.words] == [word.text for word in expected]
    for heard, said in zip(result.words, expected, strict=True):
        assert heard.source_start == pytest.approx(said.start, abs=ROUNDING_S)
        assert heard.source_end == pytest.approx(said.end, abs=ROUNDING_S)
    finals = [event for event in told if isinstance(event, caesura.Final)]
    assert [word for final in finals for word in final.words] == list(result.words)


async def _events(line: caesura.Line) -> list[caesura.Event]:
    return [event async for event in line]


async def _capture(line: caesura.Line, audio: bytes, server: FakeServer, chance: random.Random) -> bytes:
    """Send `audio`, now and then pausing (and going on to capture) and breaking the connection; what was captured."""
    captured = b""
    frames = [audio[at : at + FRAME] for at in range(0, len(audio), FRAME)]
    while frames:
        if chance.random() < 0.1 and not any(captured[-FRAME:]):  # a word that a pause cuts in two is not one word
            line.pause()
            silence = bytes(FRAME * chance.randint(1, 20))
            for at in range(0, len(silence), FRAME):
                line.send(silence[at : at + FRAME])
                await asyncio.sleep(FRAME_S / FASTER)
            line.resume()
            captured += silence
        if chance.random() < 0.04 and line.is_connected:  # what is broken meanwhile would not be a line's doing
            await asyncio.to_thread(break_it, server, chance)
        frame = frames.pop(0)
        line.send(frame)
        captured += frame
        await asyncio.sleep(FRAME_S / FASTER)
    return captured
